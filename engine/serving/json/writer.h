#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace cairn::serving::json {

/// Writes one JSON document into a string, front to back, placing commas itself:
///
///     Writer out;
///     out.begin_object().key("id").text("p1").key("score").number(0.5).end_object();
///
/// The caller keeps begin and end balanced. Not a validator: it is the fast path of every answer.
class Writer {
 public:
  Writer& begin_object() { return open('{'); }
  Writer& end_object() { return close('}'); }
  Writer& begin_array() { return open('['); }
  Writer& end_array() { return close(']'); }

  Writer& key(std::string_view name);
  /// A string; bytes that are no UTF-8 become U+FFFD, so that the document stays valid whatever an id holds.
  Writer& text(std::string_view value);
  /// The shortest decimal that reads back to the same double; null for NaN and infinities, which JSON lacks.
  Writer& number(double value);
  Writer& integer(std::int64_t value);
  Writer& unsigned_integer(std::uint64_t value);
  Writer& boolean(bool value);
  Writer& null();
  /// A value that is JSON already.
  Writer& json(std::string_view value);

  [[nodiscard]] std::string take() && { return std::move(out_); }

 private:
  void separate();
  Writer& open(char bracket);
  Writer& close(char bracket);
  void append_quoted(std::string_view value);

  std::string out_;
};

}  // namespace cairn::serving::json

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "cairn/status.h"

namespace cairn::serving::json {

struct Member;

/// One parsed JSON value. Members keep their order; a name stands once (`parse` refuses repeats, which parsers resolve
/// differently and attackers use). Integers stay integers: an id of 2^63 is not rounded through a double; a whole
/// number below 2^53 is one with a point or an exponent, too (1001.0).
struct Value {
  using Array = std::vector<Value>;
  using Object = std::vector<Member>;
  // Starts as null. An initialiser would say so, and would need Member to be complete here (clang insists).
  std::variant<std::nullptr_t, bool, std::int64_t, std::uint64_t, double, std::string, Array, Object> data;

  template <class T>
  [[nodiscard]] const T* as() const noexcept {
    return std::get_if<T>(&data);
  }
  [[nodiscard]] bool is_null() const noexcept { return std::holds_alternative<std::nullptr_t>(data); }
  /// "a number", "an object": for messages.
  [[nodiscard]] std::string_view kind() const noexcept;
};

struct Member {
  std::string name;
  Value value;
};

/// How deeply arrays and objects may nest in a request.
inline constexpr std::size_t kDepthMax = 32;

/// How many members one object may have; also bounds the search for repeated names.
inline constexpr std::size_t kMembersMax = 256;

/// Parses exactly one document (RFC 8259).
///
/// Returns: INVALID_ARGUMENT, naming the byte, for anything else: trailing bytes, comments, NaN, a number beyond
/// double, malformed UTF-8, NUL in a string, a repeated name, nesting beyond kDepthMax, objects beyond kMembersMax.
[[nodiscard]] Result<Value> parse(std::string_view text);

/// The raw text of each element of a JSON array, trimmed, in order: views into `text`. Elements are delimited, not
/// validated, so that their decoder sees the very bytes that were sent, repeated names included.
///
/// Returns: INVALID_ARGUMENT, naming the byte, when brackets or strings do not close, or an element is empty.
[[nodiscard]] Result<std::vector<std::string_view>> split_array(std::string_view text);

/// `text` without JSON white space at both ends.
[[nodiscard]] std::string_view trim(std::string_view text) noexcept;

}  // namespace cairn::serving::json

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/clock.h"
#include "cairn/geo.h"
#include "engine/serving/json/value.h"

namespace cairn::serving::json {

/// Reads the members of one JSON object by name and type, strictly. Ask for every member the object may have, then call
/// `finish`: it returns the first thing that was wrong, or names a member nobody asked for together with the nearest
/// name that exists. After an error the getters return empty values, so that callers need no test in between. A member
/// that is null counts as absent.
///
/// `value` and the names must outlive it. `what` names the object in messages ("place 3"); may be empty.
class Fields {
 public:
  Fields(const Value& value, std::string what);

  [[nodiscard]] std::optional<std::string> text(std::string_view name);
  /// An id: a string, or an unsigned integer, which becomes its decimal text.
  [[nodiscard]] std::optional<std::string> id(std::string_view name);
  [[nodiscard]] std::string required_id(std::string_view name);
  [[nodiscard]] std::optional<double> number(std::string_view name);
  [[nodiscard]] double required_number(std::string_view name);
  [[nodiscard]] std::optional<std::int64_t> integer(std::string_view name, std::int64_t min, std::int64_t max);
  [[nodiscard]] std::int64_t required_integer(std::string_view name, std::int64_t min, std::int64_t max);
  [[nodiscard]] bool flag(std::string_view name, bool fallback);
  /// RFC 3339 text, or integer milliseconds since the epoch. `or_word`: what else the caller takes, for the complaint.
  [[nodiscard]] std::optional<EventTime> time(std::string_view name, std::string_view or_word = {});
  [[nodiscard]] std::vector<std::string> texts(std::string_view name, std::size_t count_max);
  /// An array of ids.
  [[nodiscard]] std::vector<std::string> ids(std::string_view name, std::size_t count_max);
  /// Members "lat" and "lon": both or neither, in range.
  [[nodiscard]] std::optional<GeoPoint> position();
  /// Any value; null when absent.
  [[nodiscard]] const Value* any(std::string_view name);

  /// Records an error found by the caller; the first one stays.
  void fail(std::string message);
  [[nodiscard]] Status finish();

 private:
  const Value* find(std::string_view name);
  /// The elements of an array of `kind`, or of none when it is absent or wrong.
  const Value::Array& elements(std::string_view name, std::string_view kind, std::size_t count_max);
  void wrong_kind(std::string_view name, std::string_view expected, const Value& found);
  void require(bool present, std::string_view name);

  const Value::Object* members_ = nullptr;
  std::string what_;
  std::vector<std::string_view> known_;
  Status error_;
};

/// A user's or place's id in JSON: 1 to kIdBytesMax bytes of text, or an unsigned integer. Empty when it is neither.
[[nodiscard]] std::optional<std::string> id_of(const Value& value);

/// The name among `known` within three edits of `name` and nearest to it; empty when none is near.
[[nodiscard]] std::string nearest_name(std::string_view name, const std::vector<std::string>& known);

}  // namespace cairn::serving::json

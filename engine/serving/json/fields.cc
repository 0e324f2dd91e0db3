#include "engine/serving/json/fields.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "cairn/exchanged_position.h"
#include "cairn/ids.h"
#include "cairn/rfc3339.h"

namespace cairn::serving::json {
namespace {

constexpr std::size_t kNameBytesMax = 64;  // bounds the work an unknown name can cause
constexpr std::size_t kNamesUsual = 32;    // that an object is asked for, at most

/// Levenshtein's distance; both names have at most kNameBytesMax bytes.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::array<std::size_t, kNameBytesMax + 1> row;
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({substituted, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

std::optional<double> number_of(const Value& value) {
  if (const auto* real = value.as<double>()) return *real;
  if (const auto* integer = value.as<std::int64_t>()) return static_cast<double>(*integer);
  if (const auto* large = value.as<std::uint64_t>()) return static_cast<double>(*large);
  return std::nullopt;
}

}  // namespace

std::string nearest_name(std::string_view name, const std::vector<std::string>& known) {
  constexpr std::size_t kEditsMax = 3;
  std::string best;
  std::size_t best_distance = kEditsMax + 1;
  if (name.size() > kNameBytesMax) return best;
  for (const std::string& candidate : known) {
    if (candidate.size() > kNameBytesMax) continue;
    const std::size_t distance = edit_distance(name, candidate);
    // A name that would have to be replaced whole is no near one.
    if (distance < best_distance && distance < candidate.size()) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

std::optional<std::string> id_of(const Value& value) {
  std::string id;
  if (const auto* text = value.as<std::string>()) id = *text;
  if (const auto* integer = value.as<std::int64_t>(); integer && *integer >= 0) id = std::to_string(*integer);
  if (const auto* large = value.as<std::uint64_t>()) id = std::to_string(*large);
  if (!valid_id(id)) return std::nullopt;
  return id;
}

Fields::Fields(const Value& value, std::string what) : members_(value.as<Value::Object>()), what_(std::move(what)) {
  known_.reserve(kNamesUsual);
  if (!members_) fail("an object is expected, not " + std::string(value.kind()));
}

void Fields::fail(std::string message) {
  if (!error_.ok()) return;
  error_ = invalid_argument(what_.empty() ? std::move(message) : what_ + ": " + message);
}

const Value* Fields::find(std::string_view name) {
  // Noted also after an error, so that `finish` never calls a member unknown that was only not asked for.
  known_.emplace_back(name);
  if (!error_.ok()) return nullptr;
  for (const Member& member : *members_) {
    if (member.name == name) return member.value.is_null() ? nullptr : &member.value;
  }
  return nullptr;
}

const Value* Fields::any(std::string_view name) { return find(name); }

void Fields::wrong_kind(std::string_view name, std::string_view expected, const Value& found) {
  fail(std::string(name) + " must be " + std::string(expected) + ", not " + std::string(found.kind()));
}

void Fields::require(bool present, std::string_view name) {
  if (!present) fail(std::string(name) + " is required");
}

std::optional<std::string> Fields::text(std::string_view name) {
  const Value* value = find(name);
  if (!value) return std::nullopt;
  if (const auto* found = value->as<std::string>()) return *found;
  wrong_kind(name, "a string", *value);
  return std::nullopt;
}

std::optional<std::string> Fields::id(std::string_view name) {
  const Value* value = find(name);
  if (!value) return std::nullopt;
  std::optional<std::string> found = id_of(*value);
  if (!found) {
    fail(std::string(name) + " must be a string of 1 to " + std::to_string(kIdBytesMax) +
         " bytes without NUL, or an unsigned integer");
  }
  return found;
}

std::string Fields::required_id(std::string_view name) {
  std::optional<std::string> found = id(name);
  require(found.has_value(), name);
  return std::move(found).value_or(std::string());
}

std::optional<double> Fields::number(std::string_view name) {
  const Value* value = find(name);
  if (!value) return std::nullopt;
  const std::optional<double> found = number_of(*value);
  if (!found) wrong_kind(name, "a number", *value);
  return found;
}

double Fields::required_number(std::string_view name) {
  const std::optional<double> found = number(name);
  require(found.has_value(), name);
  return found.value_or(0.0);
}

std::optional<std::int64_t> Fields::integer(std::string_view name, std::int64_t min, std::int64_t max) {
  const Value* value = find(name);
  if (!value) return std::nullopt;
  const auto* found = value->as<std::int64_t>();
  if (found && *found >= min && *found <= max) return *found;
  fail(std::string(name) + " must be an integer from " + std::to_string(min) + " to " + std::to_string(max));
  return std::nullopt;
}

std::int64_t Fields::required_integer(std::string_view name, std::int64_t min, std::int64_t max) {
  const std::optional<std::int64_t> found = integer(name, min, max);
  require(found.has_value(), name);
  return found.value_or(min);
}

bool Fields::flag(std::string_view name, bool fallback) {
  const Value* value = find(name);
  if (!value) return fallback;
  if (const auto* found = value->as<bool>()) return *found;
  wrong_kind(name, "true or false", *value);
  return fallback;
}

std::optional<EventTime> Fields::time(std::string_view name, std::string_view or_word) {
  const Value* value = find(name);
  if (!value) return std::nullopt;
  if (const auto* text = value->as<std::string>()) {
    if (const auto time = parse_rfc3339(*text)) return time;
  } else if (const auto* ms = value->as<std::int64_t>(); ms && *ms >= to_ms(kRfc3339Min) && *ms <= to_ms(kRfc3339Max)) {
    return event_time_from_ms(*ms);
  }
  fail(std::string(name) + " must be " + (or_word.empty() ? "" : std::string(or_word) + ", ") +
       "RFC 3339 such as 2024-05-01T12:00:00Z, or integer milliseconds since the epoch");
  return std::nullopt;
}

const Value::Array& Fields::elements(std::string_view name, std::string_view kind, std::size_t count_max) {
  static const Value::Array kNone;
  const Value* value = find(name);
  if (!value) return kNone;
  const auto* array = value->as<Value::Array>();
  if (!array) {
    wrong_kind(name, "an array of " + std::string(kind), *value);
    return kNone;
  }
  if (array->size() > count_max) fail(std::string(name) + " has more than " + std::to_string(count_max) + " elements");
  return *array;
}

std::vector<std::string> Fields::texts(std::string_view name, std::size_t count_max) {
  std::vector<std::string> found;
  for (const Value& element : elements(name, "strings", count_max)) {
    if (const auto* text = element.as<std::string>()) {
      found.push_back(*text);
    } else {
      wrong_kind(name, "an array of strings only", element);
    }
  }
  return found;
}

std::vector<std::string> Fields::ids(std::string_view name, std::size_t count_max) {
  std::vector<std::string> found;
  for (const Value& element : elements(name, "ids", count_max)) {
    if (auto id = id_of(element); id && !id->empty()) {
      found.push_back(*std::move(id));
    } else {
      fail(std::string(name) + " must be an array of ids: strings of 1 to 128 bytes, or unsigned integers");
    }
  }
  return found;
}

std::optional<GeoPoint> Fields::position() {
  const std::optional<double> lat = number("lat");
  const std::optional<double> lon = number("lon");
  if (!lat && !lon) return std::nullopt;
  if (!lat || !lon) {
    fail("lat and lon are given together or not at all");
    return std::nullopt;
  }
  const GeoPoint position{*lat, *lon};
  if (!valid_position(position)) {
    fail(std::string("lat must be from -90 to 90 and lon from -180 to 180") + exchanged_hint(position));
  }
  return position;
}

Status Fields::finish() {
  if (!error_.ok()) return error_;
  for (const Member& member : *members_) {
    if (std::find(known_.begin(), known_.end(), member.name) != known_.end()) continue;
    const std::string nearest = nearest_name(member.name, {known_.begin(), known_.end()});
    fail("unknown field '" + member.name.substr(0, 64) + "'" +
         (nearest.empty() ? std::string() : "; did you mean '" + nearest + "'?"));
    return error_;
  }
  return {};
}

}  // namespace cairn::serving::json

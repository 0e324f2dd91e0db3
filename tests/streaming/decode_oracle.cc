#include "tests/streaming/decode_oracle.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <variant>

#include "cairn/rfc3339.h"

namespace cairn::streaming {
namespace {

using nlohmann::json;

/// The number as somebody would write it out by hand, digit by digit: nothing when a fraction is left, or 2^53 or more.
std::optional<std::uint64_t> written_out(const std::string& text) {
  const std::size_t e = std::min(text.find_first_of("eE"), text.size());
  std::string digits = text.substr(0, e);
  if (digits[0] == '-') return std::nullopt;
  const std::size_t point = std::min(digits.find('.'), digits.size());
  std::string fraction = digits.substr(std::min(point + 1, digits.size()));
  digits.resize(point);
  if ((digits + fraction).find_first_not_of('0') == std::string::npos) return 0;
  const double exponent = e < text.size() ? std::strtod(text.c_str() + e + 1, nullptr) : 0.0;
  if (std::abs(exponent) > 1000) return std::nullopt;  // far too large, or too small: it is not zero
  for (int i = 0; i < static_cast<int>(exponent); ++i) {
    digits += fraction.empty() ? '0' : fraction[0];
    if (!fraction.empty()) fraction.erase(0, 1);
  }
  for (int i = 0; i > static_cast<int>(exponent); --i) {
    fraction.insert(0, 1, digits.empty() ? '0' : digits.back());
    if (!digits.empty()) digits.pop_back();
  }
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size()));
  if (fraction.find_first_not_of('0') != std::string::npos || digits.size() > 16) return std::nullopt;
  const std::uint64_t number = std::stoull("0" + digits);
  return number < 9007199254740992U ? std::optional(number) : std::nullopt;
}

/// The top level of one document, as the parser's events tell it.
struct TopLevel final : nlohmann::json_sax<json> {
  std::map<std::string, json> fields;
  bool duplicate = false;
  bool is_object = false;
  bool began = false;
  int depth = 0;
  int deepest = 0;
  std::string key_now;

  bool value(json v) {
    if (!began) began = true;
    if (depth == 1 && is_object) fields[key_now] = std::move(v);
    return true;
  }
  bool open(bool object) {
    if (!began) is_object = object;
    value(object ? json::object() : json::array());
    deepest = std::max(deepest, ++depth);
    return true;
  }
  bool close() {
    --depth;
    return true;
  }
  bool null() override { return value(nullptr); }
  bool boolean(bool v) override { return value(v); }
  bool number_integer(number_integer_t v) override { return value(v); }
  bool number_unsigned(number_unsigned_t v) override { return value(v); }
  /// A whole number below 2^53 is an integer however it is written.
  bool number_float(number_float_t v, const string_t& text) override {
    const std::optional<std::uint64_t> whole = written_out(text);
    return whole ? value(*whole) : value(v);
  }
  bool string(string_t& v) override { return value(v); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(true); }
  bool end_object() override { return close(); }
  bool start_array(std::size_t) override { return open(false); }
  bool end_array() override { return close(); }
  bool key(string_t& v) override {
    if (depth == 1 && is_object) {
      duplicate = duplicate || fields.count(v) > 0;
      fields[v] = nullptr;
      key_now = v;
    }
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const json::exception&) override { return false; }
};

bool good_text(const json& v) {
  if (!v.is_string()) return false;
  const auto& text = v.get_ref<const std::string&>();
  return text.size() >= 1 && text.size() <= 128 && text.find('\0') == std::string::npos;
}

/// Returns: empty for what names nothing.
std::string name_in(const json& v) {
  if (good_text(v)) return v.get<std::string>();
  const bool whole = v.is_number_integer() && (v.is_number_unsigned() || v.get<std::int64_t>() >= 0);
  return whole ? std::to_string(v.get<std::uint64_t>()) : std::string();
}

Reject take_id(const TopLevel& top, const char* name, std::string* id) {
  const auto found = top.fields.find(name);
  if (found == top.fields.end()) return Reject::kMissingField;
  *id = name_in(found->second);
  return id->empty() ? Reject::kBadId : Reject::kNone;
}

Reject take_time(const TopLevel& top, const DecodeOptions& options, EventTime now, EventTime* time) {
  const auto found = top.fields.find("ts");
  if (found == top.fields.end()) return Reject::kMissingField;
  const json& v = found->second;
  if (v.is_number_unsigned() && v.get<std::uint64_t>() > 9223372036854775807u) return Reject::kImpossibleTime;
  if (v.is_number_integer()) {
    *time = event_time_from_ms(v.get<std::int64_t>());
  } else {
    const auto parsed = v.is_string() ? parse_rfc3339(v.get_ref<const std::string&>()) : std::nullopt;
    if (!parsed) return Reject::kBadTime;
    *time = *parsed;
  }
  const bool possible = *time >= options.time_min && *time <= now + options.future_max;
  return possible ? Reject::kNone : Reject::kImpossibleTime;
}

/// Optional: absent and null are the same.
json optional_field(const TopLevel& top, const char* name) {
  const auto found = top.fields.find(name);
  return found == top.fields.end() ? json(nullptr) : found->second;
}

Reject take_optional(const TopLevel& top, Interaction* out) {
  const json value = optional_field(top, "value");
  if (!value.is_null() && !value.is_number()) return Reject::kBadValue;
  if (value.is_number() && std::abs(value.get<double>()) > 1e12) return Reject::kBadValue;
  out->value = value.is_null() ? std::nullopt : std::optional(value.get<double>());

  const json lat = optional_field(top, "lat");
  const json lon = optional_field(top, "lon");
  out->position.reset();
  if (!lat.is_null() || !lon.is_null()) {
    if (!lat.is_number() || !lon.is_number()) return Reject::kBadPosition;
    const GeoPoint p{lat.get<double>(), lon.get<double>()};
    if (std::abs(p.lat) > 90 || std::abs(p.lon) > 180) return Reject::kBadPosition;
    out->position = p;
  }

  const json event_id = optional_field(top, "event_id");
  out->event_id = name_in(event_id);
  if (!event_id.is_null() && out->event_id.empty()) return Reject::kBadEventId;

  const json retract = optional_field(top, "retract");
  if (!retract.is_null() && !retract.is_boolean()) return Reject::kBadRetraction;
  out->retracts = retract.is_boolean() && retract.get<bool>();
  if (out->retracts && out->event_id.empty()) return Reject::kBadRetraction;
  return Reject::kNone;
}

}  // namespace

Reject oracle_decode(std::string_view payload, const InteractionTypes& types, const DecodeOptions& options,
                     EventTime now, Interaction* interaction) {
  if (payload.size() > options.event_bytes_max) return Reject::kOversized;
  // This parser takes NUL for the end; JSON allows it nowhere. It skips a byte order mark, as is wanted.
  if (payload.find('\0') != std::string_view::npos) return Reject::kMalformedJson;
  TopLevel top;
  if (!json::sax_parse(payload, &top) || top.deepest > 1000) return Reject::kMalformedJson;
  if (!top.is_object) return Reject::kNotAnObject;
  if (top.duplicate) return Reject::kDuplicateKey;
  std::string user;
  std::string place;
  if (const Reject r = take_id(top, "user_id", &user); r != Reject::kNone) return r;
  if (const Reject r = take_id(top, "place_id", &place); r != Reject::kNone) return r;
  const auto type = top.fields.find("type");
  if (type == top.fields.end()) return Reject::kMissingField;
  const auto index = type->second.is_string() ? types.find(type->second.get_ref<const std::string&>()) : std::nullopt;
  if (!index) return Reject::kUnknownType;
  if (const Reject r = take_time(top, options, now, &interaction->time); r != Reject::kNone) return r;
  interaction->user = UserId(user);
  interaction->place = PlaceId(place);
  interaction->type = *index;
  return take_optional(top, interaction);
}

}  // namespace cairn::streaming

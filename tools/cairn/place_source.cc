#include "tools/cairn/place_source.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "cairn/exchanged_position.h"
#include "cairn/geo.h"
#include "cairn/ids.h"
#include "cairn/whole_number.h"
#include "streaming/json_members.h"

namespace cairn::cli {
namespace {

Status at_line(const Status& status, std::uint64_t line) {
  return Status(status).with_context("line " + std::to_string(line));
}

/// An id as the server reads it. Returns: empty for what is none.
std::string id_of(std::string_view value) {
  if (value.starts_with('"')) return nlohmann::json::parse(value).get<std::string>();
  const nlohmann::json number = nlohmann::json::parse(value, nullptr, false);
  if (number.is_number_unsigned()) return std::to_string(number.get<std::uint64_t>());
  if (!number.is_number_float()) return {};
  const auto whole = whole_number(value);
  return whole ? std::to_string(*whole) : std::string();
}

}  // namespace

Result<PlaceSource> PlaceSource::open(const std::string& path, const MappingArguments& arguments) {
  CAIRN_ASSIGN_OR_RETURN(RecordMapping mapping, RecordMapping::make(place_kind(), arguments));
  CAIRN_ASSIGN_OR_RETURN(RecordSource records, RecordSource::open(path, arguments.encoding));
  if (records.format() == RecordFormat::kCsv) {
    if (const Status heading = mapping.set_heading(records.heading()); !heading.ok()) {
      return at_line(heading, records.heading_line());
    }
  }
  return PlaceSource(std::move(records), std::move(mapping));
}

Result<bool> PlaceSource::next(std::string* json) {
  CAIRN_ASSIGN_OR_RETURN(const bool more, records_.next(&record_));
  if (!more) return false;
  if (const Status text = check_utf8(record_.json); !text.ok()) return at_line(text, record_.line);
  auto place =
      records_.format() == RecordFormat::kCsv ? mapping_.from_fields(record_.fields) : mapping_.from_json(record_.json);
  if (!place.ok()) return at_line(place.status(), record_.line);
  *json = *std::move(place);
  return true;
}

std::string place_id_of(std::string_view text) {
  for (const streaming::JsonMember& member : streaming::json_members(text)) {
    if (member.key == "\"place_id\"") return id_of(member.value);
  }
  return {};
}

Result<Place> place_of(std::string_view text) {
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object()) return invalid_argument("is no JSON object of a place");
  Place place;
  place.id = PlaceId(place_id_of(text));
  if (!valid_id(place.id.str())) {
    return invalid_argument("place_id must be a string of 1 to 128 bytes without NUL, or an unsigned integer");
  }
  const auto is = [&](const char* name, bool (nlohmann::json::*kind)() const noexcept) {
    return json.contains(name) && (json.at(name).*kind)();
  };
  if (!is("lat", &nlohmann::json::is_number) || !is("lon", &nlohmann::json::is_number)) {
    return invalid_argument("lat and lon must be numbers");
  }
  place.position = {json.at("lat").get<double>(), json.at("lon").get<double>()};
  if (!valid_position(place.position)) {
    return invalid_argument(std::string("lat must be from -90 to 90 and lon from -180 to 180") +
                            exchanged_hint(place.position));
  }
  for (const auto& [name, field] : {std::pair("name", &place.name), std::pair("category", &place.category)}) {
    if (!json.contains(name) || json.at(name).is_null()) continue;
    if (!json.at(name).is_string()) return invalid_argument(std::string(name) + " must be a string");
    *field = json.at(name).get<std::string>();
  }
  // What they hold is judged by the server, which knows what is declared.
  if (json.contains("attributes") && !json.at("attributes").is_object() && !json.at("attributes").is_null()) {
    return invalid_argument("attributes must be an object");
  }
  return place;
}

}  // namespace cairn::cli

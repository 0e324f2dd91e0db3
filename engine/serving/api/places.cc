#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "engine/serving/api/body.h"
#include "engine/serving/api/conditional.h"
#include "engine/serving/api/encode.h"
#include "engine/serving/api/handlers.h"
#include "engine/serving/json/fields.h"

namespace cairn::serving {
namespace {

std::optional<AttributeScalar> scalar_of(const json::Value& value) {
  if (const auto* flag = value.as<bool>()) return *flag;
  if (const auto* number = value.as<std::int64_t>()) return static_cast<double>(*number);
  if (const auto* number = value.as<std::uint64_t>()) return static_cast<double>(*number);
  if (const auto* number = value.as<double>()) return *number;
  if (const auto* text = value.as<std::string>()) return *text;
  return std::nullopt;
}

/// Their bounds and types are the engine's to judge.
Attributes read_attributes(json::Fields& fields) {
  const json::Value* given = fields.any("attributes");
  if (given == nullptr) return {};
  const auto* members = given->as<json::Value::Object>();
  if (members == nullptr) fields.fail("attributes must be an object, not " + std::string(given->kind()));
  std::vector<Attribute> attributes;
  for (const json::Member& member : members != nullptr ? *members : json::Value::Object()) {
    const auto wrong = [&](const json::Value& value) {
      fields.fail("attribute '" + member.name + "' holds " + std::string(value.kind()) +
                  "; its value is a string, a number, a boolean or a list of those");
    };
    if (member.value.is_null()) continue;
    if (auto value = scalar_of(member.value)) {
      std::visit([&](auto& scalar) { attributes.push_back({member.name, std::move(scalar)}); }, *value);
      continue;
    }
    const auto* list = member.value.as<json::Value::Array>();
    if (list == nullptr) {
      wrong(member.value);
      continue;
    }
    std::vector<AttributeScalar> values;
    for (const json::Value& one : *list) {
      auto value = scalar_of(one);
      value ? values.push_back(*std::move(value)) : wrong(one);
    }
    attributes.push_back({member.name, std::move(values)});
  }
  return attributes.empty() ? Attributes() : Attributes(std::move(attributes));
}

Result<Place> read_place(std::string_view text, std::size_t index) {
  const std::string what = "place " + std::to_string(index);
  Result<json::Value> value = json::parse(text);
  if (!value.ok()) return std::move(value).status().with_context(what);
  json::Fields fields(*value, what);
  Place place;
  place.id = PlaceId(fields.required_id("place_id"));
  place.name = fields.text("name").value_or("");
  const std::optional<GeoPoint> position = fields.position();
  if (!position) fields.fail("lat and lon are required");
  place.position = position.value_or(GeoPoint{});
  place.category = fields.text("category").value_or("");
  place.attributes = read_attributes(fields);
  CAIRN_RETURN_IF_ERROR(fields.finish());
  return place;
}

Result<std::vector<Place>> read_places(const ApiRequest& request) {
  CAIRN_ASSIGN_OR_RETURN(const auto records, split_records(request));
  std::vector<Place> places;
  places.reserve(records.size());
  for (const std::string_view record : records) {
    CAIRN_ASSIGN_OR_RETURN(Place place, read_place(record, places.size()));
    places.push_back(std::move(place));
  }
  return places;
}

}  // namespace

ApiResponse Handlers::get_place(const ApiRequest& request) const {
  const std::string& id = request.path_parameters.at(0);
  if (!valid_id(id)) return error_response(invalid_argument("a place id has 1 to 128 bytes"));
  const Result<Place> place = engine_.get_place(request.context, PlaceId(id));
  if (!place.ok()) return error_response(place.status());
  json::Writer out;
  out.begin_object();
  write_place_members(out, *place);
  write_attributes(out, *place);
  out.end_object();
  ApiResponse response = json_response(std::move(out).take());
  response.etag = weak_etag_of(response.body);
  response.cache_control = options_.places_reuse;
  return response;
}

namespace {

constexpr std::size_t kDeletedAtOnceMax = 10'000;

Result<PlaceHistory> history_named(std::string_view word) {
  if (word == "keep") return PlaceHistory::kKeep;
  if (word == "erase") return PlaceHistory::kErase;
  return invalid_argument("history must be 'keep' or 'erase', once");
}

/// ?history=keep, which is what it means when it is absent, or ?history=erase.
Result<PlaceHistory> history_of(const ApiRequest& request) {
  const std::vector<std::string> given = request.query_values("history");
  if (given.empty()) return PlaceHistory::kKeep;
  return history_named(given.size() == 1 ? given.front() : "");
}

std::string_view past_of(PlaceHistory history) { return history == PlaceHistory::kErase ? "erased" : "kept"; }

}  // namespace

ApiResponse Handlers::delete_place(const ApiRequest& request) const {
  const std::string& id = request.path_parameters.at(0);
  if (!valid_id(id)) return error_response(invalid_argument("a place id has 1 to 128 bytes"));
  const Result<PlaceHistory> history = history_of(request);
  if (!history.ok()) return error_response(history.status());
  const PlaceId place(id);
  if (const Status gone = engine_.delete_places(request.context, {&place, 1}, *history); !gone.ok())
    return error_response(gone);
  json::Writer out;
  out.begin_object().key("deleted").boolean(true).key("place_id").text(id);
  out.key("history").text(past_of(*history)).end_object();
  return json_response(std::move(out).take());
}

ApiResponse Handlers::delete_places(const ApiRequest& request) const {
  const Result<json::Value> body = json::parse(request.body);
  if (!body.ok()) return error_response(body.status());
  json::Fields fields(*body, "");
  std::vector<PlaceId> ids;
  for (std::string& id : fields.ids("place_ids", kDeletedAtOnceMax)) ids.emplace_back(std::move(id));
  const Result<PlaceHistory> history = history_named(fields.text("history").value_or("keep"));
  if (!history.ok()) fields.fail(history.status().message());
  if (const Status status = fields.finish(); !status.ok()) return error_response(status);
  if (ids.empty()) return error_response(invalid_argument("place_ids must name places to delete"));
  const Result<DeletedPlaces> deleted = engine_.delete_known_places(request.context, ids, *history);
  if (!deleted.ok()) return error_response(deleted.status());
  json::Writer out;
  out.begin_object().key("deleted").unsigned_integer(deleted->count);
  out.key("unknown").begin_array();
  for (const PlaceId& id : deleted->unknown) out.text(id.str());
  out.end_array().key("history").text(past_of(*history)).end_object();
  return json_response(std::move(out).take());
}

namespace {

/// The old names of categories among those of the places, with what they are called by now.
std::map<std::string, std::string> renamed_among(const std::vector<Category>& categories,
                                                 const std::vector<Place>& places) {
  std::map<std::string, std::string> now;
  for (const Category& category : categories) {
    for (const std::string& old : category.old_names) now[old] = category.name;
  }
  std::map<std::string, std::string> renamed;
  if (now.empty()) return renamed;
  for (const Place& place : places) {
    if (const auto found = now.find(place.category); found != now.end()) renamed.insert(*found);
  }
  return renamed;
}

void write_renamed(json::Writer& out, const std::map<std::string, std::string>& renamed) {
  if (renamed.empty()) return;
  out.key("renamed_categories").begin_object();
  for (const auto& [old, now] : renamed) out.key(old).text(now);
  out.end_object();
}

}  // namespace

ApiResponse Handlers::upsert_places(const ApiRequest& request) const {
  const Result<std::vector<Place>> places = read_places(request);
  if (!places.ok()) return error_response(places.status());
  if (const Status status = engine_.upsert_places(request.context, *places); !status.ok())
    return error_response(status);
  json::Writer out;
  out.begin_object().key("upserted").unsigned_integer(places->size());
  write_renamed(out, renamed_among(engine_.categories(request.context), *places));
  out.end_object();
  return json_response(std::move(out).take());
}

}  // namespace cairn::serving

#include "cairn/rfc3339.h"
#include "engine/serving/api/encode.h"
#include "engine/serving/api/handlers.h"

namespace cairn::serving {
namespace {

std::optional<EntityKind> entity_of(std::string_view name) {
  for (const EntityKind kind : {EntityKind::kUser, EntityKind::kPlace, EntityKind::kCell}) {
    if (name == name_of(kind)) return kind;
  }
  return std::nullopt;
}

/// Splits "a,b" and appends the parts. Empty parts are left out, as "views=" and a comma too many leave them.
void append_list(std::vector<std::string>& list, std::string_view text) {
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    if (comma != 0) list.emplace_back(text.substr(0, comma));
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
  }
}

/// RFC 3339. The plus of "+02:00" is a space when it stands in an address as it is, and no other time has one there.
std::optional<EventTime> read_instant(std::string text) {
  constexpr std::size_t kOffsetBytes = 6;
  if (text.size() > kOffsetBytes && text[text.size() - kOffsetBytes] == ' ') text[text.size() - kOffsetBytes] = '+';
  return parse_rfc3339(text);
}

Result<FeatureRequest> read_request(const ApiRequest& request) {
  const std::optional<EntityKind> entity = entity_of(request.path_parameters.at(0));
  if (!entity) return invalid_argument("the entity must be user, place or cell");
  FeatureRequest read{.entity = *entity, .keys = {request.path_parameters.at(1)}, .views = {}, .as_of = {}};
  if (!valid_id(read.keys.front())) return invalid_argument("an entity key has 1 to 128 bytes");
  for (const auto& [name, value] : request.query) {
    if (name == "views") {
      append_list(read.views, value);
    } else if (name == "as_of") {
      read.as_of = read_instant(value);
      if (!read.as_of) {
        return invalid_argument("as_of must be RFC 3339 such as 2024-05-01T12:00:00Z or 2024-05-01T14:00:00+02:00");
      }
    } else {
      return invalid_argument("unknown query parameter '" + name + "'; there are views and as_of");
    }
  }
  return read;
}

void write_view(json::Writer& out, const FeatureViewSpec& view) {
  out.begin_object();
  out.key("name").text(view.name);
  out.key("entity").text(name_of(view.entity));
  out.key("dimension").text(name_of(view.dimension));
  out.key("aggregate").text(name_of(view.aggregate));
  out.key("half_life_seconds").integer(view.half_life.count());
  out.key("ttl_seconds").integer(view.ttl.count());
  out.key("max_entries").unsigned_integer(view.max_entries);
  out.key("cell_precision").integer(view.cell_precision);
  out.key("events").begin_object();
  for (const EventWeight& event : view.events) out.key(event.type).text(event.expression);
  out.end_object().end_object();
}

}  // namespace

ApiResponse Handlers::get_features(const ApiRequest& request) const {
  const Result<FeatureRequest> read = read_request(request);
  if (!read.ok()) return error_response(read.status());
  const Result<FeatureResponse> found = engine_.get_features(request.context, *read);
  if (!found.ok()) return error_response(found.status());
  json::Writer out;
  out.begin_object();
  out.key("entity").text(name_of(read->entity));
  out.key("key").text(read->keys.front());
  out.key("features").begin_array();
  for (const auto& entity : found->entities) {
    for (const FeatureVector& vector : entity.vectors) write_vector(out, vector);
  }
  out.end_array().key("freshness");
  write_freshness(out, found->freshness);
  out.end_object();
  return json_response(std::move(out).take());
}

ApiResponse Handlers::list_feature_views(const ApiRequest& request) const {
  json::Writer out;
  out.begin_object().key("feature_views").begin_array();
  for (const FeatureViewSpec& view : engine_.feature_views(request.context)) write_view(out, view);
  out.end_array().end_object();
  return json_response(std::move(out).take());
}

ApiResponse Handlers::list_ranking_features(const ApiRequest& request) const {
  json::Writer out;
  out.begin_object().key("ranking_features").begin_array();
  for (const RankingFeatureInfo& feature : engine_.ranking_features(request.context)) {
    out.begin_object();
    out.key("name").text(feature.name);
    out.key("meaning").text(feature.meaning);
    out.key("default_weight").number(feature.default_weight);
    out.key("weight").number(feature.weight);
    out.key("own").boolean(feature.own);
    out.end_object();
  }
  out.end_array().end_object();
  return json_response(std::move(out).take());
}

}  // namespace cairn::serving

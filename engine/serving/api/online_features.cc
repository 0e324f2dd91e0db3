// POST /get-online-features in the shape of Feast's feature server (docs.feast.dev, "Python feature server"): one
// result per column, the entity columns first, each with a value, a status and an event timestamp per row. Columns
// without a value say so by their status and carry null and the epoch, as there.

#include <algorithm>
#include <array>
#include <charconv>

#include "cairn/rfc3339.h"
#include "engine/serving/api/encode.h"
#include "engine/serving/api/handlers.h"
#include "engine/serving/json/fields.h"

namespace cairn::serving {
namespace {

constexpr std::size_t kFeaturesMax = 256;
constexpr std::size_t kRowsMax = 1024;

struct EntityColumn {
  std::string_view join_key;
  EntityKind kind;
  std::vector<std::string> keys = {};  // empty: not asked for
  std::vector<bool> numbers = {};      // of each key whether it was asked for as an integer, and is answered as one
};

struct FeatureColumn {
  std::string name;  // as answered
  FeatureViewSpec view;
};

struct OnlineRequest {
  std::vector<FeatureColumn> features;
  std::array<EntityColumn, 3> entities{
      {{"user_id", EntityKind::kUser}, {"place_id", EntityKind::kPlace}, {"cell", EntityKind::kCell}}};
  std::size_t rows = 0;
};

const EntityColumn& column_of(const OnlineRequest& request, EntityKind kind) {
  return *std::find_if(request.entities.begin(), request.entities.end(),
                       [kind](const EntityColumn& column) { return column.kind == kind; });
}

Status read_keys(json::Fields& fields, EntityColumn& column) {
  const json::Value* value = fields.any(column.join_key);
  if (!value) return {};
  const auto* array = value->as<json::Value::Array>();
  const std::string name = "entities." + std::string(column.join_key);
  if (!array || array->empty() || array->size() > kRowsMax) {
    return invalid_argument(name + " must be an array of 1 to " + std::to_string(kRowsMax) + " keys");
  }
  for (const json::Value& element : *array) {
    std::optional<std::string> key = json::id_of(element);
    if (!key) return invalid_argument(name + " holds something that is no key: strings of 1 to 128 bytes, or integers");
    column.keys.push_back(std::move(*key));
    column.numbers.push_back(element.as<std::string>() == nullptr);
  }
  return {};
}

Status read_entities(const json::Value& value, OnlineRequest& request) {
  json::Fields fields(value, "entities");
  for (EntityColumn& column : request.entities) {
    CAIRN_RETURN_IF_ERROR(read_keys(fields, column));
    if (column.keys.empty()) continue;
    if (request.rows != 0 && request.rows != column.keys.size()) {
      return invalid_argument("entities: every list must have the same length; they are columns of one table");
    }
    request.rows = column.keys.size();
  }
  CAIRN_RETURN_IF_ERROR(fields.finish());
  if (request.rows == 0) return invalid_argument("entities must name user_id, place_id or cell");
  return {};
}

/// "view:aggregate", answered under the feature's name, or as "view__aggregate" with full names, which is Feast's rule;
/// or "view", which has the one feature, answered under the view's name instead of the feature's.
Result<FeatureColumn> read_feature(const std::string& reference, const std::vector<FeatureViewSpec>& views,
                                   bool full_names) {
  const std::size_t colon = reference.find(':');
  const std::string view_name = reference.substr(0, colon);
  const auto view = std::find_if(views.begin(), views.end(), [&](const auto& spec) { return spec.name == view_name; });
  if (view == views.end()) {
    std::vector<std::string> names;
    for (const FeatureViewSpec& spec : views) names.push_back(spec.name);
    const std::string nearest = json::nearest_name(view_name, names);
    return invalid_argument(
        "unknown feature view '" + view_name.substr(0, 64) + "'" +
        (nearest.empty() ? "; GET /v1/feature-views lists them" : "; did you mean '" + nearest + "'?"));
  }
  const std::string aggregate(name_of(view->aggregate));
  if (colon == std::string::npos) return FeatureColumn{full_names ? view_name + "__" + aggregate : view_name, *view};
  const std::string feature = reference.substr(colon + 1);
  if (feature != aggregate) {
    return invalid_argument("feature view '" + view_name + "' has the one feature '" + aggregate + "', not '" +
                            feature.substr(0, 64) + "'");
  }
  return FeatureColumn{full_names ? view_name + "__" + feature : feature, *view};
}

Status read_features(const std::vector<std::string>& references, const std::vector<FeatureViewSpec>& views,
                     bool full_names, OnlineRequest& request) {
  if (references.empty()) return invalid_argument("features must name at least one feature view");
  for (const std::string& reference : references) {
    CAIRN_ASSIGN_OR_RETURN(FeatureColumn column, read_feature(reference, views, full_names));
    if (column_of(request, column.view.entity).keys.empty()) {
      return invalid_argument("feature view '" + column.view.name + "' needs entities." +
                              std::string(column_of(request, column.view.entity).join_key));
    }
    for (const FeatureColumn& other : request.features) {
      if (other.name != column.name) continue;
      return invalid_argument("two features would both be named '" + column.name +
                              "'; set full_feature_names or name each once");
    }
    request.features.push_back(std::move(column));
  }
  return {};
}

Result<OnlineRequest> read_request(std::string_view body, const std::vector<FeatureViewSpec>& views) {
  CAIRN_ASSIGN_OR_RETURN(const json::Value value, json::parse(body));
  json::Fields fields(value, "");
  const std::vector<std::string> references = fields.texts("features", kFeaturesMax);
  const json::Value* entities = fields.any("entities");
  const bool full_names = fields.flag("full_feature_names", false);
  // Feast's clients send it with every request, null where features are named.
  if (fields.any("feature_service")) fields.fail("feature_service: there are none here; name views in features");
  if (!entities) fields.fail("entities is required");
  CAIRN_RETURN_IF_ERROR(fields.finish());
  OnlineRequest request;
  CAIRN_RETURN_IF_ERROR(read_entities(*entities, request));
  CAIRN_RETURN_IF_ERROR(read_features(references, views, full_names, request));
  return request;
}

/// What the engine answered for one kind of entity.
struct Fetched {
  FeatureRequest request;
  FeatureResponse response;

  [[nodiscard]] const FeatureVector& vector(std::size_t row, const std::string& view) const {
    const auto at = std::find(response.views.begin(), response.views.end(), view) - response.views.begin();
    return response.entities.at(row).vectors.at(static_cast<std::size_t>(at));
  }
};

Result<std::vector<Fetched>> fetch(const Engine& engine, const CallContext& context, const OnlineRequest& request) {
  std::vector<Fetched> fetched;
  for (const EntityColumn& column : request.entities) {
    Fetched next{.request = {.entity = column.kind, .keys = column.keys, .views = {}, .as_of = {}}, .response = {}};
    for (const FeatureColumn& feature : request.features) {
      auto& views = next.request.views;
      const bool known = std::find(views.begin(), views.end(), feature.view.name) != views.end();
      if (feature.view.entity == column.kind && !known) views.push_back(feature.view.name);
    }
    if (next.request.views.empty()) continue;
    CAIRN_ASSIGN_OR_RETURN(next.response, engine.get_features(context, next.request));
    fetched.push_back(std::move(next));
  }
  return fetched;
}

/// A number where the view has no dimension; an object {dimension: value}; for sequences an array of
/// [dimension, time, weight], oldest first.
void write_value(json::Writer& out, const FeatureViewSpec& view, const FeatureVector& vector) {
  if (vector.status != FeatureStatus::kPresent) {
    out.null();
  } else if (view.aggregate == Aggregate::kSequence) {
    out.begin_array();
    for (const FeatureEntry& entry : vector.entries) {
      out.begin_array().text(entry.dimension).text(format_rfc3339(entry.newest)).number(entry.value).end_array();
    }
    out.end_array();
  } else if (view.dimension == Dimension::kNone && !vector.entries.empty()) {
    out.number(vector.entries.front().value);
  } else {
    out.begin_object();
    for (const FeatureEntry& entry : vector.entries) out.key(entry.dimension).number(entry.value);
    out.end_object();
  }
}

EventTime newest_of(const FeatureVector& vector) {
  EventTime newest{};
  for (const FeatureEntry& entry : vector.entries) newest = std::max(newest, entry.newest);
  return newest;
}

/// As it was asked for: whoever joins the answer to a table of integers finds integers.
void write_key(json::Writer& out, const std::string& key, bool number) {
  std::uint64_t value = 0;
  if (!number || std::from_chars(key.data(), key.data() + key.size(), value).ec != std::errc()) {
    out.text(key);
  } else {
    out.unsigned_integer(value);
  }
}

void write_entity_column(json::Writer& out, const EntityColumn& column) {
  out.begin_object().key("values").begin_array();
  for (std::size_t row = 0; row < column.keys.size(); ++row) write_key(out, column.keys[row], column.numbers[row]);
  out.end_array().key("statuses").begin_array();
  for (std::size_t row = 0; row < column.keys.size(); ++row) out.text(to_string(FeatureStatus::kPresent));
  out.end_array().key("event_timestamps").begin_array();
  for (std::size_t row = 0; row < column.keys.size(); ++row) out.text(format_rfc3339(EventTime{}));
  out.end_array().end_object();
}

void write_feature_column(json::Writer& out, const FeatureColumn& column, const Fetched& fetched, std::size_t rows) {
  out.begin_object().key("values").begin_array();
  for (std::size_t row = 0; row < rows; ++row) {
    write_value(out, column.view, fetched.vector(row, column.view.name));
  }
  out.end_array().key("statuses").begin_array();
  for (std::size_t row = 0; row < rows; ++row) {
    out.text(to_string(fetched.vector(row, column.view.name).status));
  }
  out.end_array().key("event_timestamps").begin_array();
  for (std::size_t row = 0; row < rows; ++row) {
    out.text(format_rfc3339(newest_of(fetched.vector(row, column.view.name))));
  }
  out.end_array().end_object();
}

std::string write_answer(const OnlineRequest& request, const std::vector<Fetched>& fetched) {
  json::Writer out;
  out.begin_object().key("metadata").begin_object().key("feature_names").begin_array();
  for (const EntityColumn& column : request.entities) {
    if (!column.keys.empty()) out.text(column.join_key);
  }
  for (const FeatureColumn& column : request.features) out.text(column.name);
  out.end_array().end_object().key("results").begin_array();
  for (const EntityColumn& column : request.entities) {
    if (!column.keys.empty()) write_entity_column(out, column);
  }
  for (const FeatureColumn& column : request.features) {
    const auto from = std::find_if(fetched.begin(), fetched.end(), [&](const Fetched& candidate) {
      return candidate.request.entity == column.view.entity;
    });
    write_feature_column(out, column, *from, request.rows);
  }
  out.end_array().key("freshness");
  write_freshness(out, fetched.front().response.freshness);
  out.end_object();
  return std::move(out).take();
}

}  // namespace

ApiResponse Handlers::get_online_features(const ApiRequest& request) const {
  const Result<OnlineRequest> read = read_request(request.body, engine_.feature_views(request.context));
  if (!read.ok()) return error_response(read.status());
  const Result<std::vector<Fetched>> fetched = fetch(engine_, request.context, *read);
  if (!fetched.ok()) return error_response(fetched.status());
  return json_response(write_answer(*read, *fetched));
}

}  // namespace cairn::serving

#include "engine/state/feature_reads.h"

#include <string>
#include <utility>
#include <vector>

#include "features/read.h"

namespace cairn::state {

namespace {

/// The views that a request means: those it names, or all of its entity.
Result<std::vector<const features::View*>> views_of(const features::Schema& schema, const FeatureRequest& request) {
  std::vector<const features::View*> views;
  for (const std::string& name : request.views) {
    const features::View* view = schema.find(name);
    if (view == nullptr) return invalid_argument("no feature view is named '" + name + "'");
    if (view->spec.entity != request.entity) return invalid_argument("view '" + name + "' is of another entity");
    views.push_back(view);
  }
  if (!request.views.empty()) return views;
  for (const features::View& view : schema.views()) {
    if (view.spec.entity == request.entity) views.push_back(&view);
  }
  return views;
}

}  // namespace

Result<FeatureResponse> read_features(const FeatureState& state, const CallContext& context,
                                      const FeatureRequest& request, EventTime now) {
  if (request.keys.size() > kFeatureKeysMax) {
    return invalid_argument("at most 1,024 keys at a time; " + std::to_string(request.keys.size()) + " were asked");
  }
  CAIRN_ASSIGN_OR_RETURN(const auto views, views_of(state.schema(), request));

  FeatureResponse response;
  response.freshness = state.freshness();
  response.freshness.tier = Tier::kMemory;
  for (const features::View* view : views) response.views.push_back(view->spec.name);
  const EventTime as_of = request.as_of.value_or(now);
  const auto later = request.as_of ? features::LaterEvents::kUnknown : features::LaterEvents::kCount;
  const auto namer = [&state](const features::View& view, std::uint64_t dimension) {
    return state.dimension_name(view, dimension);
  };
  for (const std::string& key : request.keys) {
    CAIRN_RETURN_IF_ERROR(context.check());
    const auto found = state.row(request.entity, key);
    FeatureResponse::EntityFeatures& entity = response.entities.emplace_back();
    entity.key = key;
    if (found.status().code() == StatusCode::kDataLoss) {  // one damaged row is no reason to refuse the others
      for (const features::View* view : views) entity.vectors.push_back({view->spec.name, FeatureStatus::kInvalid, {}});
      continue;
    }
    if (!found.ok()) return found.status();
    if (!found->hit) response.freshness.tier = Tier::kDisk;
    for (const features::View* view : views) {
      entity.vectors.push_back(features::read_view(*view, found->row.get(), as_of, later, namer));
    }
  }
  return response;
}

}  // namespace cairn::state

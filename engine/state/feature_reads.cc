#include "engine/state/feature_reads.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cairn/prefetch.h"
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

constexpr std::size_t kRowsAhead = 2;

/// Asks for the entries that reading a row goes through, while those of the row before are read: they lie wherever rows
/// were put.
void fetch_ahead(const FeatureState::ReadRow& asked, const std::vector<const features::View*>& views) {
  constexpr std::size_t kLine = 64;
  if (!asked.row) return;
  for (const features::View* view : views) {
    const features::ViewBlock* block = asked.row->find(view->id);
    if (block == nullptr) continue;
    const auto* bytes = reinterpret_cast<const char*>(block->entries.data());
    const std::size_t size = block->entries.size() * sizeof(features::Entry);
    for (std::size_t at = 0; at < size; at += kLine) cairn::prefetch(bytes + at);
  }
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
  const features::DimensionNames names = state.dimension_names();
  CAIRN_ASSIGN_OR_RETURN(const auto rows, state.rows(context, request.entity, request.keys));
  const auto arena = std::make_shared<features::FeatureArena>();
  std::vector<features::ViewReader> readers;
  readers.reserve(views.size());
  for (const features::View* view : views) readers.emplace_back(*view, as_of, later, names, arena);
  response.entities.reserve(rows.size());
  for (std::size_t i = 0; i < std::min(kRowsAhead, rows.size()); ++i) fetch_ahead(rows[i], views);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (i + kRowsAhead < rows.size()) fetch_ahead(rows[i + kRowsAhead], views);
    FeatureResponse::EntityFeatures& entity = response.entities.emplace_back();
    entity.key = request.keys[i];
    entity.vectors.reserve(views.size());
    if (!rows[i].hit) response.freshness.tier = Tier::kDisk;
    for (const features::ViewReader& reader : readers) {
      entity.vectors.push_back(rows[i].damaged ? FeatureVector{reader.view().spec.name, FeatureStatus::kInvalid, {}}
                                               : reader.read(rows[i].row.get()));
    }
  }
  return response;
}

}  // namespace cairn::state

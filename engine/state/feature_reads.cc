#include "engine/state/feature_reads.h"

#include <algorithm>
#include <cstddef>
#include <memory>
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

struct AskedRow {
  RowCache::RowPtr row;  ///< null: nothing is known of the entity
  bool hit = true;       ///< it came from memory
  bool damaged = false;  ///< which is no reason to refuse the others
};

Result<std::vector<AskedRow>> rows_of(const FeatureState& state, const CallContext& context,
                                      const FeatureRequest& request) {
  std::vector<AskedRow> rows;
  rows.reserve(request.keys.size());
  for (const std::string& key : request.keys) {
    CAIRN_RETURN_IF_ERROR(context.check());
    auto found = state.row(request.entity, key);
    if (found.ok()) {
      if (found->row) __builtin_prefetch(found->row->blocks.data());
      rows.push_back({.row = std::move(found->row), .hit = found->hit});
    } else if (found.status().code() == StatusCode::kDataLoss) {
      rows.push_back({.damaged = true});
    } else {
      return found.status();
    }
  }
  return rows;
}

/// Asks for the memory that reading these rows begins with: it lies wherever rows were put, and one wait for all of it
/// is shorter than one after another.
void fetch_ahead(const std::vector<AskedRow>& rows, const std::vector<const features::View*>& views) {
  constexpr std::size_t kLine = 64;
  constexpr std::size_t kLines = 4;  // of a block's entries; the processor foresees what follows
  for (const AskedRow& asked : rows) {
    if (!asked.row) continue;
    for (const features::View* view : views) {
      const features::ViewBlock* block = asked.row->find(view->id);
      if (block == nullptr) continue;
      const auto* bytes = reinterpret_cast<const char*>(block->entries.data());
      const std::size_t size = block->entries.size() * sizeof(features::Entry);
      for (std::size_t at = 0; at < std::min(size, kLines * kLine); at += kLine) __builtin_prefetch(bytes + at);
    }
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
  const auto namer = [&state](const features::View& view, std::uint64_t dimension, std::string* made) {
    return state.dimension_name(view, dimension, made);
  };
  CAIRN_ASSIGN_OR_RETURN(const std::vector<AskedRow> rows, rows_of(state, context, request));
  fetch_ahead(rows, views);
  const auto arena = std::make_shared<features::FeatureArena>();
  response.entities.reserve(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    FeatureResponse::EntityFeatures& entity = response.entities.emplace_back();
    entity.key = request.keys[i];
    entity.vectors.reserve(views.size());
    if (!rows[i].hit) response.freshness.tier = Tier::kDisk;
    for (const features::View* view : views) {
      entity.vectors.push_back(rows[i].damaged
                                   ? FeatureVector{view->spec.name, FeatureStatus::kInvalid, {}}
                                   : features::read_view(*view, rows[i].row.get(), as_of, later, namer, arena));
    }
  }
  return response;
}

}  // namespace cairn::state

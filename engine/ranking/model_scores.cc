#include "engine/ranking/model_scores.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <unordered_set>
#include <utility>

#include "engine/ranking/builtin_views.h"
#include "features/geohash.h"
#include "gpu/dot_products.h"

namespace cairn::ranking {
namespace {

/// Each count as a share of all. Requires: not all are 0.
std::vector<float> shares_of(std::span<const std::uint64_t> counts) {
  double all = 0.0;
  for (const std::uint64_t count : counts) all += static_cast<double>(count);
  std::vector<float> shares;
  for (const std::uint64_t count : counts) shares.push_back(static_cast<float>(static_cast<double>(count) / all));
  return shares;
}

}  // namespace

ModelScores::ModelScores(std::shared_ptr<const PlaceIndex> index, std::shared_ptr<const model::ServedModel> model)
    : index_(std::move(index)), model_(std::move(model)), rows_(*index_, model_->model().items) {
  const gpu::MatrixView vectors = model_->vectors();
  if (vectors.values.empty()) return;
  zeros_.resize(vectors.dim);
  for (const std::uint32_t item : rows_.model_rows()) {
    pointers_.push_back(item == gpu::kNoRow ? zeros_.data() : vectors.row(item).data());
  }
  find_segments();
}

void ModelScores::find_segments() {
  const model::Segments& segments = model_->model().segments;
  const std::size_t count = segments.count();
  if (count == 0) return;
  std::unordered_map<std::uint64_t, std::vector<std::uint64_t>> made;  // interactions, by cell and segment
  for (std::uint32_t place = 0; place < index_->size(); ++place) {
    const std::uint32_t item = rows_.model_row(place);
    if (item == gpu::kNoRow) continue;
    std::vector<std::uint64_t>& of_cell = made[index_->cell(place)];
    of_cell.resize(count);
    for (std::size_t s = 0; s < count; ++s) of_cell[s] += segments.item_users[item * count + s];
  }
  for (const auto& [cell, of_cell] : made) {
    const bool any = std::any_of(of_cell.begin(), of_cell.end(), [](std::uint64_t one) { return one > 0; });
    if (any) shares_of_cell_.emplace(cell, shares_of(of_cell));
  }
}

std::vector<float> ModelScores::segment_shares(GeoPoint position) const {
  const model::Segments& segments = model_->model().segments;
  if (segments.count() == 0) return {};
  const auto found = shares_of_cell_.find(features::geohash_bits(position, PlaceIndex::kCellLetters));
  return found == shares_of_cell_.end() ? shares_of(segments.users) : found->second;
}

ModelQuery ModelScores::ask_segments(std::span<const float> shares) const {
  const model::Segments& segments = model_->model().segments;
  CAIRN_CHECK(shares.size() == segments.count());
  ModelQuery query{.kind = ModelQuery::Kind::kVector, .values = std::vector<float>(vector_dim(), 0.0F)};
  for (std::size_t s = 0; s < shares.size(); ++s) {
    const float* vector = segments.vectors.data() + s * query.values.size();
    for (std::size_t j = 0; j < query.values.size(); ++j) query.values[j] += shares[s] * vector[j];
  }
  return query;
}

ModelHistory ModelScores::history(const features::Schema& schema, const features::Row* row,
                                  const features::Dictionary& place_ids, std::span<const PlaceId> recent) const {
  ModelHistory history;
  const auto count = [&](std::uint32_t item) {
    item == gpu::kNoRow ? static_cast<void>(++history.unknown) : history.items.push_back(item);
  };
  const features::View* view = schema.find(kUserHistory);
  CAIRN_CHECK(view != nullptr);
  const features::ViewBlock* block = row == nullptr ? nullptr : row->find(view->id);
  std::unordered_set<std::uint64_t> seen;  // a place has an entry for each visit
  for (const features::Entry& entry : block == nullptr ? std::span<const features::Entry>() : block->entries) {
    if (seen.insert(entry.dimension).second) count(item_of(entry.dimension, place_ids));
  }
  std::unordered_set<std::string_view> strangers;
  for (const PlaceId& id : recent) {
    const auto known = place_ids.find(id.str());
    const bool fresh = known ? seen.insert(*known).second : strangers.insert(id.str()).second;
    if (fresh) count(model_->ids().find(id.str()));
  }
  std::sort(history.items.begin(), history.items.end());
  return history;
}

std::uint32_t ModelScores::item_of(std::uint64_t place, const features::Dictionary& place_ids) const {
  const std::uint32_t row = index_->row_of(place);
  if (row != gpu::kNoRow) return rows_.model_row(row);
  return place < place_ids.size() ? model_->ids().find(place_ids.name(place)) : gpu::kNoRow;
}

Result<ModelQuery> ModelScores::ask(const ModelHistory& history, const gpu::ExploreOptions& explore) const {
  ModelQuery query;
  if (history.items.empty()) return query;
  const std::uint64_t offsets[] = {0, history.items.size()};
  const gpu::SparseView view{.offsets = offsets, .columns = history.items, .width = model_->model().items.size()};
  if (vector_dim() == 0) {
    query.kind = ModelQuery::Kind::kScores;
    CAIRN_RETURN_IF_ERROR(model_->ranker().score(view, &query.values));
  } else {
    query.kind = ModelQuery::Kind::kVector;
    CAIRN_RETURN_IF_ERROR(model_->ranker().explored_queries(view, explore, &query.values));
  }
  return query;
}

Result<std::vector<float>> ModelScores::bounds(const ModelHistory& history, std::span<const std::uint32_t> places,
                                               float strength) const {
  CAIRN_CHECK(explores());
  std::vector<std::uint32_t> items;
  for (const std::uint32_t place : places) {
    if (const std::uint32_t item = rows_.model_row(place); item != gpu::kNoRow) items.push_back(item);
  }
  const std::uint64_t offsets[] = {0, history.items.size()};
  const gpu::SparseView view{.offsets = offsets, .columns = history.items, .width = model_->model().items.size()};
  std::vector<float> of_items(items.size(), 0.0F);
  CAIRN_RETURN_IF_ERROR(model_->ranker().add_bounds(view, items, strength, of_items));
  std::vector<float> bounds;
  auto next = of_items.begin();
  for (const std::uint32_t place : places) {
    const float bound = rows_.model_row(place) == gpu::kNoRow ? 0.0F : *next++;
    bounds.push_back(std::isfinite(bound) ? bound : 0.0F);  // vectors too long for floats say nothing
  }
  return bounds;
}

Result<std::vector<float>> AskedModel::gains(std::span<const std::uint32_t> places, double weight) const {
  if (!has_bounds()) return std::vector<float>(places.size(), 0.0F);
  CAIRN_ASSIGN_OR_RETURN(std::vector<float> gains, scores->bounds(history, places, explore.strength));
  if (weight < 0.0) std::transform(gains.begin(), gains.end(), gains.begin(), std::negate<>());
  return gains;
}

void ModelScores::score(const ModelQuery& query, std::span<const std::uint32_t> places, std::span<float> scores) const {
  CAIRN_CHECK(scores.size() == places.size());
  if (query.kind == ModelQuery::Kind::kVector) return score_vectors(query, places, scores);
  gather(query.kind == ModelQuery::Kind::kPopularity ? model_->model().popularity : query.values, places, scores);
}

void ModelScores::score_vectors(const ModelQuery& query, std::span<const std::uint32_t> places,
                                std::span<float> scores) const {
  std::vector<const float*> vectors;
  vectors.reserve(places.size());
  for (const std::uint32_t place : places) vectors.push_back(pointers_[place]);
  gpu::dot_products({query.values, 1, vector_dim()}, vectors, 1, scores);
  // Zeros have the product 0, or NaN with a query that is not finite.
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (vectors[i] == zeros_.data()) scores[i] = 0.0F;
  }
}

void ModelScores::gather(std::span<const float> by_item, std::span<const std::uint32_t> places,
                         std::span<float> scores) const {
  for (std::size_t i = 0; i < places.size(); ++i) {
    const std::uint32_t item = rows_.model_row(places[i]);
    scores[i] = item == gpu::kNoRow ? 0.0F : by_item[item];
  }
}

std::vector<float> ModelScores::score_all(const ModelQuery& query) const {
  std::vector<std::uint32_t> all(index_->size());
  std::iota(all.begin(), all.end(), 0U);
  std::vector<float> scores(all.size());
  score(query, all, scores);
  return scores;
}

std::vector<float> ModelScores::place_vectors() const {
  std::vector<float> vectors;
  vectors.reserve(pointers_.size() * vector_dim());
  for (const float* vector : pointers_) vectors.insert(vectors.end(), vector, vector + vector_dim());
  return vectors;
}

std::vector<float> ModelScores::place_popularity() const { return score_all({}); }

std::size_t ModelScores::memory_bytes() const noexcept {
  const std::size_t cell_bytes = 64 + model_->model().segments.count() * sizeof(float);  // of a node, about
  return rows_.model_rows().size_bytes() + rows_.place_rows().size_bytes() + pointers_.capacity() * sizeof(float*) +
         shares_of_cell_.size() * cell_bytes;
}

}  // namespace cairn::ranking

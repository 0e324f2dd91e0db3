#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "cairn/geo.h"
#include "cairn/ids.h"
#include "cairn/mutex.h"
#include "cairn/status.h"
#include "engine/model/served_model.h"
#include "engine/ranking/model_rows.h"
#include "engine/ranking/retrieve/place_index.h"
#include "features/dictionary.h"
#include "features/row.h"
#include "features/schema.h"
#include "gpu/explore.h"

namespace cairn::ranking {

/// What a model knows of a user's history: the items that it was trained on. Each counts once.
struct ModelHistory {
  std::vector<std::uint32_t> items = {};  ///< rows of the model, ascending, distinct
  std::size_t unknown = 0;                ///< places of the history that are no items of the model
};

/// A history as the model asks with it, made once and used for any number of places.
struct ModelQuery {
  enum class Kind : std::uint8_t {
    kPopularity,  ///< no item is known of the user: the model's popularity, as ItemRanker answers then
    kVector,      ///< the dot product of `values` with a place's vector
    kScores,      ///< `values` are the scores of the model's items, which cannot be had one by one
  };
  Kind kind = Kind::kPopularity;
  std::vector<float> values = {};  ///< dim numbers, one an item, or none
};

/// A model's scores by row of one place index. Places that the model does not know have the score 0, and are counted by
/// rows().places_without_item().
///
/// The score of a place that is an item has, bit for bit, the score that ItemRanker::rank() answers for the same
/// history, and where that answers by scores, that of ItemRanker::score(); a model of one component with vectors and a
/// normalization, which rank() does not divide by, has that of score(). Of kind kVector it is one chain of fused
/// multiply-adds in the order of the columns, without bias, as gpu/item_matrix.h defines it and as a gpu::ScanTable of
/// place_vectors(), kept in floats, computes ⟨vector, vector of r⟩.
///
/// Immutable; it holds the index and the model. A changed index or a replaced model needs a new one.
/// Threads: any. Beside what it holds it takes 16 bytes a place, and with segments of users 4 bytes a segment
/// for each cell with places.
class ModelScores {
 public:
  /// Both are there.
  ModelScores(std::shared_ptr<const PlaceIndex> index, std::shared_ptr<const model::ServedModel> model);
  ModelScores(const ModelScores&) = delete;
  ModelScores& operator=(const ModelScores&) = delete;

  [[nodiscard]] const std::shared_ptr<const PlaceIndex>& index() const noexcept { return index_; }
  [[nodiscard]] const std::shared_ptr<const model::ServedModel>& model() const noexcept { return model_; }
  [[nodiscard]] const ModelRows& rows() const noexcept { return rows_; }

  /// The places of a user's row (null: user unknown), in the view kUserHistory, and some more, such as those that a
  /// session has just seen. `place_ids` names the places that are in no catalogue and may be items all the same.
  [[nodiscard]] ModelHistory history(const features::Schema& schema, const features::Row* row,
                                     const features::Dictionary& place_ids, std::span<const PlaceId> recent = {}) const;

  /// Costs the model's part that depends on the user alone; for kind kScores the score of every item. With draws
  /// (Thompson) a vector is drawn around the one there is, as ItemRanker::rank() draws for a history alone.
  /// Requires: without explores(), `explore` has no method.
  /// Returns: FAILED_PRECONDITION when a fold-in's equations cannot be solved.
  [[nodiscard]] Result<ModelQuery> ask(const ModelHistory& history, const gpu::ExploreOptions& explore = {}) const;

  /// How much each segment of the model's users counts for somebody unknown at a position, in all 1: their shares of
  /// the interactions with the places around it, in its cell of PlaceIndex::kCellLetters, and where there were none, of
  /// the users. Empty: the model has no segments.
  [[nodiscard]] std::vector<float> segment_shares(GeoPoint position) const;
  /// The mean of the segments' vectors by such shares: kind kVector.
  /// Requires: one share a segment, and at least one.
  [[nodiscard]] ModelQuery ask_segments(std::span<const float> shares) const;

  /// Whether the model is a set of fold-in vectors, and so knows how unsure it is of a history's vector.
  [[nodiscard]] bool explores() const noexcept { return model_->explores(); }
  /// What upper bounds add to the scores of some places, in their order: `strength` standard deviations, as
  /// ItemRanker::rank() adds them. Nothing for places that the model does not know.
  /// Requires: explores(); every row is below the index's size. Cost: dim² a place.
  /// Returns: FAILED_PRECONDITION when a fold-in's equations cannot be solved.
  [[nodiscard]] Result<std::vector<float>> bounds(const ModelHistory& history, std::span<const std::uint32_t> places,
                                                  float strength) const;

  /// The scores of some places, in their order. Cheap beside ask() for kScores, and a dot product each for kVector.
  /// Requires: every row is below the index's size, and `scores` has one a row.
  void score(const ModelQuery& query, std::span<const std::uint32_t> places, std::span<float> scores) const;
  /// The scores of all places, by row.
  [[nodiscard]] std::vector<float> score_all(const ModelQuery& query) const;

  /// The model's vectors by row of the index (places × vector_dim()), zeros for places that it does not know: for a
  /// scan that scores by ask()'s vector. Made anew by each call. Empty where ask() gives no vectors.
  [[nodiscard]] std::vector<float> place_vectors() const;
  [[nodiscard]] std::size_t vector_dim() const noexcept { return model_->vectors().dim; }  ///< 0: no vectors
  /// The vector of one place (vector_dim() numbers); empty for a place that the model does not know, and without
  /// vectors. Requires: place < the index's size.
  [[nodiscard]] std::span<const float> vector(std::uint32_t place) const noexcept {
    if (pointers_.empty() || pointers_[place] == zeros_.data()) return {};
    return {pointers_[place], zeros_.size()};
  }
  /// The model's popularity by row of the index: the scores of kind kPopularity.
  [[nodiscard]] std::vector<float> place_popularity() const;

  [[nodiscard]] std::size_t memory_bytes() const noexcept;

 private:
  /// The model's row of a place by its dictionary id, or gpu::kNoRow.
  [[nodiscard]] std::uint32_t item_of(std::uint64_t place, const features::Dictionary& place_ids) const;
  void find_segments();
  void score_vectors(const ModelQuery& query, std::span<const std::uint32_t> places, std::span<float> scores) const;
  /// What stands in the column of an item, for each of some places; 0 where there is no item.
  void gather(std::span<const float> by_item, std::span<const std::uint32_t> places, std::span<float> scores) const;

  const std::shared_ptr<const PlaceIndex> index_;
  const std::shared_ptr<const model::ServedModel> model_;
  const ModelRows rows_;
  std::vector<float> zeros_;            ///< dim: the vector of a place that is no item
  std::vector<const float*> pointers_;  ///< by row of the index: a place's vector; empty without vectors
  std::unordered_map<std::uint64_t, std::vector<float>> shares_of_cell_;  ///< of cells in which segments' users were
};

/// A model as one question asks it.
struct AskedModel {
  std::shared_ptr<const ModelScores> scores = {};  ///< of the question's index
  ModelQuery query = {};
  ModelHistory history = {};  ///< that the query was made of
  std::optional<std::uint32_t> segment =
      {};                            ///< or of segments, where the model knows none of that: the one that counts most
  gpu::ExploreOptions explore = {};  ///< and how

  /// Whether the answer is another than without `explore`.
  [[nodiscard]] bool explores() const noexcept {
    return !history.items.empty() && explore.method != gpu::ExploreOptions::Method::kNone && explore.strength > 0.0F;
  }
  /// Whether it explores by upper bounds, which are added to the scores of the best.
  [[nodiscard]] bool has_bounds() const noexcept {
    return explores() && explore.method == gpu::ExploreOptions::Method::kUpperBound;
  }
  /// The scores of candidates, in their order.
  [[nodiscard]] std::vector<float> score(std::span<const PlaceIndex::Near> candidates) const {
    std::vector<std::uint32_t> rows;
    rows.reserve(candidates.size());
    for (const PlaceIndex::Near& near : candidates) rows.push_back(near.row);
    std::vector<float> of(rows.size());
    scores->score(query, rows, of);
    return of;
  }
  /// What upper bounds add to the model's scores of some places, in their order, so that scores in which the model has
  /// this weight can only rise: zeros without has_bounds(). Returns: what ModelScores::bounds() returns.
  [[nodiscard]] Result<std::vector<float>> gains(std::span<const std::uint32_t> places, double weight) const;
};

}  // namespace cairn::ranking

#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "cairn/status.h"
#include "engine/model/exploration.h"
#include "engine/model/model.h"
#include "gpu/backend.h"
#include "gpu/matrix.h"
#include "gpu/top_k.h"

namespace cairn::model {

struct ItemRankerOptions {
  std::size_t threads = 0;      ///< one call may use so many; 0: every processor
  std::size_t batch_max = 256;  ///< histories that are scored together
};

/// Finds a model's best items for histories. A model of one component with vectors is asked through the backend's
/// ItemMatrix. For any other model all items are scored and the best are selected. Both ways are exact, and of equal
/// scores the lower row is better. A row without any history is answered by popularity. A call explores only when it
/// asks to.
///
/// `model` must outlive the ranker and not change; the backend may be destroyed before it. Threads: any number may call
/// any method at once.
class ItemRanker {
 public:
  /// Returns: INVALID_ARGUMENT from check_model(); what the backend returns.
  [[nodiscard]] static Result<std::unique_ptr<ItemRanker>> create(const Model& model, gpu::Backend& backend,
                                                                  const ItemRankerOptions& options);

  /// The k best items for each row of `histories` (any number × items; the items of each row, with values or without)
  /// under its filter: none, one for all rows, or one a row. A filter's bias is added to scores.
  /// Returns: INVALID_ARGUMENT for shapes, columns, k and filters that gpu/top_k.h does not allow.
  [[nodiscard]] Status rank(const gpu::SparseView& histories, std::size_t k, std::span<const gpu::RowFilter> filters,
                            gpu::TopKAnswers* answers) const {
    return rank(histories, k, filters, {}, answers);
  }

  /// The same with exploration. Filters hold as before, and a row without history does not explore. The scores in the
  /// answers include what exploration added. The same seed and histories give the same answers, however many rows are
  /// scored together.
  /// Returns: as above, and INVALID_ARGUMENT for exploration of a model without a fold-in, or by options that make no
  /// sense; FAILED_PRECONDITION when a fold-in's equations are not positive definite.
  [[nodiscard]] Status rank(const gpu::SparseView& histories, std::size_t k, std::span<const gpu::RowFilter> filters,
                            const Exploration& exploration, gpu::TopKAnswers* answers) const;

  /// The scores of every item for each row of `histories`: rows × items. A row's scores do not depend on the others.
  /// Where there is a matrix(), rank() may answer other bits than these, and does not divide by a normalization.
  /// Returns: INVALID_ARGUMENT for shapes and columns that do not fit.
  [[nodiscard]] Status score(const gpu::SparseView& histories, std::vector<float>* scores) const;

  /// One component's query vectors: rows × dim.
  /// Requires: the component has vectors.
  /// Returns: what FoldIn::solve() returns.
  [[nodiscard]] Status queries(std::size_t component, const gpu::SparseView& histories,
                               std::vector<float>* vectors) const;

  /// The query vectors of a model that has a matrix() (rows × dim), drawn as rank() draws them where `explore` says so.
  /// Requires: there is a matrix().
  /// Returns: as rank().
  [[nodiscard]] Status explored_queries(const gpu::SparseView& histories, const gpu::ExploreOptions& explore,
                                        std::vector<float>* vectors) const;
  /// Adds to the scores of some items for one history (1 × items) what rank() adds to them with upper bounds: nothing
  /// for a history of nothing.
  /// Requires: there is a matrix(), the items are of the model's, and `scores` has one an item.
  /// Returns: as rank().
  [[nodiscard]] Status add_bounds(const gpu::SparseView& history, std::span<const std::uint32_t> items, float strength,
                                  std::span<float> scores) const;
  /// Reads what exploration needs of the model, which otherwise the first call that explores does.
  /// Returns: as rank().
  [[nodiscard]] Status prepare_exploration() const;

  /// What rank() asks where it is so, or null: the items' vectors, times weight and item_scale, as they are kept. The
  /// score of an item is then that of ItemMatrix for the query of queries(0, …).
  [[nodiscard]] const gpu::ItemMatrix* matrix() const noexcept { return matrix_.get(); }

 private:
  /// Some rows of what is asked, which are scored together.
  struct Batch {
    gpu::SparseView histories = {};
    std::span<const gpu::RowFilter> filters = {};
    std::size_t first_row = 0;  ///< of all rows that are asked
    gpu::ExploreOptions explore = {};
  };
  struct ScoreBuffers {
    std::vector<float> sum = {};      ///< rows × items
    std::vector<float> raw = {};      ///< rows × items, of one component
    std::vector<float> factors = {};  ///< rows × components; what raw scores, scaled by item, are multiplied by
  };

  ItemRanker(const Model& model, const ItemRankerOptions& options)
      : model_(model), options_(options), explorer_(model, options.threads) {}
  Status prepare(gpu::Backend& backend);
  /// Upper bounds re-rank so many candidates, and the k best by score are taken otherwise.
  Status rank_batch(const Batch& batch, std::size_t k, std::size_t candidates, ScoreBuffers* buffers,
                    gpu::TopKAnswers* answers) const;
  Status rank_by_matrix(const Batch& batch, std::size_t k, ScoreBuffers* buffers, gpu::TopKAnswers* answers) const;
  Status rank_by_scores(const Batch& batch, std::size_t k, ScoreBuffers* buffers, gpu::TopKAnswers* answers) const;
  /// The k best of candidates by the upper bounds of their scores. `factors`: those of ScoreBuffers.
  Status rank_by_bounds(const Batch& batch, std::size_t k, std::span<const float> factors,
                        const gpu::TopKAnswers& candidates, gpu::TopKAnswers* answers) const;
  Status sum_scores(const Batch& batch, ScoreBuffers* buffers) const;
  Status raw_scores(std::size_t component, const Batch& batch, std::span<float> scores) const;
  /// queries() with the draws that a batch asks for.
  Status drawn_queries(std::size_t component, const Batch& batch, std::vector<float>* vectors) const;
  [[nodiscard]] Status check(const gpu::SparseView& histories) const;
  [[nodiscard]] std::size_t batch_rows() const noexcept;

  const Model& model_;
  const ItemRankerOptions options_;
  const Explorer explorer_;
  std::vector<std::unique_ptr<gpu::FoldIn>> fold_ins_;  ///< one a component; null for other kinds
  std::unique_ptr<gpu::ItemMatrix> matrix_;             ///< null: scores are summed up
};

}  // namespace cairn::model

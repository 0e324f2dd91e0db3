#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "cairn/status.h"
#include "engine/model/model.h"
#include "gpu/explore.h"
#include "gpu/matrix.h"
#include "gpu/posterior.h"

namespace cairn::model {

/// How one call of ItemRanker::rank() lets what a model's fold-ins are uncertain of show in its answers
/// (gpu/explore.h).
///
/// A draw (Thompson) takes the place of the query vector of each fold-in and each row, before anything is scored. Upper
/// bounds re-rank the best by score: item j gains, for each fold-in,
///
///     strength · |weight · item_scale_j / divisor| · sqrt(x_jᵀ A⁻¹ x_j)
///
/// which is that many standard deviations of its part of the score. A model that is asked through one matrix divides by
/// nothing. Without a method, or with strength 0, answers are those without exploration, bit for bit.
struct Exploration {
  gpu::ExploreOptions options = {};  ///< the seed is mixed with the row of the history, so that equal rows differ
  std::size_t candidates_max = 500;  ///< that upper bounds re-rank, or k where k is more; at most gpu::kTopKMax
};

/// The uncertainty of a model's fold-ins. The first exploration reads their vectors once, and keeps dim² numbers of
/// each. A row that explores costs dim³ / 3 a fold-in, and with upper bounds dim² a candidate besides. Threads: any
/// number may call any method at once. `model` must outlive it and stay as it is.
class Explorer {
 public:
  /// Requires: check_model() passes. `threads` is what one call may use (0: every processor).
  Explorer(const Model& model, std::size_t threads) : model_(model), threads_(threads) {}

  /// Makes ready for what is asked. To be called first.
  /// Returns: what gpu::Prior::make() returns; INVALID_ARGUMENT for a strength that is negative or not finite, too many
  /// candidates, and exploration of a model without fold-in.
  [[nodiscard]] Status prepare(const Exploration& exploration) const;

  /// Draws around the query vectors of a fold-in (rows × dim). Row r draws what row first_row + r of all would, however
  /// rows are put together. The zero vector of a row without history stays.
  /// Requires: the component is a fold-in, and the histories are of the model's items.
  /// Returns: what gpu::Posterior::make() returns.
  [[nodiscard]] Status draw(std::size_t component, const gpu::SparseView& histories, std::size_t first_row,
                            const gpu::ExploreOptions& options, std::span<float> vectors) const;

  /// Adds to the scores of some items what upper bounds add for a row. `factors`, one a component, are what its scores
  /// were multiplied by, item_scale aside.
  /// Requires: the histories and items are of the model's.
  /// Returns: what gpu::Posterior::make() and gpu::explore() return.
  [[nodiscard]] Status add_widths(const gpu::SparseView& histories, std::size_t row,
                                  std::span<const std::uint32_t> items, std::span<const float> factors, float strength,
                                  std::span<float> scores) const;

 private:
  [[nodiscard]] Status make_priors() const;
  [[nodiscard]] Result<gpu::Posterior> posterior(std::size_t component, const gpu::SparseView& histories,
                                                 std::size_t row) const;

  const Model& model_;
  const std::size_t threads_;
  mutable std::mutex mutex_;
  mutable bool made_ = false;                                   // guarded by mutex_
  mutable std::vector<std::optional<gpu::Prior>> priors_ = {};  // fixed once made: one a component, none if no fold-in
};

}  // namespace cairn::model

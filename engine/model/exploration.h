#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "cairn/mutex.h"
#include "cairn/status.h"
#include "engine/model/model.h"
#include "gpu/explore.h"
#include "gpu/matrix.h"
#include "gpu/posterior.h"

namespace cairn::model {

/// How one call of ItemRanker::rank() explores: a fold-in is uncertain of the query vectors that it finds, and
/// exploration lets that uncertainty change the answers (gpu/explore.h).
///
/// With draws (Thompson), each fold-in's query vector of each row is replaced by a draw around it, before anything is
/// scored. With upper bounds, the best by score are ranked again: item j gains, for each fold-in,
///
///     strength · |weight · item_scale_j / divisor| · sqrt(x_jᵀ A⁻¹ x_j)
///
/// which is `strength` standard deviations of the fold-in's part of the score. The divisor is 1 for a model that is
/// asked through one matrix. Without a method, or with strength 0, answers are those without exploration, bit for bit.
struct Exploration {
  gpu::ExploreOptions options = {};  ///< the seed is mixed with the row of the history, so that equal rows differ
  std::size_t candidates_max = 500;  ///< upper bounds rank so many again, or k if k is more; at most gpu::kTopKMax
};

/// The uncertainty of a model's fold-ins. The first exploration reads their vectors once, and keeps dim² numbers for
/// each fold-in. A row that explores costs dim³ / 3 operations a fold-in, and upper bounds cost dim² a candidate more.
/// `model` must outlive it and not change. Threads: any number may call any method at once.
class Explorer {
 public:
  /// Requires: check_model() passes. `threads` is what one call may use (0: every processor).
  Explorer(const Model& model, std::size_t threads) : model_(model), threads_(threads) {}

  /// Reads what the exploration asked for needs. Call it before the methods below.
  /// Returns: what gpu::Prior::make() returns; INVALID_ARGUMENT for a strength that is negative or not finite, too many
  /// candidates, and exploration of a model without fold-in.
  [[nodiscard]] Status prepare(const Exploration& exploration) const;

  /// Replaces the query vectors of a fold-in (rows × dim) by draws around them. Row r draws as row first_row + r of the
  /// whole call, so that it does not matter which rows are scored together. A row without history keeps its zero
  /// vector. Requires: the component is a fold-in, and the histories are of the model's items. Returns: what
  /// gpu::Posterior::make() returns.
  [[nodiscard]] Status draw(std::size_t component, const gpu::SparseView& histories, std::size_t first_row,
                            const gpu::ExploreOptions& options, std::span<float> vectors) const;

  /// Adds to the scores of some items what upper bounds add for a row. `factors` has one number a component: what its
  /// scores were multiplied by, without item_scale.
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
  mutable Mutex mutex_;
  mutable bool made_ CAIRN_GUARDED_BY(mutex_) = false;
  /// One a component; none where it is no fold-in. Written once under mutex_, by the first prepare() that explores, and
  /// fixed from then on: later readers need no lock.
  mutable std::vector<std::optional<gpu::Prior>> priors_ = {};
};

}  // namespace cairn::model

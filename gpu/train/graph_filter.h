#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cairn/status.h"
#include "gpu/matrix.h"
#include "gpu/progress.h"
#include "gpu/sparse_weights.h"

namespace cairn::gpu {

/// With X the interactions (users × items) and d their degrees (numbers of interactions, at least 1),
///
///     R = diag(d_u^-user_exponent) · X · diag(d_i^-item_exponent),   P = Rᵀ R
///     V = the `dim` right singular vectors of R with the largest values
///     S = sharpening steps: y ↦ y + (-h P)·y + (-h P)²·y/2 + (-h P)³·y/6 + (-h P)⁴·y/24,  h = sharpening / steps
///
///     weights = P·S, pruned;   history = low_rank_weight · diag(d_i^-low_rank_exponent) · V
///     items = S · diag(d_i^low_rank_exponent) · V
///
/// Without sharpening this is GF-CF (Shen et al., CIKM 2021, arXiv 2108.07567); with it, BSPM solved by the
/// fourth-order Runge-Kutta method (Choi et al., SIGIR 2023, arXiv 2211.09324): sharpen_low_rank is its early merge,
/// else its late one.
struct GraphFilterOptions {
  float user_exponent = 0.5F;
  float item_exponent = 0.5F;
  std::size_t dim = 448;  ///< 0: no low-rank part
  float low_rank_weight = 0.2F;
  float low_rank_exponent = 0.5F;
  std::size_t svd_iterations = 6;
  float sharpening = 0.0F;  ///< how long it is sharpened for; 0: not
  std::size_t sharpening_steps = 1;
  bool sharpen_low_rank = true;
  std::size_t keep = 512;  ///< weights of largest magnitude that are kept of each row
  std::uint64_t seed = 1;
  std::size_t threads = 0;  ///< 0: all processors
};

/// What scores items: for a history with weights c, score_j = sum_i c_i (weights(i, j) + history_i · items_j).
struct GraphFilter {
  SparseWeights weights = {};
  std::size_t dim = 0;
  std::vector<float> history = {};  ///< items × dim
  std::vector<float> items = {};    ///< items × dim
};

/// Builds the filter. `interactions` is users × items; its values are the weights in X.
/// Returns: INVALID_ARGUMENT for options or shapes that make no sense; CANCELLED.
[[nodiscard]] Result<GraphFilter> train_graph_filter(const SparseView& interactions, const GraphFilterOptions& options,
                                                     const Progress& progress = {});

}  // namespace cairn::gpu

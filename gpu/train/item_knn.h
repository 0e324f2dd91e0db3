#pragma once

#include <cstddef>
#include <vector>

#include "cairn/status.h"
#include "gpu/matrix.h"
#include "gpu/progress.h"
#include "gpu/sparse_weights.h"

namespace cairn::gpu {

struct ItemKnnOptions {
  float shrinkage = 10.0F;  ///< added to the product of norms, so that few common users say little
  std::size_t keep = 100;   ///< neighbours of each item
  std::size_t threads = 0;  ///< 0: all processors
};

/// Weight (i, j), i ≠ j, is x_i·x_j / (‖x_i‖ ‖x_j‖ + shrinkage) for the columns x of `interactions` (users × items):
/// the shrunk cosine (Sarwar et al., WWW 2001). The largest of each row are kept and, of equal ones, the lower columns.
/// Returns: INVALID_ARGUMENT for options or shapes that make no sense; CANCELLED.
[[nodiscard]] Result<SparseWeights> train_item_knn(const SparseView& interactions, const ItemKnnOptions& options,
                                                   const Progress& progress = {});

/// The sum of each column's values, by which items can be ranked for somebody without a history.
/// Requires: a valid CSR matrix.
[[nodiscard]] std::vector<float> item_popularity(const SparseView& interactions);

}  // namespace cairn::gpu

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "cairn/status.h"
#include "gpu/cpu/aligned.h"
#include "gpu/cpu/dense.h"
#include "gpu/cpu/panels.h"
#include "gpu/fold_in.h"
#include "gpu/matrix.h"

namespace cairn::gpu {

/// Improves vectors against fixed items whose Gram matrix is diagonal (iALS++, arXiv 2110.14044). It goes through
/// blocks of columns; each block gets the values that minimise FoldInOptions' objective while the other columns stay as
/// they are. Because the Gram matrix is diagonal, the other columns enter a block's equations only through the
/// residuals of the row's own interactions. A row with fewer interactions than the block has columns is solved as a
/// system of one unknown an interaction (Woodbury's identity). Threads: each thread has an object of its own; the items
/// are shared.
class BlockRows {
 public:
  /// Borrows `items` (items × dim) and `gram`, the diagonal of their Gram matrix.
  BlockRows(MatrixView items, std::span<const float> gram, const FoldInOptions& objective, std::size_t block,
            const DenseKernels& kernels);

  /// Improves `vector` for the interactions with `columns` and `weights` (empty: all 1). Without interactions it
  /// becomes zero. Returns: false when a system is not positive definite.
  [[nodiscard]] bool improve(std::span<const std::uint32_t> columns, std::span<const float> weights,
                             std::span<float> vector);

 private:
  struct Block {
    std::size_t begin;  ///< column
    std::size_t width;
    std::size_t panels;
  };

  void set_residuals(std::span<const std::uint32_t> columns, std::span<const float> weights,
                     std::span<const float> vector);
  void gather(const Block& block, std::span<const std::uint32_t> columns);
  /// from[i] -= row i of the gathered items · x, where x is padded as the panels are.
  void subtract_scores(const Block& block, const float* x, float* from) const;
  void set_penalties(const Block& block, float lambda);
  [[nodiscard]] bool solve_by_columns(const Block& block);
  [[nodiscard]] bool solve_by_interactions(const Block& block);
  void turn(const Block& block);

  const MatrixView items_;
  const std::span<const float> gram_;
  const FoldInOptions objective_;
  const std::size_t block_;
  const DenseKernels& kernels_;

  std::size_t count_ = 0;           ///< interactions of the row
  std::size_t rows_ = 0;            ///< the same, padded to whole tiles; what pads is zero
  std::vector<float> roots_;        ///< of the weights
  AlignedVector<float> residuals_;  ///< root · (score - target)
  AlignedVector<float> gathered_;   ///< panels of the block: root · item
  AlignedVector<float> turned_;     ///< panels of interactions: a row is a column of the block / √penalty
  AlignedVector<float> right_side_;
  AlignedVector<float> old_;      ///< the block's part of the vector, before
  AlignedVector<float> new_;      ///< and after
  std::vector<float> penalties_;  ///< diagonal of the system without interactions, or 1 / √ of it
  Panels system_;
};

}  // namespace cairn::gpu

#pragma once

#include <cstddef>

#include "cairn/status.h"
#include "gpu/cpu/aligned.h"
#include "gpu/cpu/buffer.h"
#include "gpu/cpu/dense.h"
#include "gpu/matrix.h"

namespace cairn::gpu {

/// Coordinates in which the Gram matrix of some items is diagonal, up to rounding: those along its eigenvectors.
class PrincipalAxes {
 public:
  /// On at most `threads` threads (0: all); the result does not depend on how many.
  /// Requires: the shapes fit. Returns: INVALID_ARGUMENT for values that are not finite, or whose squares are not.
  [[nodiscard]] static Result<PrincipalAxes> of(MatrixView items, const DenseKernels& kernels, std::size_t threads);

  /// The items (rows × dim) in these coordinates.
  [[nodiscard]] Buffer rotated(MatrixView items, std::size_t threads) const;

  /// `vector` (dim values) = what has the coordinates `rotated` (dim values, padded to whole tiles).
  void rotate_back(const float* rotated, float* vector) const;

 private:
  PrincipalAxes(std::size_t dim, const DenseKernels& kernels) : dim_(dim), kernels_(&kernels) {}

  std::size_t dim_;
  const DenseKernels* kernels_;
  AlignedVector<float> to_axes_;    ///< panels of kTile axes; a row holds one coordinate of each
  AlignedVector<float> from_axes_;  ///< panels of kTile coordinates; a row holds those of one axis, negated
};

}  // namespace cairn::gpu

#pragma once

#include <cstddef>
#include <limits>
#include <span>

#include "gpu/cpu/aligned.h"
#include "gpu/cpu/dense.h"

namespace cairn::gpu {

/// A pivot below this part of the diagonal value that it came from is nothing but rounding error.
inline constexpr float kPivotMin = 8.0F * std::numeric_limits<float>::epsilon();

/// `size`, rounded up to whole tiles.
[[nodiscard]] constexpr std::size_t padded_to_tiles(std::size_t size) noexcept {
  return (size + kTile - 1) / kTile * kTile;
}

/// The upper triangle of a symmetric matrix, or an upper triangular one, as the kernels read it: kTile columns a panel,
/// panel j with the rows down to its diagonal tile, kTile · (j + 1) of them, one after the other without gaps.
/// Dimensions are padded to whole tiles. The padding is part of the matrix; for `factor` it has to be a diagonal of
/// ones. Diagonal tiles of a symmetric matrix are stored whole, with both halves.
class Panels {
 public:
  Panels() = default;
  /// Zeros.
  explicit Panels(std::size_t dim) { reset(dim); }
  /// Zeros of another dimension, in the same memory if it is enough.
  void reset(std::size_t dim) {
    tiles_ = padded_to_tiles(dim) / kTile;
    values_.assign(values_before(tiles_), 0.0F);
  }

  [[nodiscard]] std::size_t tiles() const noexcept { return tiles_; }
  [[nodiscard]] std::size_t padded_dim() const noexcept { return tiles_ * kTile; }

  [[nodiscard]] float* panel(std::size_t j) noexcept { return values_.data() + values_before(j); }
  [[nodiscard]] const float* panel(std::size_t j) const noexcept { return values_.data() + values_before(j); }
  /// Requires: i <= j.
  [[nodiscard]] float* tile(std::size_t i, std::size_t j) noexcept { return panel(j) + i * kTile * kTile; }
  [[nodiscard]] const float* tile(std::size_t i, std::size_t j) const noexcept { return panel(j) + i * kTile * kTile; }
  [[nodiscard]] float* diagonal(std::size_t r) noexcept { return tile(r / kTile, r / kTile) + r % kTile * (kTile + 1); }
  [[nodiscard]] const float* diagonal(std::size_t r) const noexcept {
    return tile(r / kTile, r / kTile) + r % kTile * (kTile + 1);
  }
  /// All panels, one after the other.
  [[nodiscard]] std::span<float> values() noexcept { return values_; }
  [[nodiscard]] std::span<const float> values() const noexcept { return values_; }

 private:
  static std::size_t values_before(std::size_t panel) noexcept { return panel * (panel + 1) / 2 * kTile * kTile; }

  std::size_t tiles_ = 0;
  AlignedVector<float> values_;
};

/// matrix += RᵀR of a matrix R of `rows` rows in panels, of which panel j begins at j · stride.
void add_gram(const DenseKernels& kernels, const float* panels, std::size_t stride, std::size_t rows, Panels* matrix);

/// Cholesky: the upper triangular U of UᵀU = matrix, in its place, with reciprocals on the diagonal. False when the
/// matrix is not positive definite as far as float can tell, that is when a pivot is lost in the rounding of the
/// diagonal it came from.
[[nodiscard]] bool factor(const DenseKernels& kernels, Panels* matrix);

/// x = U⁻ᵀ x and x = U⁻¹ x for a factor as above; `x` has padded_dim() values.
void solve_transposed(const DenseKernels& kernels, const Panels& factor, float* x);
void solve(const DenseKernels& kernels, const Panels& factor, float* x);

/// x = U⁻ᵀ x for kTile right sides at once: `block` is padded_dim() × kTile, a right side a column.
void solve_transposed_block(const DenseKernels& kernels, const Panels& factor, float* block);

}  // namespace cairn::gpu

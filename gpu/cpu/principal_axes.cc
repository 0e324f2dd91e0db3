#include "gpu/cpu/principal_axes.h"

#include <algorithm>
#include <vector>

#include "gpu/cpu/objective.h"
#include "gpu/cpu/panels.h"
#include "gpu/dense_algebra.h"
#include "gpu/parallel.h"

namespace cairn::gpu {
namespace {

/// Rows that one thread rotates at a time: a multiple of kTile.
constexpr std::size_t kRowsPerChunk = 256;

/// Both halves of a matrix whose values are laid out as Panels are.
std::vector<double> square_of(const std::vector<double>& panels, std::size_t dim) {
  std::vector<double> square(dim * dim);
  for (std::size_t j = 0; j < dim; ++j) {
    const std::size_t panel = j / kTile;
    const double* column = panels.data() + panel * (panel + 1) / 2 * kTile * kTile + j % kTile;
    for (std::size_t i = 0; i <= j; ++i) square[i * dim + j] = square[j * dim + i] = column[i * kTile];
  }
  return square;
}

std::size_t panel_index(std::size_t padded, std::size_t row, std::size_t column) {
  return column / kTile * padded * kTile + row * kTile + column % kTile;
}

}  // namespace

Result<PrincipalAxes> PrincipalAxes::of(MatrixView items, const DenseKernels& kernels, std::size_t threads) {
  CAIRN_ASSIGN_OR_RETURN(const std::vector<double> gram, gram_of(items, kernels, threads));
  const SymmetricEigen eigen = symmetric_eigen(items.dim, square_of(gram, items.dim));
  PrincipalAxes axes(items.dim, kernels);
  const std::size_t padded = padded_to_tiles(items.dim);
  axes.to_axes_.resize(padded * padded);
  axes.from_axes_.resize(padded * padded);
  for (std::size_t axis = 0; axis < items.dim; ++axis) {
    for (std::size_t i = 0; i < items.dim; ++i) {
      const auto value = static_cast<float>(eigen.vectors[axis * items.dim + i]);
      // Eigenvectors are orthonormal, so the way back is the transpose; negated, as the kernel that uses it subtracts.
      axes.to_axes_[panel_index(padded, i, axis)] = value;
      axes.from_axes_[panel_index(padded, axis, i)] = -value;
    }
  }
  return axes;
}

Buffer PrincipalAxes::rotated(MatrixView items, std::size_t threads) const {
  const std::size_t padded = padded_to_tiles(dim_);
  Buffer rotated(items.rows * dim_ * sizeof(float));
  parallel_for(threads, (items.rows + kRowsPerChunk - 1) / kRowsPerChunk, [&](std::size_t chunk) {
    AlignedVector<float> block(padded * kTile);  // kTile items, one a column
    const std::size_t end = std::min(items.rows, (chunk + 1) * kRowsPerChunk);
    for (std::size_t first = chunk * kRowsPerChunk; first < end; first += kTile) {
      const std::size_t rows = std::min(kTile, end - first);
      // Columns of the last block that have no item keep old values; what they give is not copied.
      for (std::size_t r = 0; r < rows; ++r) {
        for (std::size_t i = 0; i < dim_; ++i) block[i * kTile + r] = items.row(first + r)[i];
      }
      for (std::size_t axis = 0; axis < dim_; axis += kTile) {
        alignas(64) float tile[kTile * kTile] = {};
        kernels_->add_products(block.data(), to_axes_.data() + axis * padded, dim_, tile);
        for (std::size_t r = 0; r < rows; ++r) {
          std::copy_n(tile + r * kTile, std::min(kTile, dim_ - axis), rotated.as<float>() + (first + r) * dim_ + axis);
        }
      }
    }
  });
  return rotated;
}

void PrincipalAxes::rotate_back(const float* rotated, float* vector) const {
  const std::size_t padded = padded_to_tiles(dim_);
  for (std::size_t i = 0; i < dim_; i += kTile) {
    float sum[kTile] = {};
    kernels_->subtract_combination(rotated, from_axes_.data() + i * padded, padded, sum);
    std::copy_n(sum, std::min(kTile, dim_ - i), vector + i);
  }
}

}  // namespace cairn::gpu

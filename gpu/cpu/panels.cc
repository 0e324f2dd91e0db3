#include "gpu/cpu/panels.h"

namespace cairn::gpu {
namespace {

/// In the order of the unknowns, so that each waits only for the one before it.
void solve_tile_transposed(const float* factor, float* x) {
  for (std::size_t i = 0; i < kTile; ++i) {
    float sum = x[i];
    for (std::size_t k = 0; k < i; ++k) sum -= factor[k * kTile + i] * x[k];
    x[i] = sum * factor[i * kTile + i];
  }
}

void solve_tile(const float* factor, float* x) {
  for (std::size_t i = kTile; i-- > 0;) {
    float sum = x[i];
    for (std::size_t k = kTile; --k > i;) sum -= factor[i * kTile + k] * x[k];
    x[i] = sum * factor[i * kTile + i];
  }
}

}  // namespace

void add_gram(const DenseKernels& kernels, const float* panels, std::size_t stride, std::size_t rows, Panels* matrix) {
  for (std::size_t j = 0; j < matrix->tiles(); ++j) {
    for (std::size_t i = 0; i <= j; ++i) {
      kernels.add_products(panels + i * stride, panels + j * stride, rows, matrix->tile(i, j));
    }
  }
}

bool factor(const DenseKernels& kernels, Panels* matrix) {
  // Kept to judge the pivots by: what is left of a diagonal value after subtractions that nearly cancel is rounding
  // error.
  AlignedVector<float> diagonal(matrix->padded_dim());
  for (std::size_t r = 0; r < diagonal.size(); ++r) diagonal[r] = *matrix->diagonal(r);
  for (std::size_t i = 0; i < matrix->tiles(); ++i) {
    // Everything above a tile is subtracted from it in its own step, so that each tile is visited once.
    float* pivots = matrix->tile(i, i);
    kernels.subtract_products(matrix->panel(i), matrix->panel(i), i * kTile, pivots);
    if (!kernels.factor(pivots)) return false;
    for (std::size_t j = i + 1; j < matrix->tiles(); ++j) {
      kernels.subtract_products(matrix->panel(i), matrix->panel(j), i * kTile, matrix->tile(i, j));
      kernels.solve_transposed(pivots, matrix->tile(i, j));
    }
  }
  for (std::size_t r = 0; r < diagonal.size(); ++r) {
    // The diagonal holds 1 / √pivot. Written so that NaN is refused as well.
    const float reciprocal = *matrix->diagonal(r);
    if (!(reciprocal * reciprocal * diagonal[r] * kPivotMin < 1.0F)) return false;
  }
  return true;
}

void solve_transposed(const DenseKernels& kernels, const Panels& factor, float* x) {
  for (std::size_t j = 0; j < factor.tiles(); ++j) {
    kernels.subtract_combination(x, factor.panel(j), j * kTile, x + j * kTile);
    solve_tile_transposed(factor.tile(j, j), x + j * kTile);
  }
}

void solve(const DenseKernels& kernels, const Panels& factor, float* x) {
  for (std::size_t j = factor.tiles(); j-- > 0;) {
    solve_tile(factor.tile(j, j), x + j * kTile);
    kernels.subtract_dots(x + j * kTile, factor.panel(j), j * kTile, x);
  }
}

void solve_transposed_block(const DenseKernels& kernels, const Panels& factor, float* block) {
  for (std::size_t j = 0; j < factor.tiles(); ++j) {
    float* tile = block + j * kTile * kTile;
    kernels.subtract_products(factor.panel(j), block, j * kTile, tile);
    kernels.solve_transposed(factor.tile(j, j), tile);
  }
}

}  // namespace cairn::gpu

#include <cmath>

#include "gpu/cpu/dense.h"

namespace cairn::gpu {
namespace {

/// row += factor · other, over one row of a tile.
void add_scaled(float* __restrict row, float factor, const float* __restrict other) {
  for (std::size_t j = 0; j < kTile; ++j) row[j] += factor * other[j];
}

void add_products(const float* left, const float* right, std::size_t rows, float* tile) {
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t i = 0; i < kTile; ++i) add_scaled(tile + i * kTile, left[r * kTile + i], right + r * kTile);
  }
}

void subtract_products(const float* left, const float* right, std::size_t rows, float* tile) {
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t i = 0; i < kTile; ++i) add_scaled(tile + i * kTile, -left[r * kTile + i], right + r * kTile);
  }
}

bool factor(float* tile) {
  bool positive = true;
  for (std::size_t k = 0; k < kTile; ++k) {
    float* pivot_row = tile + k * kTile;
    const float pivot = pivot_row[k];
    // Goes on after a bad pivot, as the vector kernels do: the result is refused in the end.
    positive = positive && pivot > 0.0F;
    const float reciprocal = 1.0F / std::sqrt(pivot);
    for (std::size_t j = 0; j < kTile; ++j) pivot_row[j] *= reciprocal;
    for (std::size_t i = k + 1; i < kTile; ++i) add_scaled(tile + i * kTile, -pivot_row[i], pivot_row);
    // The reciprocal is kept instead of the root, so that solving multiplies instead of dividing.
    pivot_row[k] = reciprocal;
  }
  return positive;
}

void solve_transposed(const float* factor, float* tile) {
  for (std::size_t k = 0; k < kTile; ++k) {
    const float* factor_row = factor + k * kTile;
    float* row = tile + k * kTile;
    for (std::size_t j = 0; j < kTile; ++j) row[j] *= factor_row[k];
    for (std::size_t i = k + 1; i < kTile; ++i) add_scaled(tile + i * kTile, -factor_row[i], row);
  }
}

void subtract_combination(const float* coefficients, const float* panel, std::size_t rows, float* sum) {
  for (std::size_t r = 0; r < rows; ++r) add_scaled(sum, -coefficients[r], panel + r * kTile);
}

void subtract_dots(const float* x, const float* panel, std::size_t rows, float* values) {
  for (std::size_t r = 0; r < rows; ++r) {
    float sum = 0.0F;
    for (std::size_t j = 0; j < kTile; ++j) sum += panel[r * kTile + j] * x[j];
    values[r] -= sum;
  }
}

void multiply_int8(const std::int8_t* inputs, const std::int8_t* weights, std::size_t quads, std::size_t panels,
                   std::int32_t* sums) {
  for (std::size_t r = 0; r < kTile; ++r) {
    const std::int8_t* input = inputs + r * quads * 4;
    for (std::size_t column = 0; column < panels * kTile; ++column) {
      const std::int8_t* panel = weights + column / kTile * quads * kTile * 4;
      std::int32_t sum = 0;
      for (std::size_t q = 0; q < quads; ++q) {
        const std::int8_t* weight = panel + (q * kTile + column % kTile) * 4;
        for (std::size_t i = 0; i < 4; ++i) sum += input[q * 4 + i] * weight[i];
      }
      sums[r * panels * kTile + column] = sum;
    }
  }
}

}  // namespace

const DenseKernels kDenseScalar = {add_products,         subtract_products, factor,       solve_transposed,
                                   subtract_combination, subtract_dots,     multiply_int8};

}  // namespace cairn::gpu

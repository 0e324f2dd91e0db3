#include "gpu/cpu/sparse_product.h"

#include <algorithm>

#include "gpu/parallel.h"

namespace cairn::gpu {
namespace {

constexpr std::size_t kRows = 128;   ///< of the result, that one thread makes at a time
constexpr std::size_t kStrip = 256;  ///< columns of the result whose sums stay in the first-level cache
constexpr std::size_t kLanes = 16;   ///< columns that are added in one step
constexpr std::size_t kSquare = 64;  ///< side of what is transposed in the first-level cache

std::size_t parts_of(std::size_t size, std::size_t part) { return (size + part - 1) / part; }

/// sums += factor · values.
void add_scaled(float factor, const float* __restrict values, std::size_t count, float* __restrict sums) {
  for (; count >= kLanes; count -= kLanes, values += kLanes, sums += kLanes) {
    for (std::size_t i = 0; i < kLanes; ++i) sums[i] += factor * values[i];
  }
  for (std::size_t i = 0; i < count; ++i) sums[i] += factor * values[i];
}

}  // namespace

void multiply_sparse(const SparseView& sparse, const float* dense, std::size_t columns, float* out,
                     std::size_t threads) {
  const std::size_t rows = sparse.rows();
  const std::size_t row_parts = parts_of(rows, kRows);
  // Strip by strip, so that the strip of `dense` is in the cache that threads share.
  parallel_for(threads, row_parts * parts_of(columns, kStrip), [&](std::size_t part) {
    const std::size_t first = part % row_parts * kRows;
    const std::size_t begin = part / row_parts * kStrip;
    const std::size_t count = std::min(kStrip, columns - begin);
    float sums[kStrip];
    for (std::size_t r = first; r < std::min(rows, first + kRows); ++r) {
      std::fill_n(sums, count, 0.0F);
      for (std::size_t entry = sparse.offsets[r]; entry < sparse.offsets[r + 1]; ++entry) {
        add_scaled(sparse.value(entry), dense + sparse.columns[entry] * columns + begin, count, sums);
      }
      std::copy_n(sums, count, out + r * columns + begin);
    }
  });
}

void transpose_dense(const float* matrix, std::size_t rows, std::size_t columns, float* out, std::size_t threads) {
  parallel_for(threads, parts_of(rows, kSquare), [&](std::size_t part) {
    const std::size_t row = part * kSquare;
    const std::size_t row_end = std::min(rows, row + kSquare);
    for (std::size_t column = 0; column < columns; column += kSquare) {
      const std::size_t column_end = std::min(columns, column + kSquare);
      for (std::size_t c = column; c < column_end; ++c) {
        for (std::size_t r = row; r < row_end; ++r) out[c * rows + r] = matrix[r * columns + c];
      }
    }
  });
}

}  // namespace cairn::gpu

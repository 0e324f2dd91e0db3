#include "gpu/dot_products.h"

#include <algorithm>
#include <array>

#include "gpu/backend.h"
#include "gpu/cpu/aligned.h"
#include "gpu/cpu/kernels.h"
#include "gpu/parallel.h"

namespace cairn::gpu {
namespace {

constexpr std::size_t kChunkRows = 64 * kDotRows;  ///< what a thread takes at a time

/// Memory of one thread.
struct Scratch {
  explicit Scratch(const MatrixView& queries)
      : columns(kDotRows * ((queries.dim + kDotRows - 1) / kDotRows * kDotRows)), products(queries.rows * kDotRows) {}

  AlignedVector<float> columns;   ///< the rows by column: kernels write whole squares
  AlignedVector<float> products;  ///< queries × kDotRows
};

/// The products with the rows [first, end), which `row_of` finds.
template <class RowOf>
void multiply(const MatrixView& queries, std::size_t first, std::size_t end, const RowOf& row_of, std::size_t stride,
              float* out) {
  const TopKKernels& kernels = top_k_kernels(best_instruction_set());
  Scratch scratch(queries);
  std::array<const float*, kDotRows> pointers;
  for (std::size_t row = first; row < end; row += kDotRows) {
    const std::size_t count = std::min(kDotRows, end - row);
    // A kernel takes 16 rows always; the last one is repeated.
    for (std::size_t i = 0; i < kDotRows; ++i) pointers[i] = row_of(row + std::min(i, count - 1));
    kernels.dot({.rows = pointers.data(),
                 .dim = queries.dim,
                 .queries = queries.values.data(),
                 .query_count = queries.rows,
                 .scratch = scratch.columns.data(),
                 .out = scratch.products.data()});
    for (std::size_t q = 0; q < queries.rows; ++q) {
      std::copy_n(scratch.products.data() + q * kDotRows, count, out + q * stride + row);
    }
  }
}

template <class RowOf>
void multiply_all(const MatrixView& queries, std::size_t rows, const RowOf& row_of, std::size_t threads,
                  std::span<float> out) {
  CAIRN_CHECK(out.size() == queries.rows * rows);
  if (out.empty()) return;
  parallel_for(threads, (rows + kChunkRows - 1) / kChunkRows, [&](std::size_t chunk) {
    multiply(queries, chunk * kChunkRows, std::min(rows, (chunk + 1) * kChunkRows), row_of, rows, out.data());
  });
}

}  // namespace

void dot_products(const MatrixView& queries, const MatrixView& rows, std::size_t threads, std::span<float> out) {
  CAIRN_CHECK(queries.dim == rows.dim);
  const auto row_of = [&](std::size_t r) { return rows.values.data() + r * rows.dim; };
  multiply_all(queries, rows.rows, row_of, threads, out);
}

void dot_products(const MatrixView& queries, std::span<const float* const> rows, std::size_t threads,
                  std::span<float> out) {
  multiply_all(
      queries, rows.size(), [&](std::size_t r) { return rows[r]; }, threads, out);
}

}  // namespace cairn::gpu

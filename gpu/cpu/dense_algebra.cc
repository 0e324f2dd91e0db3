#include "gpu/dense_algebra.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <vector>

#include "gpu/backend.h"
#include "gpu/cpu/aligned.h"
#include "gpu/cpu/dense.h"
#include "gpu/cpu/gemm.h"
#include "gpu/parallel.h"

#ifdef CAIRN_GPU_OPENBLAS
#include "gpu/openblas/gemm.h"
#endif

namespace cairn::gpu {
namespace {

// What one thread multiplies at a time: a chunk of C is kChunk × kChunk, made from kDepth columns of A and rows of B
// after one another. The packed part of A stays in the second-level cache, a panel of B in the first.
constexpr std::size_t kChunk = 512;
constexpr std::size_t kDepth = 384;

std::size_t chunks_of(std::size_t size, std::size_t chunk) { return (size + chunk - 1) / chunk; }

const float* at(const DenseBlock& block, std::size_t row, std::size_t column) {
  return block.data + (block.transposed ? column * block.stride + row : row * block.stride + column);
}

DenseBlock from(const DenseBlock& block, std::size_t row, std::size_t column) {
  return {at(block, row, column), block.stride, block.transposed};
}

/// Lays `lines` (at most kTile) rows of `block`, each `length` long, as columns of a panel; what is missing is zero.
void pack_panel(const DenseBlock& block, std::size_t lines, std::size_t length, float* panel) {
  if (lines < kTile) std::fill(panel, panel + length * kTile, 0.0F);
  if (block.transposed) {
    for (std::size_t k = 0; k < length; ++k) std::copy_n(block.data + k * block.stride, lines, panel + k * kTile);
    return;
  }
  // In squares of kTile × kTile, so that the part of the panel that is written stays in the first-level cache.
  for (std::size_t k = 0; k < length; k += kTile) {
    const std::size_t end = std::min(length, k + kTile);
    for (std::size_t line = 0; line < lines; ++line) {
      const float* values = block.data + line * block.stride;
      for (std::size_t i = k; i < end; ++i) panel[i * kTile + line] = values[i];
    }
  }
}

/// Panels of `lines` rows of `block`, after one another.
void pack(const DenseBlock& block, std::size_t lines, std::size_t length, float* panels) {
  for (std::size_t line = 0; line < lines; line += kTile) {
    pack_panel(from(block, line, 0), std::min(kTile, lines - line), length, panels + line * length);
  }
}

DenseBlock transpose_of(const DenseBlock& block) { return {block.data, block.stride, !block.transposed}; }

void scale(const GemmCall& call) {
  if (call.beta == 1.0F) return;
  for (std::size_t r = 0; r < call.rows; ++r) {
    float* row = call.c + r * call.c_stride;
    for (std::size_t c = 0; c < call.columns; ++c) row[c] = call.beta == 0.0F ? 0.0F : call.beta * row[c];
  }
}

/// c += alpha · tile, for the part of the tile that there is.
void add_tile(const float* tile, float alpha, std::size_t rows, std::size_t columns, float* c, std::size_t stride) {
  for (std::size_t r = 0; r < rows; ++r, tile += kTile, c += stride) {
    // The same loop twice: with a constant length the compiler can unroll it.
    if (columns == kTile) {
      for (std::size_t i = 0; i < kTile; ++i) c[i] += alpha * tile[i];
    } else {
      for (std::size_t i = 0; i < columns; ++i) c[i] += alpha * tile[i];
    }
  }
}

void multiply_panels(const DenseKernels& kernels, const GemmCall& call, const float* a, const float* b,
                     std::size_t depth) {
  alignas(64) float tile[kTile * kTile];
  for (std::size_t column = 0; column < call.columns; column += kTile) {
    for (std::size_t row = 0; row < call.rows; row += kTile) {
      std::fill(std::begin(tile), std::end(tile), 0.0F);
      kernels.add_products(a + row * depth, b + column * depth, depth, tile);
      add_tile(tile, call.alpha, std::min(kTile, call.rows - row), std::min(kTile, call.columns - column),
               call.c + row * call.c_stride + column, call.c_stride);
    }
  }
}

/// A chunk of C on the calling thread.
void multiply_chunk(const DenseKernels& kernels, const GemmCall& call) {
  scale(call);
  AlignedVector<float> a(chunks_of(call.rows, kTile) * kTile * kDepth);
  AlignedVector<float> b(chunks_of(call.columns, kTile) * kTile * kDepth);
  for (std::size_t k = 0; k < call.inner; k += kDepth) {
    const std::size_t depth = std::min(kDepth, call.inner - k);
    pack(from(call.a, 0, k), call.rows, depth, a.data());
    pack(transpose_of(from(call.b, k, 0)), call.columns, depth, b.data());
    multiply_panels(kernels, call, a.data(), b.data(), depth);
  }
}

/// The chunk of C at a row and a column, as a call of its own.
GemmCall chunk_of(const GemmCall& call, std::size_t row, std::size_t column) {
  GemmCall chunk = call;
  chunk.rows = std::min(kChunk, call.rows - row);
  chunk.columns = std::min(kChunk, call.columns - column);
  chunk.a = from(call.a, row, 0);
  chunk.b = from(call.b, 0, column);
  chunk.c = call.c + row * call.c_stride + column;
  return chunk;
}

}  // namespace

void gemm_by_chunks(const GemmCall& call, std::size_t threads, const std::function<void(const GemmCall&)>& multiply) {
  const std::size_t across = chunks_of(call.columns, kChunk);
  parallel_for(threads, chunks_of(call.rows, kChunk) * across, [&](std::size_t index) {
    const std::size_t row = index / across * kChunk;
    const std::size_t column = index % across * kChunk;
    // Chunks that lie above the diagonal are not needed.
    if (!call.lower_only || column < row + kChunk) multiply(chunk_of(call, row, column));
  });
}

void builtin_gemm(const GemmCall& call, std::size_t threads, InstructionSet set) {
  const DenseKernels& kernels = dense_kernels(set);
  gemm_by_chunks(call, threads, [&](const GemmCall& chunk) { multiply_chunk(kernels, chunk); });
}

#ifndef CAIRN_GPU_OPENBLAS

namespace {

bool has_openblas() noexcept { return false; }
void openblas_gemm(const GemmCall& /*call*/) {}

}  // namespace

#endif

std::string_view dense_backend() noexcept { return has_openblas() ? "openblas" : to_string(best_instruction_set()); }

void gemm(const GemmCall& call, std::size_t threads) {
  if (has_openblas()) return gemm_by_chunks(call, threads, openblas_gemm);
  builtin_gemm(call, threads, best_instruction_set());
}

void gram_matrix(const MatrixView& rows, std::span<float> gram, std::size_t threads) {
  constexpr std::size_t kPartRows = 512;
  const std::size_t dim = rows.dim;
  const std::size_t groups =
      dim <= 1024 ? 16 : 4;  // of parts; each takes a matrix of sums, and these are added in order
  const std::size_t parts = chunks_of(rows.rows, kPartRows);
  // Cut by shape alone and added in order, so that the result does not depend on the number of threads. Parts are
  // summed in float for speed, and the sums of parts in double, because errors would grow with the number of rows.
  std::vector<std::vector<double>> sums(groups);
  parallel_for(threads, groups, [&](std::size_t group) {
    sums[group].assign(dim * dim, 0.0);
    std::vector<float> product(dim * dim);
    for (std::size_t part = group * parts / groups; part < (group + 1) * parts / groups; ++part) {
      const std::size_t first = part * kPartRows;
      const DenseBlock block{rows.values.data() + first * dim, dim, false};
      gemm({.rows = dim,
            .columns = dim,
            .inner = std::min(kPartRows, rows.rows - first),
            .a = transpose_of(block),
            .b = block,
            .beta = 0.0F,
            .c = product.data(),
            .c_stride = dim,
            .lower_only = true},
           1);
      for (std::size_t i = 0; i < product.size(); ++i) sums[group][i] += static_cast<double>(product[i]);
    }
  });
  for (std::size_t group = 1; group < groups; ++group) {
    for (std::size_t i = 0; i < dim * dim; ++i) sums[0][i] += sums[group][i];
  }
  for (std::size_t r = 0; r < dim; ++r) {
    for (std::size_t c = 0; c <= r; ++c) {
      gram[r * dim + c] = gram[c * dim + r] = static_cast<float>(sums[0][r * dim + c]);
    }
  }
}

}  // namespace cairn::gpu

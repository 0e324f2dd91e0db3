#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "gpu/cpu/aligned.h"
#include "gpu/dense_algebra.h"
#include "gpu/parallel.h"

namespace cairn::gpu {
namespace {

constexpr std::size_t kSmall = 64;  ///< inverted in fp64, element by element
constexpr std::size_t kRows = 64;   ///< that one thread copies at a time
/// A matrix counts as singular when a diagonal element of its inverse is above this multiple of the reciprocal of its
/// own diagonal element: what was left of that element in the elimination is then rounding error.
constexpr float kInflationMax = 1.0F / (8.0F * std::numeric_limits<float>::epsilon());

/// Columns that are eliminated together. Products are faster with more of them, but the square of pivots, which is
/// inverted in smaller blocks, takes more of the work.
std::size_t block_of(std::size_t n) { return n > 8192 ? 1024 : n > 1024 ? 256 : kSmall; }

bool invert_blocks(std::size_t n, float* a, std::size_t stride, std::size_t threads, const Progress& progress,
                   Status* status);

/// By the sweep operator on one pivot after the other, on the whole square.
bool invert_small(std::size_t n, float* a, std::size_t stride) {
  double square[kSmall * kSmall];
  for (std::size_t r = 0; r < n; ++r) {
    for (std::size_t c = 0; c <= r; ++c) square[r * n + c] = square[c * n + r] = static_cast<double>(a[r * stride + c]);
  }
  for (std::size_t k = 0; k < n; ++k) {
    const double pivot = square[k * n + k];
    if (!(pivot > 0.0)) return false;
    for (std::size_t j = 0; j < n; ++j) square[k * n + j] /= pivot;
    square[k * n + k] = 1.0 / pivot;
    for (std::size_t i = 0; i < n; ++i) {
      if (i == k) continue;
      const double multiple = square[i * n + k];
      square[i * n + k] = 0.0;
      for (std::size_t j = 0; j < n; ++j) square[i * n + j] -= multiple * square[k * n + j];
    }
  }
  for (std::size_t r = 0; r < n; ++r) {
    for (std::size_t c = 0; c <= r; ++c) a[r * stride + c] = static_cast<float>(square[r * n + c]);
  }
  return true;
}

/// The columns [k, k + width) of a symmetric matrix whose lower half there is, without the rows [k, k + width): zeros.
void copy_columns(std::size_t n, const float* a, std::size_t stride, std::size_t k, std::size_t width, float* columns,
                  std::size_t threads) {
  parallel_for(threads, (n + kRows - 1) / kRows, [&](std::size_t part) {
    for (std::size_t r = part * kRows; r < std::min(n, (part + 1) * kRows); ++r) {
      float* to = columns + r * width;
      if (r >= k + width) {
        std::copy_n(a + r * stride + k, width, to);
      } else {
        for (std::size_t c = 0; c < width; ++c) to[c] = r < k ? a[(k + c) * stride + r] : 0.0F;
      }
    }
  });
}

/// Writes columns back to where copy_columns reads them.
void put_columns(std::size_t n, float* a, std::size_t stride, std::size_t k, std::size_t width, const float* columns,
                 std::size_t threads) {
  parallel_for(threads, (n + kRows - 1) / kRows, [&](std::size_t part) {
    for (std::size_t r = part * kRows; r < std::min(n, (part + 1) * kRows); ++r) {
      const float* from = columns + r * width;
      if (r >= k + width) {
        std::copy_n(from, width, a + r * stride + k);
      } else if (r < k) {
        for (std::size_t c = 0; c < width; ++c) a[(k + c) * stride + r] = from[c];
      }
    }
  });
}

/// Copies the lower half of a matrix to its upper half.
void mirror(std::size_t n, float* a, std::size_t stride, std::size_t threads) {
  const std::size_t parts = (n + kRows - 1) / kRows;
  parallel_for(threads, parts, [&](std::size_t part) {
    const std::size_t end = std::min(n, (part + 1) * kRows);
    // Square by square, because one side is walked through across the rows of memory.
    for (std::size_t other = 0; other <= part; ++other) {
      for (std::size_t c = other * kRows; c < std::min(n, (other + 1) * kRows); ++c) {
        for (std::size_t r = std::max(part * kRows, c + 1); r < end; ++r) a[c * stride + r] = a[r * stride + c];
      }
    }
  });
}

void negate_lower(std::size_t n, float* a, std::size_t stride, std::size_t threads) {
  parallel_for(threads, (n + kRows - 1) / kRows, [&](std::size_t part) {
    for (std::size_t r = part * kRows; r < std::min(n, (part + 1) * kRows); ++r) {
      for (std::size_t c = 0; c <= r; ++c) a[r * stride + c] = -a[r * stride + c];
    }
  });
}

/// Inverts the lower half of a matrix in place; false when it is not positive definite.
bool invert(std::size_t n, float* a, std::size_t stride, std::size_t threads) {
  if (n <= kSmall) return invert_small(n, a, stride);
  Status status;
  return invert_blocks(n, a, stride, threads, {}, &status);
}

/// The sweep operator on blocks of pivots D: with the other columns C of the block and W = C D⁻¹, what is beside it
/// becomes A - W Cᵀ, the columns W, the block -D⁻¹. After all blocks the matrix is -A⁻¹.
bool invert_blocks(std::size_t n, float* a, std::size_t stride, std::size_t threads, const Progress& progress,
                   Status* status) {
  const std::size_t block = block_of(n);
  AlignedVector<float> columns(n * block);
  AlignedVector<float> multiples(n * block);
  for (std::size_t k = 0; k < n; k += block) {
    *status = report_progress(progress, static_cast<double>(k) / static_cast<double>(n));
    if (!status->ok()) return false;
    const std::size_t width = std::min(block, n - k);
    float* pivots = a + k * stride + k;
    if (!invert(width, pivots, stride, threads)) return false;
    AlignedVector<float> inverse(width * width);
    for (std::size_t r = 0; r < width; ++r) std::copy_n(pivots + r * stride, r + 1, inverse.data() + r * width);
    mirror(width, inverse.data(), width, 1);
    negate_lower(width, pivots, stride, 1);
    copy_columns(n, a, stride, k, width, columns.data(), threads);
    // The rows of the pivots are zero in `columns`, so the second product leaves rows and columns of the pivots as they
    // are.
    gemm({.rows = n,
          .columns = width,
          .inner = width,
          .a = {columns.data(), width, false},
          .b = {inverse.data(), width, false},
          .beta = 0.0F,
          .c = multiples.data(),
          .c_stride = width},
         threads);
    gemm({.rows = n,
          .columns = n,
          .inner = width,
          .alpha = -1.0F,
          .a = {multiples.data(), width, false},
          .b = {columns.data(), width, true},
          .beta = 1.0F,
          .c = a,
          .c_stride = stride,
          .lower_only = true},
         threads);
    put_columns(n, a, stride, k, width, multiples.data(), threads);
  }
  negate_lower(n, a, stride, threads);
  return true;
}

Status not_positive_definite() {
  return failed_precondition("the matrix is not positive definite to the precision of its numbers");
}

}  // namespace

Status invert_positive_definite(std::size_t n, std::span<float> matrix, std::size_t threads, const Progress& progress) {
  CAIRN_CHECK(matrix.size() == n * n);
  std::vector<float> diagonal(n);
  for (std::size_t i = 0; i < n; ++i) diagonal[i] = matrix[i * n + i];
  Status status;
  const bool inverted =
      n <= kSmall ? invert_small(n, matrix.data(), n) : invert_blocks(n, matrix.data(), n, threads, progress, &status);
  CAIRN_RETURN_IF_ERROR(status);
  if (!inverted) return not_positive_definite();
  for (std::size_t i = 0; i < n; ++i) {
    if (!(matrix[i * n + i] * diagonal[i] < kInflationMax)) return not_positive_definite();
  }
  mirror(n, matrix.data(), n, threads);
  return report_progress(progress, 1.0);
}

}  // namespace cairn::gpu

#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "gpu/matrix.h"
#include "gpu/sparse_matrix.h"

namespace cairn::gpu {

/// Users × items with about `density` of all entries, the first items more than the last. Values are 1, or between 1
/// and 3 when weighted.
inline SparseMatrix random_interactions(std::size_t users, std::size_t items, double density, std::uint32_t seed,
                                        bool weighted = false) {
  std::mt19937 random(seed);
  const auto below_one = [&] { return static_cast<double>(random()) / 4294967296.0; };
  SparseMatrix matrix{.offsets = {0}, .width = items};
  for (std::size_t u = 0; u < users; ++u) {
    for (std::size_t i = 0; i < items; ++i) {
      const double popularity = 2.0 * static_cast<double>(items - i) / static_cast<double>(items + 1);
      if (below_one() >= density * popularity) continue;
      matrix.columns.push_back(static_cast<std::uint32_t>(i));
      matrix.values.push_back(weighted ? static_cast<float>(1.0 + 2.0 * below_one()) : 1.0F);
    }
    matrix.offsets.push_back(matrix.columns.size());
  }
  return matrix;
}

/// Row-major, by rows of the matrix.
using Dense = std::vector<std::vector<double>>;

inline Dense zeros(std::size_t rows, std::size_t columns) { return Dense(rows, std::vector<double>(columns)); }

inline Dense dense_of(const SparseView& matrix) {
  Dense dense = zeros(matrix.rows(), matrix.width);
  for (std::size_t r = 0; r < matrix.rows(); ++r) {
    for (std::size_t e = matrix.offsets[r]; e < matrix.offsets[r + 1]; ++e) {
      dense[r][matrix.columns[e]] = static_cast<double>(matrix.value(e));
    }
  }
  return dense;
}

inline Dense transpose(const Dense& a) {
  Dense t = zeros(a.front().size(), a.size());
  for (std::size_t r = 0; r < a.size(); ++r) {
    for (std::size_t c = 0; c < a[r].size(); ++c) t[c][r] = a[r][c];
  }
  return t;
}

inline Dense product(const Dense& a, const Dense& b) {
  Dense c = zeros(a.size(), b.front().size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (std::size_t k = 0; k < b.size(); ++k) {
      for (std::size_t j = 0; j < c[i].size(); ++j) c[i][j] += a[i][k] * b[k][j];
    }
  }
  return c;
}

/// By Gauss-Jordan elimination with row exchanges.
inline Dense inverse(Dense a) {
  const std::size_t n = a.size();
  Dense b = zeros(n, n);
  for (std::size_t i = 0; i < n; ++i) b[i][i] = 1.0;
  for (std::size_t k = 0; k < n; ++k) {
    std::size_t pivot = k;
    for (std::size_t i = k + 1; i < n; ++i) pivot = std::abs(a[i][k]) > std::abs(a[pivot][k]) ? i : pivot;
    std::swap(a[k], a[pivot]);
    std::swap(b[k], b[pivot]);
    const double reciprocal = 1.0 / a[k][k];
    for (std::size_t j = 0; j < n; ++j) a[k][j] *= reciprocal, b[k][j] *= reciprocal;
    for (std::size_t i = 0; i < n; ++i) {
      const double multiple = a[i][k];
      for (std::size_t j = 0; i != k && j < n; ++j) a[i][j] -= multiple * a[k][j], b[i][j] -= multiple * b[k][j];
    }
  }
  return b;
}

}  // namespace cairn::gpu

#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

namespace cairn::bench {

// The textbook's loops, one thread: what solvers of normal equations are measured beside.

/// The factor L of the symmetric n × n matrix L Lᵀ, in place of its lower triangle.
inline void plain_cholesky(std::size_t n, std::vector<float>* matrix) {
  std::vector<float>& a = *matrix;
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      float sum = a[i * n + j];
      for (std::size_t k = 0; k < j; ++k) sum -= a[i * n + k] * a[j * n + k];
      a[i * n + j] = i == j ? std::sqrt(sum) : sum / a[j * n + j];
    }
  }
}

/// Solves L Lᵀ x = right. `right` may be `x`.
inline void plain_solve(std::size_t n, const std::vector<float>& factor, const float* right, float* x) {
  for (std::size_t i = 0; i < n; ++i) {
    float sum = right[i];
    for (std::size_t k = 0; k < i; ++k) sum -= factor[i * n + k] * x[k];
    x[i] = sum / factor[i * n + i];
  }
  for (std::size_t i = n; i-- > 0;) {
    float sum = x[i];
    for (std::size_t k = i + 1; k < n; ++k) sum -= factor[k * n + i] * x[k];
    x[i] = sum / factor[i * n + i];
  }
}

}  // namespace cairn::bench

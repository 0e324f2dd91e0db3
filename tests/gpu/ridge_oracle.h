#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include "gpu/fold_in.h"

namespace cairn::gpu {

/// The normal equations of one row as FoldInOptions states them, in double, one element after the other.
struct RidgeOracle {
  std::vector<std::vector<double>> matrix;
  std::vector<double> right_side;

  RidgeOracle(MatrixView items, const FoldInOptions& options)
      : matrix(items.dim, std::vector<double>(items.dim)),
        right_side(items.dim),
        items_(items),
        options_(options),
        unobserved_(static_cast<double>(options.unobserved_weight)) {
    for (std::size_t item = 0; item < items.rows; ++item) add_outer_product(items.row(item), unobserved_);
  }

  void add(std::span<const float> vector, float weight) {
    const double c = static_cast<double>(weight);
    add_outer_product(vector, c);
    const double target = options_.target == FoldInOptions::Target::kOne ? 1.0 : 1.0 + unobserved_ / c;
    for (std::size_t i = 0; i < right_side.size(); ++i) right_side[i] += c * target * static_cast<double>(vector[i]);
  }

  void add_penalty(std::size_t interactions) {
    const double size = static_cast<double>(interactions) + unobserved_ * static_cast<double>(items_.rows);
    const double lambda =
        static_cast<double>(options_.regularization) * std::pow(size, static_cast<double>(options_.frequency_exponent));
    for (std::size_t i = 0; i < matrix.size(); ++i) matrix[i][i] += lambda;
  }

  /// matrix⁻¹ b by Gaussian elimination with row exchanges.
  [[nodiscard]] std::vector<double> solve(std::vector<double> b) const {
    std::vector<std::vector<double>> a = matrix;
    const std::size_t n = b.size();
    for (std::size_t k = 0; k < n; ++k) {
      std::size_t pivot = k;
      for (std::size_t i = k + 1; i < n; ++i) pivot = std::abs(a[i][k]) > std::abs(a[pivot][k]) ? i : pivot;
      std::swap(a[k], a[pivot]);
      std::swap(b[k], b[pivot]);
      for (std::size_t i = k + 1; i < n; ++i) {
        const double multiple = a[i][k] / a[k][k];
        for (std::size_t j = k; j < n; ++j) a[i][j] -= multiple * a[k][j];
        b[i] -= multiple * b[k];
      }
    }
    for (std::size_t k = n; k-- > 0;) {
      for (std::size_t j = k + 1; j < n; ++j) b[k] -= a[k][j] * b[j];
      b[k] /= a[k][k];
    }
    return b;
  }

  [[nodiscard]] std::vector<double> vector() const { return solve(right_side); }

  /// xᵀ matrix⁻¹ x.
  [[nodiscard]] double variance(std::span<const float> x) const {
    const std::vector<double> solution = solve({x.begin(), x.end()});
    double sum = 0.0;
    for (std::size_t i = 0; i < x.size(); ++i) sum += static_cast<double>(x[i]) * solution[i];
    return sum;
  }

 private:
  void add_outer_product(std::span<const float> x, double weight) {
    for (std::size_t i = 0; i < x.size(); ++i) {
      for (std::size_t j = 0; j < x.size(); ++j) {
        matrix[i][j] += weight * static_cast<double>(x[i]) * static_cast<double>(x[j]);
      }
    }
  }

  MatrixView items_;
  FoldInOptions options_;
  double unobserved_;
};

/// The length of the difference, as a part of the length of what is expected.
inline double relative_difference(std::span<const float> actual, std::span<const double> expected) {
  double difference = 0.0;
  double length = 0.0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    difference += (static_cast<double>(actual[i]) - expected[i]) * (static_cast<double>(actual[i]) - expected[i]);
    length += expected[i] * expected[i];
  }
  return std::sqrt(difference / length);
}

}  // namespace cairn::gpu

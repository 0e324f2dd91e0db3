#include <algorithm>
#include <cmath>
#include <utility>

#include "gpu/cpu/sparse_product.h"
#include "gpu/dense_algebra.h"
#include "gpu/random.h"
#include "gpu/sparse_matrix.h"

namespace cairn::gpu {
namespace {

/// Singular values below this part of the largest are rounding: squares are summed to about 1e-6.
constexpr double kValueMin = 1e-3;
/// A column whose rest after the ones before it is below this part of its square depends on them.
constexpr double kRestMin = 1e-6;

/// Row-major, `columns` wide.
struct Tall {
  std::size_t columns = 0;
  std::vector<float> values;

  [[nodiscard]] std::size_t rows() const { return values.size() / columns; }
  [[nodiscard]] MatrixView view() const { return {values, rows(), columns}; }
};

/// tall · square, where `square` (columns × width) is row-major.
Tall times(const Tall& tall, const std::vector<float>& square, std::size_t width, std::size_t threads) {
  Tall result{width, std::vector<float>(tall.rows() * width)};
  gemm({.rows = tall.rows(),
        .columns = width,
        .inner = tall.columns,
        .a = {tall.values.data(), tall.columns, false},
        .b = {square.data(), width, false},
        .beta = 0.0F,
        .c = result.values.data(),
        .c_stride = width},
       threads);
  return result;
}

/// R⁻¹ for RᵀR = gram, upper triangular. Columns that depend on those before them become zero.
std::vector<float> inverse_factor(std::size_t n, const std::vector<float>& gram) {
  std::vector<double> lower(n * n);    // Rᵀ
  std::vector<double> inverse(n * n);  // R⁻ᵀ, lower triangular
  for (std::size_t j = 0; j < n; ++j) {
    double* row = lower.data() + j * n;
    const double square = static_cast<double>(gram[j * n + j]);
    double rest = square;
    for (std::size_t i = 0; i < j; ++i) {
      double sum = static_cast<double>(gram[j * n + i]);
      for (std::size_t k = 0; k < i; ++k) sum -= row[k] * lower[i * n + k];
      row[i] = sum * inverse[i * n + i];
      rest -= row[i] * row[i];
    }
    if (rest > kRestMin * square) inverse[j * n + j] = 1.0 / std::sqrt(rest);
    row[j] = rest > kRestMin * square ? std::sqrt(rest) : 0.0;
  }
  for (std::size_t j = 0; j < n; ++j) {
    double* row = inverse.data() + j * n;
    for (std::size_t k = 0; k < j; ++k) {
      for (std::size_t i = 0; i <= k; ++i) row[i] -= lower[j * n + k] * inverse[k * n + i];
    }
    for (std::size_t i = 0; i < j; ++i) row[i] *= row[j];
  }
  std::vector<float> upper(n * n);
  for (std::size_t r = 0; r < n; ++r) {
    for (std::size_t c = r; c < n; ++c) upper[r * n + c] = static_cast<float>(inverse[c * n + r]);
  }
  return upper;
}

/// The same space with orthonormal columns, and zeros for what depends: Cholesky QR, twice for the rounding.
void make_orthonormal(Tall* tall, std::size_t threads) {
  std::vector<float> gram(tall->columns * tall->columns);
  for (int pass = 0; pass < 2; ++pass) {
    gram_matrix(tall->view(), gram, threads);
    *tall = times(*tall, inverse_factor(tall->columns, gram), tall->columns, threads);
  }
}

Tall times(const SparseView& sparse, const Tall& tall, std::size_t threads) {
  Tall result{tall.columns, std::vector<float>(sparse.rows() * tall.columns)};
  multiply_sparse(sparse, tall.values.data(), tall.columns, result.values.data(), threads);
  return result;
}

/// The triples within the space of `right` (Rayleigh and Ritz): with B = matrix · right and BᵀB = E Λ Eᵀ, the values
/// are √Λ, the right vectors right · E, the left ones B · E / √Λ.
TruncatedSvd triples_within(const SparseView& matrix, const Tall& right, std::size_t rank, std::size_t threads) {
  const std::size_t n = right.columns;
  const Tall image = times(matrix, right, threads);
  std::vector<float> gram(n * n);
  gram_matrix(image.view(), gram, threads);
  const SymmetricEigen eigen = symmetric_eigen(n, std::vector<double>(gram.begin(), gram.end()), threads);
  TruncatedSvd svd;
  for (const double square : eigen.values) {
    const double value = std::sqrt(std::max(0.0, square));
    if (svd.rank == rank || !(value > kValueMin * std::sqrt(eigen.values.front()))) break;
    svd.values.push_back(static_cast<float>(value));
    ++svd.rank;
  }
  std::vector<float> to_right(n * svd.rank);
  std::vector<float> to_left(n * svd.rank);
  for (std::size_t i = 0; i < svd.rank; ++i) {
    for (std::size_t c = 0; c < n; ++c) {
      const double part = eigen.vectors[i * n + c];
      to_right[c * svd.rank + i] = static_cast<float>(part);
      to_left[c * svd.rank + i] = static_cast<float>(part / static_cast<double>(svd.values[i]));
    }
  }
  svd.right = times(right, to_right, svd.rank, threads).values;
  svd.left = times(image, to_left, svd.rank, threads).values;
  return svd;
}

}  // namespace

Result<TruncatedSvd> truncated_svd(const SparseView& matrix, const TruncatedSvdOptions& options,
                                   const Progress& progress) {
  CAIRN_RETURN_IF_ERROR(check_sparse(matrix));
  if (options.rank == 0) return invalid_argument("a singular value decomposition needs a rank of at least 1");
  const std::size_t columns = std::min({options.rank + options.oversample, matrix.rows(), matrix.width});
  if (columns == 0) return TruncatedSvd{};
  const SparseMatrix turned = transposed(matrix);
  Tall space{columns, std::vector<float>(matrix.width * columns)};
  fill_normal(options.seed, 1.0F, space.values);
  make_orthonormal(&space, options.threads);
  for (std::size_t i = 0; i < options.iterations; ++i) {
    CAIRN_RETURN_IF_ERROR(
        report_progress(progress, static_cast<double>(i) / static_cast<double>(options.iterations + 1)));
    space = times(turned.view(), times(matrix, space, options.threads), options.threads);
    make_orthonormal(&space, options.threads);
  }
  TruncatedSvd svd = triples_within(matrix, space, options.rank, options.threads);
  CAIRN_RETURN_IF_ERROR(report_progress(progress, 1.0));
  return svd;
}

}  // namespace cairn::gpu

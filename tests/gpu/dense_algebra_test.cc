#include "gpu/dense_algebra.h"

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <random>
#include <vector>

#include "gpu/cpu/gemm.h"
#include "tests/gpu/every_instruction_set.h"
#include "tests/gpu/random_interactions.h"

namespace cairn::gpu {
namespace {

std::vector<float> random_values(std::size_t count, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(static_cast<double>(random()) / 2147483648.0 - 1.0);
  return values;
}

double at(const DenseBlock& block, std::size_t r, std::size_t c) {
  return static_cast<double>(block.data[block.transposed ? c * block.stride + r : r * block.stride + c]);
}

struct Sizes {
  std::size_t rows, columns, inner;
};

/// Every combination of transposes, factors and gaps for one size.
void check_products(const Sizes& sizes, const std::function<void(const GemmCall&)>& multiply) {
  for (std::uint32_t variant = 0; variant < 16; ++variant) {
    INFO("variant ", variant, " of ", sizes.rows, " x ", sizes.columns, " x ", sizes.inner);
    const bool a_turned = (variant & 1U) != 0;
    const bool b_turned = (variant & 2U) != 0;
    const std::size_t gap = (variant & 4U) != 0 ? 3 : 0;
    const std::size_t a_stride = (a_turned ? sizes.rows : sizes.inner) + gap;
    const std::size_t b_stride = (b_turned ? sizes.inner : sizes.columns) + gap;
    const std::size_t c_stride = sizes.columns + gap;
    const std::vector<float> a = random_values(a_stride * (a_turned ? sizes.inner : sizes.rows), variant);
    const std::vector<float> b = random_values(b_stride * (b_turned ? sizes.columns : sizes.inner), variant + 100);
    const std::vector<float> before = random_values(c_stride * sizes.rows, variant + 200);
    std::vector<float> after = before;
    const GemmCall call{.rows = sizes.rows,
                        .columns = sizes.columns,
                        .inner = sizes.inner,
                        .alpha = -0.5F,
                        .a = {a.data(), a_stride, a_turned},
                        .b = {b.data(), b_stride, b_turned},
                        .beta = (variant & 8U) != 0 ? 2.0F : 0.0F,
                        .c = after.data(),
                        .c_stride = c_stride};
    multiply(call);
    double worst = 0.0;
    for (std::size_t r = 0; r < sizes.rows; ++r) {
      for (std::size_t c = 0; c < c_stride; ++c) {
        double expected = static_cast<double>(before[r * c_stride + c]);
        if (c < sizes.columns) {
          expected *= static_cast<double>(call.beta);
          for (std::size_t k = 0; k < sizes.inner; ++k) expected -= 0.5 * at(call.a, r, k) * at(call.b, k, c);
        }
        worst = std::max(worst, std::abs(expected - static_cast<double>(after[r * c_stride + c])));
      }
    }
    CHECK(worst < 1e-5 * std::sqrt(static_cast<double>(sizes.inner + 1)));
  }
}

void check_all_products(const std::function<void(const GemmCall&)>& multiply) {
  for (const Sizes& sizes : {Sizes{1, 1, 1}, Sizes{17, 5, 33}, Sizes{5, 40, 2}, Sizes{64, 64, 64}, Sizes{33, 130, 401},
                             Sizes{530, 20, 30}, Sizes{20, 530, 30}}) {
    check_products(sizes, multiply);
  }
}

TEST_CASE("products are those of three loops") {
  INFO(dense_backend());
  check_all_products([](const GemmCall& call) { gemm(call, 2); });
}

TEST_CASE("so are those of every instruction set") {
  for (const InstructionSet set : every_instruction_set()) {
    INFO(to_string(set));
    check_all_products([set](const GemmCall& call) { builtin_gemm(call, 2, set); });
  }
}

TEST_CASE("the lower half is the same when only that is asked for") {
  constexpr std::size_t kSize = 1100;
  constexpr std::size_t kInner = 9;
  const std::vector<float> a = random_values(kSize * kInner, 1);
  std::vector<float> whole(kSize * kSize);
  std::vector<float> lower(kSize * kSize);
  GemmCall call{.rows = kSize,
                .columns = kSize,
                .inner = kInner,
                .a = {a.data(), kInner, false},
                .b = {a.data(), kInner, true},
                .beta = 0.0F,
                .c = whole.data(),
                .c_stride = kSize};
  gemm(call, 1);
  call.c = lower.data();
  call.lower_only = true;
  gemm(call, 3);
  bool equal = true;
  for (std::size_t r = 0; r < kSize; ++r) {
    for (std::size_t c = 0; c <= r; ++c) equal = equal && whole[r * kSize + c] == lower[r * kSize + c];
  }
  CHECK(equal);
}

TEST_CASE("a Gram matrix is the product of the columns, for any number of threads") {
  constexpr std::size_t kRows = 3001;
  constexpr std::size_t kDim = 21;
  const std::vector<float> rows = random_values(kRows * kDim, 5);
  std::vector<float> gram(kDim * kDim);
  gram_matrix({rows, kRows, kDim}, gram, 1);
  for (std::size_t i = 0; i < kDim; ++i) {
    for (std::size_t j = 0; j < kDim; ++j) {
      double expected = 0.0;
      for (std::size_t r = 0; r < kRows; ++r) {
        expected += static_cast<double>(rows[r * kDim + i]) * static_cast<double>(rows[r * kDim + j]);
      }
      CHECK(static_cast<double>(gram[i * kDim + j]) == doctest::Approx(expected).epsilon(1e-5).scale(kRows));
    }
  }
  std::vector<float> other(kDim * kDim);
  gram_matrix({rows, kRows, kDim}, other, 3);
  CHECK(gram == other);
}

/// B Bᵀ + ridge · I for random B with `rank` columns.
std::vector<float> positive_definite(std::size_t n, std::size_t rank, float ridge, std::uint32_t seed) {
  const std::vector<float> b = random_values(n * rank, seed);
  std::vector<float> matrix(n * n);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      double sum = i == j ? static_cast<double>(ridge) : 0.0;
      for (std::size_t k = 0; k < rank; ++k) {
        sum += static_cast<double>(b[i * rank + k]) * static_cast<double>(b[j * rank + k]);
      }
      matrix[i * n + j] = static_cast<float>(sum);
    }
  }
  return matrix;
}

/// The largest element of matrix · inverse - I.
double residual(std::size_t n, const std::vector<float>& matrix, const std::vector<float>& inverse) {
  double worst = 0.0;
  for (std::size_t i = 0; i < n; ++i) {
    std::vector<double> row(n);
    for (std::size_t k = 0; k < n; ++k) {
      for (std::size_t j = 0; j < n; ++j) {
        row[j] += static_cast<double>(matrix[i * n + k]) * static_cast<double>(inverse[k * n + j]);
      }
    }
    for (std::size_t j = 0; j < n; ++j) worst = std::max(worst, std::abs(row[j] - (i == j ? 1.0 : 0.0)));
  }
  return worst;
}

TEST_CASE("a matrix times its inverse is one, from one element to blocks in blocks") {
  for (const std::size_t n : {1U, 2U, 63U, 64U, 65U, 200U, 1025U}) {
    INFO("n ", n);
    const std::vector<float> matrix = positive_definite(n, 20, 4.0F, static_cast<std::uint32_t>(n));
    std::vector<float> inverse = matrix;
    for (std::size_t i = 0; i < n; ++i) {  // only the lower half counts
      for (std::size_t j = i + 1; j < n; ++j) inverse[i * n + j] = -77.0F;
    }
    REQUIRE(invert_positive_definite(n, inverse, 2).ok());
    CHECK(residual(n, matrix, inverse) < 2e-4);
    std::vector<float> other = matrix;
    REQUIRE(invert_positive_definite(n, other, 1).ok());
    CHECK(other == inverse);
  }
}

TEST_CASE("a matrix without an inverse is refused, and inverting can be cancelled") {
  std::vector<float> singular = positive_definite(100, 20, 0.0F, 3);
  CHECK(invert_positive_definite(100, singular, 1).code() == StatusCode::kFailedPrecondition);
  std::vector<float> negative(4, 0.0F);
  negative[0] = negative[3] = -1.0F;
  CHECK(invert_positive_definite(2, negative, 1).code() == StatusCode::kFailedPrecondition);
  std::vector<float> fine = positive_definite(300, 20, 1.0F, 4);
  const auto stop_half_way = [](double fraction) { return fraction < 0.5; };
  CHECK(invert_positive_definite(300, fine, 1, stop_half_way).code() == StatusCode::kCancelled);
}

/// Eigenvalues, descending, by Jacobi's rotations.
std::vector<double> jacobi_eigenvalues(Dense a) {
  const std::size_t n = a.size();
  for (int sweep = 0; sweep < 60; ++sweep) {
    for (std::size_t p = 0; p < n; ++p) {
      for (std::size_t q = p + 1; q < n; ++q) {
        if (a[p][q] == 0.0) continue;
        const double theta = 0.5 * std::atan2(2.0 * a[p][q], a[q][q] - a[p][p]);
        const double c = std::cos(theta);
        const double s = std::sin(theta);
        for (std::size_t k = 0; k < n; ++k) {
          const double x = a[k][p];
          a[k][p] = c * x - s * a[k][q];
          a[k][q] = s * x + c * a[k][q];
        }
        for (std::size_t k = 0; k < n; ++k) {
          const double x = a[p][k];
          a[p][k] = c * x - s * a[q][k];
          a[q][k] = s * x + c * a[q][k];
        }
      }
    }
  }
  std::vector<double> values(n);
  for (std::size_t i = 0; i < n; ++i) values[i] = a[i][i];
  std::sort(values.rbegin(), values.rend());
  return values;
}

TEST_CASE("eigenvalues are Jacobi's, and vectors are stretched by them") {
  for (const std::size_t n : {1U, 2U, 3U, 10U, 40U, 75U}) {
    for (const bool repeated : {false, true}) {
      INFO("n ", n, " repeated ", repeated);
      Dense matrix = zeros(n, n);
      const std::vector<float> values = random_values(n * n, static_cast<std::uint32_t>(n));
      for (std::size_t i = 0; i < n; ++i) {
        for (std::size_t j = 0; j <= i; ++j) {
          const double value = repeated ? (i == j                    ? 2.0
                                           : i == j + 1 && i < n / 2 ? 1.0
                                                                     : 0.0)
                                        : static_cast<double>(values[i * n + j]);
          matrix[i][j] = matrix[j][i] = value;
        }
      }
      std::vector<double> flat;
      for (const auto& row : matrix) flat.insert(flat.end(), row.begin(), row.end());
      const SymmetricEigen eigen = symmetric_eigen(n, flat, 2);
      const std::vector<double> expected = jacobi_eigenvalues(matrix);
      for (std::size_t i = 0; i < n; ++i) {
        CHECK(eigen.values[i] == doctest::Approx(expected[i]).epsilon(1e-10).scale(1.0));
        double square = 0.0;
        for (std::size_t r = 0; r < n; ++r) {
          double stretched = 0.0;
          for (std::size_t c = 0; c < n; ++c) stretched += matrix[r][c] * eigen.vectors[i * n + c];
          CHECK(stretched == doctest::Approx(eigen.values[i] * eigen.vectors[i * n + r]).epsilon(1e-9).scale(1.0));
          square += eigen.vectors[i * n + r] * eigen.vectors[i * n + r];
        }
        CHECK(square == doctest::Approx(1.0));
      }
    }
  }
}

TEST_CASE("singular values are the roots of Jacobi's eigenvalues, and the triples fit the matrix") {
  for (const bool turned : {false, true}) {
    const SparseMatrix random = random_interactions(60, 45, 0.15, 11, true);
    const SparseMatrix matrix = turned ? transposed(random.view()) : random;
    const Dense dense = dense_of(matrix.view());
    const std::vector<double> squares = jacobi_eigenvalues(product(transpose(dense), dense));
    const auto svd = truncated_svd(matrix.view(), {.rank = 8, .oversample = 12, .iterations = 12, .threads = 2});
    REQUIRE(svd.ok());
    REQUIRE(svd->rank == 8);
    for (std::size_t i = 0; i < 8; ++i) {
      INFO("triple ", i);
      const double value = static_cast<double>(svd->values[i]);
      CHECK(value == doctest::Approx(std::sqrt(squares[i])).epsilon(1e-4));
      for (std::size_t r = 0; r < dense.size(); ++r) {
        double image = 0.0;
        for (std::size_t c = 0; c < dense[r].size(); ++c) {
          image += dense[r][c] * static_cast<double>(svd->right[c * 8 + i]);
        }
        CHECK(image == doctest::Approx(value * static_cast<double>(svd->left[r * 8 + i])).epsilon(1e-3).scale(1.0));
      }
    }
  }
}

TEST_CASE("a matrix of low rank has no more triples than that, and any number of threads finds the same") {
  SparseMatrix matrix{.offsets = {0}, .width = 30};
  for (std::size_t r = 0; r < 40; ++r) {  // two kinds of rows
    for (std::uint32_t c = static_cast<std::uint32_t>(r % 2); c < 30; c += 2) matrix.columns.push_back(c);
    matrix.offsets.push_back(matrix.columns.size());
  }
  const auto svd = truncated_svd(matrix.view(), {.rank = 10, .threads = 1});
  REQUIRE(svd.ok());
  REQUIRE(svd->rank == 2);
  CHECK(static_cast<double>(svd->values[0]) == doctest::Approx(std::sqrt(300.0)));  // 20 rows of 15 ones, twice
  CHECK(static_cast<double>(svd->values[1]) == doctest::Approx(std::sqrt(300.0)));
  const auto other = truncated_svd(matrix.view(), {.rank = 10, .threads = 3});
  REQUIRE(other.ok());
  CHECK(svd->left == other->left);
  CHECK(svd->right == other->right);
}

TEST_CASE("a decomposition of nothing, of no rank, and a cancelled one") {
  const SparseMatrix empty{.offsets = {0, 0, 0}, .width = 5};
  const auto none = truncated_svd(empty.view(), {.rank = 3});
  REQUIRE(none.ok());
  CHECK(none->rank == 0);
  CHECK(truncated_svd(empty.view(), {.rank = 0}).status().code() == StatusCode::kInvalidArgument);
  const auto stop = [](double) { return false; };
  CHECK(truncated_svd(empty.view(), {.rank = 3}, stop).status().code() == StatusCode::kCancelled);
}

}  // namespace
}  // namespace cairn::gpu

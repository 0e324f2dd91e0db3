#include "gpu/fold_in.h"

#include <doctest/doctest.h>

#include <cmath>
#include <random>
#include <vector>

#include "gpu/cuda/cuda_backend.h"
#include "tests/gpu/ridge_oracle.h"

namespace {

using namespace cairn;
using namespace cairn::gpu;

std::vector<float> random_items(std::mt19937& random, std::size_t count) {
  std::normal_distribution<float> normal(0.0F, 0.3F);
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

/// Rows of different lengths, some empty.
struct Interactions {
  std::vector<std::uint64_t> offsets{0};
  std::vector<std::uint32_t> columns;
  std::vector<float> weights;

  Interactions(std::mt19937& random, std::size_t rows, std::uint32_t items) {
    for (std::size_t r = 0; r < rows; ++r) {
      const std::uint32_t share = random() % 5;
      for (std::uint32_t column = 0; column < items; ++column) {
        if (random() % 20 >= share * share) continue;
        columns.push_back(column);
        weights.push_back(0.1F + static_cast<float>(random() % 50) / 10.0F);
      }
      offsets.push_back(columns.size());
    }
  }
};

void check_rows(MatrixView items, const FoldInOptions& options, const SparseView& rows) {
  const auto backend = cuda::make_cuda_backend(0, kNoLimit).value();
  const auto fold_in = backend->make_fold_in(items, options).value();
  std::vector<float> vectors(rows.rows() * items.dim, 7.0F);
  const Status status = fold_in->solve(rows, vectors);
  REQUIRE_MESSAGE(status.ok(), status.to_string());
  for (std::size_t r = 0; r < rows.rows(); ++r) {
    RidgeOracle ridge(items, options);
    const auto columns = rows.columns_of(r);
    for (std::size_t i = 0; i < columns.size(); ++i) ridge.add(items.row(columns[i]), rows.value(rows.offsets[r] + i));
    ridge.add_penalty(columns.size());
    const std::vector<double> expected = ridge.solve(ridge.right_side);
    for (std::size_t j = 0; j < items.dim; ++j) {
      const double value = columns.empty() ? 0.0 : expected[j];
      CHECK(static_cast<double>(vectors[r * items.dim + j]) == doctest::Approx(value).epsilon(1e-5));
    }
  }
}

TEST_CASE("fold-in on the device solves the normal equations") {
  for (std::uint32_t seed = 1; seed <= 12; ++seed) {
    INFO("seed ", seed);
    std::mt19937 random(seed);
    const std::size_t dim = 1 + random() % 70;
    const std::size_t count = 1 + random() % 200;
    const std::vector<float> items = random_items(random, count * dim);
    const Interactions rows(random, 1 + random() % 12, static_cast<std::uint32_t>(count));
    FoldInOptions options;
    if (seed % 2 == 0) options.target = FoldInOptions::Target::kHuKorenVolinsky;
    options.unobserved_weight = seed % 3 == 0 ? 0.0F : 0.3F;
    options.regularization = 0.05F;
    options.frequency_exponent = seed % 4 == 0 ? 0.0F : 0.7F;
    const std::span<const float> weights =
        seed % 5 == 0 ? std::span<const float>{} : std::span<const float>(rows.weights);
    check_rows({items, count, dim}, options, {rows.offsets, rows.columns, weights, count});
  }
}

TEST_CASE("systems that do not fit shared memory are solved in device memory") {
  std::mt19937 random(3);
  constexpr std::size_t kDim = 210;  // 210 · 211 / 2 doubles are more than 160 KiB
  const std::vector<float> items = random_items(random, 40 * kDim);
  const std::vector<std::uint64_t> offsets = {0, 3, 5};
  const std::vector<std::uint32_t> columns = {1, 7, 30, 0, 39};
  check_rows({items, 40, kDim}, {.regularization = 0.1F}, {offsets, columns, {}, 40});
}

TEST_CASE("a system that is not positive definite is named") {
  std::mt19937 random(4);
  const std::vector<float> items = random_items(random, 30 * 8);
  const auto backend = cuda::make_cuda_backend(0, kNoLimit).value();
  const auto fold_in =
      backend->make_fold_in({items, 30, 8}, {.unobserved_weight = 0.0F, .regularization = 0.0F}).value();
  // Row 0 has none, row 1 as many as there are dimensions, row 2 fewer.
  const std::vector<std::uint64_t> offsets = {0, 0, 12, 14};
  std::vector<std::uint32_t> columns;
  for (std::uint32_t column = 0; column < 12; ++column) columns.push_back(column);
  columns.push_back(3);
  columns.push_back(9);
  std::vector<float> vectors(3 * 8);
  const Status status = fold_in->solve({offsets, columns, {}, 30}, vectors);
  CHECK(status.code() == StatusCode::kFailedPrecondition);
  CHECK(status.message() == "the equations of row 2 are not positive definite: regularization is too small");
}

TEST_CASE("what fold-in cannot be given is said") {
  const std::vector<float> items(40, 1.0F);
  const auto backend = cuda::make_cuda_backend(0, 10'000).value();
  CHECK(backend->make_fold_in({items, 9, 4}, {}).status().code() == StatusCode::kInvalidArgument);
  CHECK(backend->make_fold_in({items, 10, 4}, {.regularization = -1.0F}).status().code() ==
        StatusCode::kInvalidArgument);
  const auto fold_in = backend->make_fold_in({items, 10, 4}, {}).value();
  CHECK(backend->resident_bytes() > 0);
  const std::vector<std::uint64_t> offsets = {0, 1};
  const std::vector<std::uint32_t> beyond = {10};
  std::vector<float> vector(4);
  CHECK(fold_in->solve({offsets, beyond, {}, 10}, vector).code() == StatusCode::kInvalidArgument);
  const std::vector<float> large(4000, 1.0F);
  CHECK(backend->make_fold_in({large, 1000, 4}, {}).status().code() == StatusCode::kResourceExhausted);
}

}  // namespace

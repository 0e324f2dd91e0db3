#include "gpu/train/block_rows.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "tests/gpu/every_instruction_set.h"
#include "tests/gpu/random_interactions.h"

namespace cairn::gpu {
namespace {

/// One block of columns of one row, as the objective of FoldInOptions: minimal over the block, the rest being fixed.
void exact_block(MatrixView items, const SparseView& rows, std::size_t r, std::size_t begin, std::size_t end,
                 const FoldInOptions& options, std::span<double> vector) {
  const std::size_t width = end - begin;
  const auto x = [&](std::size_t item, std::size_t j) { return static_cast<double>(items.row(item)[j]); };
  Dense matrix = zeros(width, width);
  std::vector<double> right(width);
  const double alpha = static_cast<double>(options.unobserved_weight);
  const auto add = [&](std::size_t item, double weight, double wanted) {
    double others = 0.0;
    for (std::size_t j = 0; j < items.dim; ++j) others += j >= begin && j < end ? 0.0 : x(item, j) * vector[j];
    for (std::size_t a = 0; a < width; ++a) {
      right[a] += weight * (wanted - others) * x(item, begin + a);
      for (std::size_t b = 0; b < width; ++b) matrix[a][b] += weight * x(item, begin + a) * x(item, begin + b);
    }
  };
  for (std::size_t item = 0; item < items.rows; ++item) add(item, alpha, 0.0);
  for (std::size_t e = rows.offsets[r]; e < rows.offsets[r + 1]; ++e) {
    add(rows.columns[e], static_cast<double>(rows.value(e)), 1.0);
  }
  const double size = static_cast<double>(rows.columns_of(r).size()) + alpha * static_cast<double>(items.rows);
  const double lambda =
      static_cast<double>(options.regularization) * std::pow(size, static_cast<double>(options.frequency_exponent));
  for (std::size_t a = 0; a < width; ++a) matrix[a][a] += lambda;
  const Dense solver = inverse(matrix);
  for (std::size_t a = 0; a < width; ++a) {
    vector[begin + a] = 0.0;
    for (std::size_t b = 0; b < width; ++b) vector[begin + a] += solver[a][b] * right[b];
  }
}

/// Items whose columns are orthogonal: cosines of rising frequency, and their squares' sums.
struct OrthogonalItems {
  static constexpr std::size_t kRows = 96;
  std::size_t dim;
  std::vector<float> values;
  std::vector<float> gram;

  explicit OrthogonalItems(std::size_t columns) : dim(columns), values(kRows * columns), gram(columns) {
    for (std::size_t i = 0; i < kRows; ++i) {
      for (std::size_t j = 0; j < dim; ++j) {
        const double angle = std::numbers::pi * (static_cast<double>(i) + 0.5) * static_cast<double>(j + 1) / kRows;
        values[i * dim + j] = static_cast<float>(std::cos(angle) / std::sqrt(static_cast<double>(j + 1)));
        gram[j] = static_cast<float>(kRows / 2.0 / static_cast<double>(j + 1));
      }
    }
  }
  [[nodiscard]] MatrixView view() const { return {values, kRows, dim}; }
};

TEST_CASE("blocks are minimised one after the other, with fewer, as many and more interactions than columns") {
  const FoldInOptions objective{.unobserved_weight = 0.2F, .regularization = 0.05F, .frequency_exponent = 0.7F};
  for (const InstructionSet set : every_instruction_set()) {
    for (const std::size_t block : {1U, 5U, 16U, 24U, 40U}) {
      for (const bool weighted : {false, true}) {
        INFO(to_string(set), " block ", block, " weighted ", weighted);
        const OrthogonalItems items(40);
        const SparseMatrix rows = random_interactions(30, OrthogonalItems::kRows, 0.3, block, weighted);
        BlockRows blocks(items.view(), items.gram, objective, block, dense_kernels(set));
        for (std::size_t r = 0; r < 30; ++r) {
          std::vector<float> vector(items.dim);
          for (std::size_t j = 0; j < items.dim; ++j) vector[j] = static_cast<float>((r + j) % 5) * 0.1F - 0.2F;
          std::vector<double> expected(vector.begin(), vector.end());
          for (std::size_t begin = 0; begin < items.dim; begin += block) {
            exact_block(items.view(), rows.view(), r, begin, std::min(items.dim, begin + block), objective, expected);
          }
          const std::span<const float> weights =
              std::span(rows.values).subspan(rows.offsets[r], rows.offsets[r + 1] - rows.offsets[r]);
          REQUIRE(blocks.improve(rows.view().columns_of(r), weighted ? weights : std::span<const float>(), vector));
          double worst = 0.0;
          for (std::size_t j = 0; j < items.dim; ++j) {
            worst = std::max(worst, std::abs(expected[j] - static_cast<double>(vector[j])));
          }
          CHECK(worst < 1e-5);
        }
      }
    }
  }
}

TEST_CASE("a row without interactions becomes zero, one without any penalty is refused") {
  const OrthogonalItems items(8);
  std::vector<float> vector(8, 1.0F);
  const DenseKernels& kernels = dense_kernels(best_instruction_set());
  BlockRows blocks(items.view(), items.gram, {}, 4, kernels);
  REQUIRE(blocks.improve({}, {}, vector));
  CHECK(std::ranges::all_of(vector, [](float value) { return value == 0.0F; }));
  const FoldInOptions nothing{.unobserved_weight = 0.0F, .regularization = 0.0F};
  BlockRows loose(items.view(), items.gram, nothing, 4, kernels);
  CHECK_FALSE(loose.improve(std::vector<std::uint32_t>{3}, {}, vector));
}

}  // namespace
}  // namespace cairn::gpu

#include "gpu/sparse_weights.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "tests/gpu/random_interactions.h"

namespace cairn::gpu {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

/// Three items: (0, 1) = 0.5, (0, 2) = -2, (2, 0) = 1/3.
SparseWeights three_items() {
  auto weights = SparseWeights::take(3, {0, 2, 2, 3}, {1, 2, 0}, {0.5F, -2.0F, 1.0F / 3.0F});
  REQUIRE(weights.ok());
  return *std::move(weights);
}

TEST_CASE("a history adds its rows, weighed") {
  std::vector<float> scores{1.0F, 1.0F, 1.0F};
  three_items().accumulate(std::vector<std::uint32_t>{0, 2}, std::vector<float>{2.0F, 3.0F}, scores);
  CHECK(scores == std::vector<float>{2.0F, 2.0F, -3.0F});
  three_items().accumulate(std::vector<std::uint32_t>{0}, {}, scores);
  CHECK(scores == std::vector<float>{2.0F, 2.5F, -5.0F});
}

TEST_CASE("weights in fp16 are the nearest halves, and take half the memory for values") {
  const auto half = three_items().stored_as(Precision::kFp16);
  REQUIRE(half.ok());
  CHECK(half->storage() == Precision::kFp16);
  CHECK(half->values().empty());
  CHECK(half->value(0) == 0.5F);
  CHECK(half->value(2) == 0.333251953125F);  // 1365 / 4096
  CHECK(half->resident_bytes() < three_items().resident_bytes());
  const auto back = half->stored_as(Precision::kFp32);
  REQUIRE(back.ok());
  CHECK(back->value(2) == half->value(2));
  CHECK(three_items().stored_as(Precision::kInt8).status().code() == StatusCode::kInvalidArgument);
}

TEST_CASE("pruning keeps the largest magnitudes of each row, of equal ones the lower columns") {
  const SparseMatrix matrix{
      .offsets = {0, 4, 5}, .columns = {0, 1, 2, 3, 2}, .values = {1.0F, -3.0F, 1.0F, 2.0F, 0.1F}, .width = 4};
  const auto weights = SparseWeights::make(matrix.view());
  REQUIRE(weights.ok());
  const SparseWeights pruned = weights->pruned(3);
  CHECK(std::ranges::equal(pruned.offsets(), std::vector<std::uint64_t>{0, 3, 4}));
  CHECK(std::ranges::equal(pruned.columns(), std::vector<std::uint32_t>{0, 1, 3, 2}));
  CHECK(std::ranges::equal(pruned.values(), std::vector<float>{1.0F, -3.0F, 2.0F, 0.1F}));
}

TEST_CASE("what is no matrix in compressed rows is refused") {
  const auto code = [](std::vector<std::uint64_t> offsets, std::vector<std::uint32_t> columns,
                       std::vector<float> values) {
    return SparseWeights::take(3, std::move(offsets), std::move(columns), std::move(values)).status().code();
  };
  CHECK(code({0, 2}, {0, 2}, {1, 1}) == StatusCode::kOk);
  CHECK(code({0, 2}, {0, 3}, {1, 1}) == StatusCode::kInvalidArgument);
  CHECK(code({0, 2}, {1, 0}, {1, 1}) == StatusCode::kInvalidArgument);
  CHECK(code({0, 2}, {1, 1}, {1, 1}) == StatusCode::kInvalidArgument);
  CHECK(code({0, 1}, {0, 1}, {1, 1}) == StatusCode::kInvalidArgument);
  CHECK(code({0, 2, 1, 2}, {0, 1}, {1, 1}) == StatusCode::kInvalidArgument);
  CHECK(code({1, 2}, {0, 1}, {1, 1}) == StatusCode::kInvalidArgument);
  CHECK(code({0, 2}, {0, 1}, {1}) == StatusCode::kInvalidArgument);
}

TEST_CASE("the best of given scores are those that pass every filter") {
  for (std::uint32_t seed = 1; seed <= 200; ++seed) {
    INFO("seed ", seed);
    std::mt19937 random(seed);
    const std::size_t rows = random() % 300;
    std::vector<float> scores(rows);
    std::vector<float> bias(random() % 2 == 0 ? rows : 0);
    for (float& score : scores) score = random() % 20 == 0 ? kNaN : static_cast<float>(random() % 50);
    for (float& value : bias) value = static_cast<float>(random() % 7);
    std::vector<std::uint64_t> allowed((rows + 63) / 64);
    for (std::uint64_t& word : allowed) word = (std::uint64_t{random()} << 32) | random();
    const auto middle = static_cast<std::uint32_t>(rows / 2);
    const std::vector<RowRange> ranges{{0, middle / 2}, {middle, static_cast<std::uint32_t>(rows)}};
    const std::vector<std::uint32_t> excluded{std::min(1U, middle), std::max(1U, middle)};
    RowFilter filter{.excluded = excluded, .bias = bias};
    if (random() % 2 == 0) filter.allowed = allowed;
    if (random() % 2 == 0) filter.ranges = ranges;

    std::vector<std::pair<float, std::uint32_t>> expected;
    for (std::uint32_t row = 0; row < rows; ++row) {
      const bool out_of_ranges = filter.ranges && row >= middle / 2 && row < middle;
      const bool barred = filter.allowed && (allowed[row / 64] >> (row % 64) & 1U) == 0;
      if (out_of_ranges || barred || row == 1 || row == middle || std::isnan(scores[row])) continue;
      expected.emplace_back(-(scores[row] + (bias.empty() ? 0.0F : bias[row])), row);
    }
    std::sort(expected.begin(), expected.end());
    const std::size_t k = random() % 40;
    expected.resize(std::min(k, expected.size()));

    TopKAnswers answers;
    REQUIRE(top_k_of_scores(scores, k, filter, &answers).ok());
    REQUIRE(answers.counts == std::vector<std::uint32_t>{static_cast<std::uint32_t>(expected.size())});
    for (std::size_t i = 0; i < expected.size(); ++i) {
      CHECK(answers.rows_of(0)[i] == expected[i].second);
      CHECK(answers.scores_of(0)[i] == -expected[i].first);
    }
    CHECK(answers.rows.size() == k);
    CHECK(std::all_of(answers.rows.begin() + static_cast<std::ptrdiff_t>(expected.size()), answers.rows.end(),
                      [](std::uint32_t row) { return row == kNoRow; }));
  }
}

TEST_CASE("a filter that does not fit the scores is refused") {
  const std::vector<float> scores(70);
  const std::vector<std::uint64_t> words(1);
  TopKAnswers answers;
  CHECK(top_k_of_scores(scores, 5, {.allowed = words}, &answers).code() == StatusCode::kInvalidArgument);
  CHECK(top_k_of_scores(scores, kTopKMax + 1, {}, &answers).code() == StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace cairn::gpu

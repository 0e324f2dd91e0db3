#include "gpu/select_k.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace {

using Rows = std::vector<std::uint32_t>;

Rows select(const std::vector<float>& scores, std::size_t k) {
  Rows rows{99};
  cairn::gpu::select_k(scores, k, &rows);
  return rows;
}

/// The definition, by sorting everything.
Rows oracle(const std::vector<float>& scores, std::size_t k) {
  Rows rows;
  for (std::uint32_t i = 0; i < scores.size(); ++i) {
    if (!std::isnan(scores[i])) rows.push_back(i);
  }
  std::stable_sort(rows.begin(), rows.end(), [&](auto a, auto b) { return scores[a] > scores[b]; });
  rows.resize(std::min(rows.size(), k));
  return rows;
}

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

TEST_CASE("the best come first, and of equals the lower row") {
  CHECK(select({1, 5, 3, 5, 2}, 3) == Rows{1, 3, 2});
  CHECK(select({0.0F, -0.0F, 0.0F}, 2) == Rows{0, 1});
}

TEST_CASE("more than there is, nothing at all, and nothing to choose from") {
  CHECK(select({2, 1}, 10) == Rows{0, 1});
  CHECK(select({2, 1}, 0).empty());
  CHECK(select({}, 5).empty());
}

TEST_CASE("infinities are values, NaN is none") {
  CHECK(select({kNaN, -kInfinity, 1, kInfinity, kNaN}, 5) == Rows{3, 2, 1});
  CHECK(select({kNaN, kNaN}, 1).empty());
}

TEST_CASE("a selection is what sorting everything would give") {
  for (std::uint32_t seed = 1; seed <= 300; ++seed) {
    INFO("seed ", seed);
    std::mt19937 random(seed);
    std::vector<float> scores(random() % 3000);
    const std::uint32_t distinct = 1 + random() % 400;  // few values: many ties
    for (float& score : scores) {
      score = static_cast<float>(random() % distinct) - 100.0F;
      if (random() % 50 == 0) score = kNaN;
      if (random() % 50 == 0) score = random() % 2 == 0 ? kInfinity : -kInfinity;
    }
    const std::size_t k = random() % 1100;
    CHECK(select(scores, k) == oracle(scores, k));
  }
}

TEST_CASE("the instruction set in use has a name") {
  CHECK(cairn::gpu::cpu_backend().substr(0, 4) == "cpu/");
}

}  // namespace

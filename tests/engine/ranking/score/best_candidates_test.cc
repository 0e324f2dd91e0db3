#include "engine/ranking/score/best_candidates.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <random>
#include <string>
#include <tuple>
#include <vector>

namespace {

using namespace cairn;
using ranking::best_candidates;
using ranking::PlaceIndex;

/// An index of so many places, several at each spot, whose ids are in no order.
PlaceIndex places(std::uint64_t count) {
  std::vector<state::Catalog::Stored> stored;
  for (std::uint64_t i = 0; i < count; ++i) {
    const double step = 1e-6 * static_cast<double>(i / 4);
    stored.push_back({i, 1, {PlaceId("p" + std::to_string(i * 7919 % count)), "", {40.0 + step, -74.0}, ""}});
  }
  return PlaceIndex(std::move(stored), features::Dictionary(), 1);
}

/// Every candidate in the order that answers have, by sorting all of them.
std::vector<std::uint32_t> sorted(const PlaceIndex& index, const std::vector<PlaceIndex::Near>& candidates,
                                  const std::vector<float>& scores) {
  std::vector<std::uint32_t> order(candidates.size());
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    return std::tuple(-scores[a], candidates[a].meters, index.place(candidates[a].row).id.str()) <
           std::tuple(-scores[b], candidates[b].meters, index.place(candidates[b].row).id.str());
  });
  return order;
}

TEST_CASE("a hundred thousand equal scores are settled as a sort of all of them settles them") {
  const PlaceIndex index = places(100'000);
  const auto candidates = index.within({40.01, -74.0}, 1e6);
  REQUIRE(candidates.size() == 100'000);
  const std::vector<float> scores(candidates.size(), 1.5F);
  const std::vector<std::uint32_t> all = sorted(index, candidates, scores);
  for (const std::size_t limit : {1u, 3u, 20u, 1000u, 50'000u, 99'999u, 100'000u, 200'000u}) {
    CAPTURE(limit);
    const auto end = all.begin() + static_cast<std::ptrdiff_t>(std::min(limit, all.size()));
    CHECK(best_candidates(index, candidates, scores, limit) == std::vector<std::uint32_t>(all.begin(), end));
  }
}

TEST_CASE("few distinct scores are settled as a sort of all candidates settles them") {
  for (std::uint32_t seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    const PlaceIndex index = places(1 + random() % 500);
    const auto candidates = index.within({40.0, -74.0}, 1e6);
    std::vector<float> scores(candidates.size());
    for (float& score : scores) score = static_cast<float>(random() % 3);
    const std::vector<std::uint32_t> all = sorted(index, candidates, scores);
    const std::size_t limit = 1 + random() % 600;
    const auto end = all.begin() + static_cast<std::ptrdiff_t>(std::min(limit, all.size()));
    CHECK(best_candidates(index, candidates, scores, limit) == std::vector<std::uint32_t>(all.begin(), end));
  }
}

TEST_CASE("a score that is not a number is never among the best") {
  const PlaceIndex index = places(3);
  const auto candidates = index.within({40.0, -74.0}, 1e6);
  const std::vector<float> scores{std::numeric_limits<float>::quiet_NaN(), 1.0F, 2.0F};
  CHECK(best_candidates(index, candidates, scores, 3) == std::vector<std::uint32_t>{2, 1});
  CHECK(best_candidates(index, {}, {}, 3).empty());
}

}  // namespace

#include "gpu/train/item_knn.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "tests/gpu/random_interactions.h"

namespace cairn::gpu {
namespace {

TEST_CASE("neighbours are the shrunk cosines of columns") {
  const SparseMatrix interactions = random_interactions(50, 30, 0.2, 2, true);
  const Dense columns = transpose(dense_of(interactions.view()));
  const auto knn = train_item_knn(interactions.view(), {.shrinkage = 4.0F, .keep = 30});
  REQUIRE(knn.ok());
  const Dense actual = dense_of({knn->offsets(), knn->columns(), knn->values(), knn->width()});
  const auto dot = [&](std::size_t i, std::size_t j) {
    double sum = 0.0;
    for (std::size_t u = 0; u < 50; ++u) sum += columns[i][u] * columns[j][u];
    return sum;
  };
  for (std::size_t i = 0; i < 30; ++i) {
    for (std::size_t j = 0; j < 30; ++j) {
      const double expected = i == j ? 0.0 : dot(i, j) / (std::sqrt(dot(i, i) * dot(j, j)) + 4.0);
      CHECK(actual[i][j] == doctest::Approx(expected).epsilon(1e-5));
    }
  }
}

TEST_CASE("of equal neighbours the lower ones are kept") {
  // Everybody has everything: all cosines are equal.
  SparseMatrix interactions{.offsets = {0}, .width = 6};
  for (int user = 0; user < 3; ++user) {
    for (std::uint32_t item = 0; item < 6; ++item) interactions.columns.push_back(item);
    interactions.offsets.push_back(interactions.columns.size());
  }
  const auto knn = train_item_knn(interactions.view(), {.shrinkage = 0.0F, .keep = 2});
  REQUIRE(knn.ok());
  CHECK(std::ranges::equal(knn->columns(), std::vector<std::uint32_t>{1, 2, 0, 2, 0, 1, 0, 1, 0, 1, 0, 1}));
}

TEST_CASE("threads change nothing, and neighbours can be cancelled") {
  const SparseMatrix interactions = random_interactions(100, 600, 0.05, 9);
  const auto one = train_item_knn(interactions.view(), {.keep = 20, .threads = 1});
  const auto two = train_item_knn(interactions.view(), {.keep = 20, .threads = 2});
  REQUIRE(one.ok());
  REQUIRE(two.ok());
  CHECK(std::ranges::equal(one->columns(), two->columns()));
  CHECK(std::ranges::equal(one->values(), two->values()));
  const auto stop = [](double fraction) { return fraction == 0.0; };
  CHECK(train_item_knn(interactions.view(), {}, stop).status().code() == StatusCode::kCancelled);
}

TEST_CASE("popularity is the sum of each column") {
  const SparseMatrix matrix{.offsets = {0, 2, 3}, .columns = {0, 2, 2}, .values = {1.0F, 0.5F, 2.0F}, .width = 4};
  CHECK(item_popularity(matrix.view()) == std::vector<float>{1.0F, 0.0F, 2.5F, 0.0F});
}

}  // namespace
}  // namespace cairn::gpu

#include "gpu/train/k_means.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <set>
#include <vector>

namespace cairn::gpu {
namespace {

struct Points {
  std::vector<float> values;
  std::vector<std::uint32_t> planted;  ///< by row

  /// `groups` tight clouds far from each other, rows in random order.
  Points(std::size_t count, std::size_t dim, std::size_t groups, double spread, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    std::normal_distribution<double> normal;
    std::vector<double> at(groups * dim);
    for (double& value : at) value = 10.0 * normal(random);
    for (std::size_t r = 0; r < count; ++r) {
      planted.push_back(static_cast<std::uint32_t>(random() % groups));
      for (std::size_t j = 0; j < dim; ++j) {
        values.push_back(static_cast<float>(at[planted.back() * dim + j] + spread * normal(random)));
      }
    }
  }
};

double squared_distance(const float* a, const float* b, std::size_t dim) {
  double sum = 0.0;
  for (std::size_t j = 0; j < dim; ++j) sum += std::pow(static_cast<double>(a[j]) - static_cast<double>(b[j]), 2);
  return sum;
}

KMeans grouped(const std::vector<float>& values, std::size_t dim, const KMeansOptions& options) {
  auto made = k_means({values, values.size() / dim, dim}, options);
  REQUIRE_MESSAGE(made.ok(), made.status().to_string());
  return *std::move(made);
}

TEST_CASE("clouds that were planted far apart are found, whatever the seed") {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    CAPTURE(seed);
    const Points points(3'000, 7, 5, 0.01, seed);
    const KMeans found = grouped(points.values, 7, {.clusters = 5, .seed = seed});
    std::set<std::pair<std::uint32_t, std::uint32_t>> pairs;
    for (std::size_t r = 0; r < 3'000; ++r) pairs.emplace(points.planted[r], found.of_row[r]);
    CHECK(pairs.size() == 5);  // each planted group has one center, and no two the same
  }
}

TEST_CASE("where it has ended, rows are with their nearest center and centers are the means of their rows") {
  const std::size_t dim = 4;
  const Points points(2'500, dim, 6, 8.0, 3);
  const KMeans found = grouped(points.values, dim, {.clusters = 9, .iterations_max = 500, .seed = 4});
  REQUIRE(found.centers.size() == 9 * dim);
  CHECK(found.iterations < 500);
  std::vector<double> sums(9 * dim);
  std::vector<double> counts(9);
  for (std::size_t r = 0; r < 2'500; ++r) {
    const float* row = points.values.data() + r * dim;
    const double own = squared_distance(row, found.centers.data() + found.of_row[r] * dim, dim);
    for (std::size_t c = 0; c < 9; ++c) {
      CHECK(own <= squared_distance(row, found.centers.data() + c * dim, dim) + 1e-3);
    }
    ++counts[found.of_row[r]];
    for (std::size_t j = 0; j < dim; ++j) sums[found.of_row[r] * dim + j] += static_cast<double>(row[j]);
  }
  for (std::size_t i = 0; i < sums.size(); ++i) {
    CHECK(static_cast<double>(found.centers[i]) == doctest::Approx(sums[i] / counts[i / dim]).epsilon(1e-5));
  }
}

TEST_CASE("the same for any number of threads, and bounded") {
  const Points points(5'000, 8, 20, 9.0, 5);
  const KMeans one = grouped(points.values, 8, {.clusters = 12, .iterations_max = 7, .seed = 6, .threads = 1});
  const KMeans three = grouped(points.values, 8, {.clusters = 12, .iterations_max = 7, .seed = 6, .threads = 3});
  CHECK(one.centers == three.centers);
  CHECK(one.of_row == three.of_row);
  CHECK(one.iterations == 7);
  const KMeans other = grouped(points.values, 8, {.clusters = 12, .iterations_max = 7, .seed = 7, .threads = 1});
  CHECK(one.centers != other.centers);
}

TEST_CASE("there are no more clusters than rows that differ") {
  std::vector<float> values;
  for (int r = 0; r < 30; ++r) values.insert(values.end(), {static_cast<float>(r % 3), 1.0F});
  const KMeans found = grouped(values, 2, {.clusters = 8});
  CHECK(found.centers.size() == 3 * 2);
  for (std::size_t r = 0; r < 30; ++r) CHECK(found.of_row[r] == found.of_row[r % 3]);
  CHECK(grouped({1.0F, 2.0F}, 2, {.clusters = 4}).of_row == std::vector<std::uint32_t>{0});
}

TEST_CASE("what cannot be grouped is refused, and work ends when it is told to") {
  const std::vector<float> values = {1, 2, 3, 4, 5, 6};
  const auto code = [](const auto& made) { return made.status().code(); };
  CHECK(code(k_means({}, {})) == StatusCode::kInvalidArgument);
  CHECK(code(k_means({values, 2, 2}, {})) == StatusCode::kInvalidArgument);
  CHECK(code(k_means({values, 3, 2}, {.clusters = 0})) == StatusCode::kInvalidArgument);
  const std::vector<float> bad = {1, std::numeric_limits<float>::infinity()};
  CHECK(code(k_means({bad, 1, 2}, {})) == StatusCode::kInvalidArgument);
  CHECK(code(k_means({values, 3, 2}, {.clusters = 2}, [](double) { return false; })) == StatusCode::kCancelled);
}

}  // namespace
}  // namespace cairn::gpu

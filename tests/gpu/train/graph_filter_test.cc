#include "gpu/train/graph_filter.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "gpu/dense_algebra.h"
#include "tests/gpu/random_interactions.h"

namespace cairn::gpu {
namespace {

std::vector<double> degrees_of(const Dense& rows) {
  std::vector<double> degrees;
  for (const auto& row : rows) {
    degrees.push_back(
        std::max(1.0, static_cast<double>(std::ranges::count_if(row, [](double v) { return v != 0.0; }))));
  }
  return degrees;
}

/// The matrices of GraphFilterOptions, written out.
struct Oracle {
  Dense p;
  Dense s;
  std::vector<double> item_degrees;

  Oracle(const SparseMatrix& interactions, const GraphFilterOptions& options) {
    Dense r = dense_of(interactions.view());
    item_degrees = degrees_of(transpose(r));
    const std::vector<double> user_degrees = degrees_of(r);
    for (std::size_t u = 0; u < r.size(); ++u) {
      for (std::size_t i = 0; i < r[u].size(); ++i) {
        r[u][i] *= std::pow(user_degrees[u], -static_cast<double>(options.user_exponent)) *
                   std::pow(item_degrees[i], -static_cast<double>(options.item_exponent));
      }
    }
    p = product(transpose(r), r);
    const std::size_t n = p.size();
    Dense one = zeros(n, n);
    for (std::size_t i = 0; i < n; ++i) one[i][i] = 1.0;
    s = one;
    const double h = static_cast<double>(options.sharpening) / static_cast<double>(options.sharpening_steps);
    Dense step = one;
    Dense power = one;
    for (int order = 1; order <= 4; ++order) {
      power = product(power, p);
      const double factor = std::pow(-h, order) / std::tgamma(order + 1.0);
      for (std::size_t i = 0; i < n; ++i) {
        for (std::size_t j = 0; j < n; ++j) step[i][j] += factor * power[i][j];
      }
    }
    if (options.sharpening > 0.0F) {
      for (std::size_t i = 0; i < options.sharpening_steps; ++i) s = product(s, step);
    }
  }
};

void check_weights(const GraphFilter& filter, const Oracle& oracle) {
  const SparseWeights& weights = filter.weights;
  const Dense actual = dense_of({weights.offsets(), weights.columns(), weights.values(), weights.width()});
  const Dense expected = product(oracle.p, oracle.s);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    for (std::size_t j = 0; j < expected.size(); ++j) {
      CHECK(actual[i][j] == doctest::Approx(i == j ? 0.0 : expected[i][j]).epsilon(1e-4).scale(1e-2));
    }
  }
}

TEST_CASE("weights are the product of the normalised matrix with itself") {
  const SparseMatrix interactions = random_interactions(40, 30, 0.2, 1, true);
  for (const float exponent : {0.5F, 0.3F}) {
    const GraphFilterOptions options{.user_exponent = exponent, .item_exponent = 0.4F, .dim = 0, .threads = 2};
    const auto filter = train_graph_filter(interactions.view(), options);
    REQUIRE(filter.ok());
    CHECK(filter->dim == 0);
    check_weights(*filter, Oracle(interactions, options));
  }
}

TEST_CASE("sharpened weights are those of the truncated exponential series") {
  const SparseMatrix interactions = random_interactions(40, 30, 0.2, 2);
  for (const std::size_t steps : {1U, 3U}) {
    const GraphFilterOptions options{.dim = 0, .sharpening = 1.5F, .sharpening_steps = steps};
    const auto filter = train_graph_filter(interactions.view(), options);
    REQUIRE(filter.ok());
    check_weights(*filter, Oracle(interactions, options));
  }
}

TEST_CASE("the low-rank part is the ideal low-pass filter, sharpened or not") {
  const SparseMatrix interactions = random_interactions(50, 30, 0.2, 3);
  for (const bool sharpened : {false, true}) {
    const GraphFilterOptions options{
        .dim = 4, .low_rank_weight = 0.3F, .svd_iterations = 30, .sharpening = 1.0F, .sharpen_low_rank = sharpened};
    const auto filter = train_graph_filter(interactions.view(), options);
    REQUIRE(filter.ok());
    REQUIRE(filter->dim == 4);
    const Oracle oracle(interactions, options);
    std::vector<double> flat;
    for (const auto& row : oracle.p) flat.insert(flat.end(), row.begin(), row.end());
    const SymmetricEigen eigen = symmetric_eigen(30, flat);
    // 0.3 · D^-½ V Vᵀ D^½ S
    Dense expected = zeros(30, 30);
    for (std::size_t i = 0; i < 30; ++i) {
      for (std::size_t j = 0; j < 30; ++j) {
        for (std::size_t k = 0; k < 4; ++k) expected[i][j] += eigen.vectors[k * 30 + i] * eigen.vectors[k * 30 + j];
        expected[i][j] *= 0.3 * std::sqrt(oracle.item_degrees[j] / oracle.item_degrees[i]);
      }
    }
    if (sharpened) expected = product(expected, oracle.s);
    for (std::size_t i = 0; i < 30; ++i) {
      for (std::size_t j = 0; j < 30; ++j) {
        double actual = 0.0;
        for (std::size_t k = 0; k < 4; ++k) {
          actual += static_cast<double>(filter->history[i * 4 + k]) * static_cast<double>(filter->items[j * 4 + k]);
        }
        CHECK(actual == doctest::Approx(expected[i][j]).epsilon(1e-3).scale(1.0));
      }
    }
  }
}

TEST_CASE("the largest weights are kept, whatever the number of threads") {
  const SparseMatrix interactions = random_interactions(80, 600, 0.05, 4);
  const auto all = train_graph_filter(interactions.view(), {.dim = 0, .keep = 600, .threads = 1});
  const auto some = train_graph_filter(interactions.view(), {.dim = 0, .keep = 7, .threads = 2});
  REQUIRE(all.ok());
  REQUIRE(some.ok());
  const SparseWeights expected = all->weights.pruned(7);
  CHECK(std::ranges::equal(some->weights.columns(), expected.columns()));
  CHECK(std::ranges::equal(some->weights.values(), expected.values()));
}

TEST_CASE("what makes no sense is refused, and building can be cancelled") {
  const SparseMatrix interactions = random_interactions(20, 20, 0.3, 5);
  const auto code = [&](const GraphFilterOptions& options, const Progress& progress = {}) {
    return train_graph_filter(interactions.view(), options, progress).status().code();
  };
  CHECK(code({.sharpening = -1.0F}) == StatusCode::kInvalidArgument);
  CHECK(code({.sharpening = 1.0F, .sharpening_steps = 0}) == StatusCode::kInvalidArgument);
  CHECK(code({.keep = 0}) == StatusCode::kInvalidArgument);
  CHECK(code({.dim = 4}, [](double) { return false; }) == StatusCode::kCancelled);
  CHECK(code({.dim = 4}, [](double fraction) { return fraction < 1.0; }) == StatusCode::kCancelled);
}

}  // namespace
}  // namespace cairn::gpu

#include "gpu/train/ease.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "tests/gpu/random_interactions.h"

namespace cairn::gpu {
namespace {

SparseWeights train(const SparseMatrix& interactions, const EaseOptions& options) {
  auto weights = train_ease(interactions.view(), options);
  INFO(weights.status().to_string());
  REQUIRE(weights.ok());
  return *std::move(weights);
}

SparseView view_of(const SparseWeights& weights) {
  return {weights.offsets(), weights.columns(), weights.values(), weights.width()};
}

/// Steck's formula by an explicit inverse: B = -P diag(P)⁻¹ with a zero diagonal, P = (XᵀX + λ I)⁻¹.
Dense steck(const SparseMatrix& interactions, double regularization) {
  const Dense x = dense_of(interactions.view());
  Dense gram = product(transpose(x), x);
  for (std::size_t i = 0; i < gram.size(); ++i) gram[i][i] += regularization;
  const Dense p = inverse(gram);
  Dense b = zeros(gram.size(), gram.size());
  for (std::size_t i = 0; i < b.size(); ++i) {
    for (std::size_t j = 0; j < b.size(); ++j) b[i][j] = i == j ? 0.0 : -p[i][j] / p[j][j];
  }
  return b;
}

/// The formula of EaseOptions, from the primal inverse.
Dense general(const SparseMatrix& interactions, const EaseOptions& options) {
  const Dense x = dense_of(interactions.view());
  const std::size_t users = x.size();
  const std::size_t items = x.front().size();
  std::vector<double> user_degree(users);
  std::vector<double> item_degree(items);
  for (std::size_t u = 0; u < users; ++u) {
    for (std::size_t i = 0; i < items; ++i) {
      user_degree[u] += x[u][i] != 0.0 ? 1.0 : 0.0;
      item_degree[i] += x[u][i] != 0.0 ? 1.0 : 0.0;
    }
  }
  const auto power = [](double base, float exponent) { return std::pow(base, static_cast<double>(exponent)); };
  std::vector<double> g(items);
  for (std::size_t i = 0; i < items; ++i) {
    item_degree[i] = std::max(1.0, item_degree[i]);
    g[i] = power(static_cast<double>(options.item_offset) + static_cast<double>(options.item_slope) * item_degree[i],
                 -options.item_exponent);
  }
  Dense r = x;
  for (std::size_t u = 0; u < users; ++u) {
    for (std::size_t i = 0; i < items; ++i)
      r[u][i] *= power(std::max(1.0, user_degree[u]), -options.user_exponent) * g[i];
  }
  const double lambda = static_cast<double>(options.regularization);
  Dense gram = product(transpose(r), r);
  for (std::size_t i = 0; i < items; ++i) gram[i][i] += lambda;
  const Dense p = inverse(gram);
  Dense weights = zeros(items, items);
  for (std::size_t i = 0; i < items; ++i) {
    for (std::size_t j = 0; j < items; ++j) {
      if (i == j) continue;
      weights[i][j] = g[i] * -lambda * p[i][j] / power(lambda * p[j][j], options.diagonal_exponent) *
                      power(item_degree[j], options.output_exponent);
    }
  }
  return weights;
}

void check_equal(const SparseWeights& weights, const Dense& expected) {
  const Dense actual = dense_of(view_of(weights));
  double largest = 0.0;
  double worst = 0.0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    for (std::size_t j = 0; j < expected.size(); ++j) {
      largest = std::max(largest, std::abs(expected[i][j]));
      worst = std::max(worst, std::abs(expected[i][j] - actual[i][j]));
    }
  }
  CHECK(worst < 1e-4 * largest);
}

TEST_CASE("weights are Steck's, from users or from items") {
  for (const EaseOptions::Form form : {EaseOptions::Form::kPrimal, EaseOptions::Form::kDual}) {
    const SparseMatrix interactions = random_interactions(30, 20, 0.3, 1);
    check_equal(train(interactions, {.regularization = 3.0F, .form = form}), steck(interactions, 3.0));
  }
}

TEST_CASE("every exponent does what its formula says, from users or from items") {
  const EaseOptions base{.regularization = 4.0F};
  std::vector<EaseOptions> variants(7, base);
  variants[0].user_exponent = 0.25F;
  variants[1].item_exponent = 0.25F;
  variants[2].item_exponent = 0.5F;
  variants[2].item_offset = 2.0F;
  variants[2].item_slope = 0.3F;
  variants[3].diagonal_exponent = 0.5F;
  variants[4].diagonal_exponent = 0.0F;
  variants[5].output_exponent = 0.4F;
  variants[6] = {.regularization = 4.0F, .user_exponent = 0.3F, .item_exponent = 0.2F, .output_exponent = 0.125F};
  for (std::size_t i = 0; i < variants.size(); ++i) {
    for (const std::size_t users : {15U, 90U}) {
      INFO("variant ", i, " users ", users);
      const SparseMatrix interactions = random_interactions(users, 40, 0.2, 7 + static_cast<std::uint32_t>(i), true);
      const Dense expected = general(interactions, variants[i]);
      for (const EaseOptions::Form form :
           {EaseOptions::Form::kAuto, EaseOptions::Form::kPrimal, EaseOptions::Form::kDual}) {
        variants[i].form = form;
        check_equal(train(interactions, variants[i]), expected);
      }
    }
  }
}

TEST_CASE("the largest weights of each row are kept, by magnitude or by value") {
  const SparseMatrix interactions = random_interactions(60, 300, 0.1, 3);
  const Dense all = dense_of(view_of(train(interactions, {.regularization = 2.0F, .keep = 300})));
  for (const KeptBy by : {KeptBy::kMagnitude, KeptBy::kValue}) {
    const SparseWeights some = train(interactions, {.regularization = 2.0F, .keep = 10, .kept_by = by});
    for (std::size_t row = 0; row < 300; ++row) {
      std::vector<std::pair<double, std::uint32_t>> ranked;
      for (std::uint32_t column = 0; column < 300; ++column) {
        const double value = all[row][column];
        if (value != 0.0) ranked.emplace_back(by == KeptBy::kValue ? -value : -std::abs(value), column);
      }
      std::sort(ranked.begin(), ranked.end());
      std::vector<std::uint32_t> expected;
      for (std::size_t i = 0; i < std::min<std::size_t>(10, ranked.size()); ++i) expected.push_back(ranked[i].second);
      std::sort(expected.begin(), expected.end());
      const std::span<const std::uint32_t> columns = view_of(some).columns_of(row);
      CHECK(std::ranges::equal(columns, expected));
      for (std::size_t i = 0; i < columns.size(); ++i) {
        CHECK(static_cast<double>(some.value(some.offsets()[row] + i)) == all[row][columns[i]]);
      }
    }
  }
}

TEST_CASE("any number of threads gives the same weights") {
  const SparseMatrix interactions = random_interactions(200, 330, 0.05, 4);
  const SparseWeights one = train(interactions, {.regularization = 2.0F, .keep = 30, .threads = 1});
  const SparseWeights two = train(interactions, {.regularization = 2.0F, .keep = 30, .threads = 2});
  CHECK(std::ranges::equal(one.columns(), two.columns()));
  CHECK(std::ranges::equal(one.values(), two.values()));
}

TEST_CASE("items that nobody has are learned nothing about") {
  SparseMatrix interactions = random_interactions(30, 20, 0.3, 5);
  interactions.width = 22;
  const SparseWeights weights = train(interactions, {.item_exponent = 0.5F});
  CHECK(weights.rows() == 22);
  CHECK(weights.offsets()[22] == weights.offsets()[20]);
  CHECK(std::ranges::all_of(weights.columns(), [](std::uint32_t column) { return column < 20; }));
}

TEST_CASE("what makes no sense, does not fit or is not wanted any more ends with its own code") {
  const SparseMatrix interactions = random_interactions(30, 20, 0.3, 6);
  const auto code = [&](const EaseOptions& options, const Progress& progress = {}) {
    return train_ease(interactions.view(), options, progress).status().code();
  };
  CHECK(code({.regularization = 0.0F}) == StatusCode::kInvalidArgument);
  CHECK(code({.keep = 0}) == StatusCode::kInvalidArgument);
  CHECK(code({.item_slope = 0.0F}) == StatusCode::kInvalidArgument);
  CHECK(code({.memory_max_bytes = 1000}) == StatusCode::kResourceExhausted);
  CHECK(code({}, [](double) { return false; }) == StatusCode::kCancelled);
  CHECK(code({}, [](double fraction) { return fraction < 0.9; }) == StatusCode::kCancelled);
  SparseMatrix negative = interactions;
  negative.values[3] = -1.0F;
  CHECK(train_ease(negative.view(), {}).status().code() == StatusCode::kInvalidArgument);
}

TEST_CASE("progress never falls and ends at one") {
  std::vector<double> fractions;
  const Progress progress = [&](double fraction) {
    fractions.push_back(fraction);
    return true;
  };
  REQUIRE(train_ease(random_interactions(300, 400, 0.05, 8).view(), {}, progress).ok());
  CHECK(std::is_sorted(fractions.begin(), fractions.end()));
  CHECK(fractions.size() > 5);
  CHECK(fractions.back() == 1.0);
}

}  // namespace
}  // namespace cairn::gpu

#include "gpu/cpu/fold_in.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "tests/gpu/every_instruction_set.h"
#include "tests/gpu/ridge_oracle.h"

namespace {

using namespace cairn;
using namespace cairn::gpu;

struct Interactions {
  std::vector<std::uint64_t> offsets{0};
  std::vector<std::uint32_t> columns;
  std::vector<float> values;
  std::size_t width = 0;

  [[nodiscard]] SparseView view() const { return {offsets, columns, values, width}; }
};

struct Problem {
  std::vector<float> items;
  std::size_t count = 0;
  std::size_t dim = 0;
  Interactions rows;
  FoldInOptions options;

  [[nodiscard]] MatrixView view() const { return {items, count, dim}; }
};

/// Rows of no interactions, of few, of more than there are dimensions, weighted or not.
Problem random_problem(std::uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0F, 0.3F);
  std::uniform_real_distribution<float> unit(0.0F, 1.0F);
  Problem problem;
  problem.dim = 1 + random() % 70;
  problem.count = 1 + random() % 700;
  problem.items.resize(problem.count * problem.dim);
  for (float& value : problem.items) value = normal(random);
  problem.options.target = random() % 2 == 0 ? FoldInOptions::Target::kOne : FoldInOptions::Target::kHuKorenVolinsky;
  problem.options.unobserved_weight = random() % 3 == 0 ? 0.0F : unit(random);
  problem.options.regularization = 0.01F + unit(random);
  problem.options.frequency_exponent = random() % 2 == 0 ? 0.0F : unit(random);
  const bool weighted = random() % 2 == 0;
  const std::size_t rows = random() % 40;
  problem.rows.width = problem.count;
  for (std::size_t r = 0; r < rows; ++r) {
    const float share = random() % 5 == 0 ? 0.0F : unit(random) * unit(random);
    for (std::uint32_t column = 0; column < problem.count; ++column) {
      if (unit(random) >= share) continue;
      problem.rows.columns.push_back(column);
      if (weighted) problem.rows.values.push_back(0.1F + 5.0F * unit(random));
    }
    problem.rows.offsets.push_back(problem.rows.columns.size());
  }
  return problem;
}

std::vector<float> solve(const Problem& problem, InstructionSet set, std::size_t threads) {
  const auto fold_in = make_cpu_fold_in(problem.view(), problem.options, set, threads);
  REQUIRE_MESSAGE(fold_in.ok(), fold_in.status().to_string());
  CHECK((*fold_in)->items() == problem.count);
  CHECK((*fold_in)->dim() == problem.dim);
  std::vector<float> vectors(problem.rows.view().rows() * problem.dim, std::numeric_limits<float>::quiet_NaN());
  const Status status = (*fold_in)->solve(problem.rows.view(), vectors);
  REQUIRE_MESSAGE(status.ok(), status.to_string());
  return vectors;
}

std::vector<double> oracle(const Problem& problem, std::size_t r) {
  const SparseView rows = problem.rows.view();
  RidgeOracle ridge(problem.view(), problem.options);
  const auto columns = rows.columns_of(r);
  for (std::size_t i = 0; i < columns.size(); ++i) {
    ridge.add(problem.view().row(columns[i]), rows.value(rows.offsets[r] + i));
  }
  ridge.add_penalty(columns.size());
  return ridge.vector();
}

bool all_zero(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(), [](float value) { return value == 0.0F; });
}

TEST_CASE("query vectors solve the normal equations, on every instruction set") {
  for (std::uint32_t seed = 1; seed <= 25; ++seed) {
    const Problem problem = random_problem(seed);
    const SparseView rows = problem.rows.view();
    for (const InstructionSet set : every_instruction_set()) {
      INFO("seed ", seed, " on ", std::string(to_string(set)), ", dim ", problem.dim);
      const std::vector<float> vectors = solve(problem, set, 2);
      for (std::size_t r = 0; r < rows.rows(); ++r) {
        const std::span<const float> vector = std::span(vectors).subspan(r * problem.dim, problem.dim);
        if (rows.columns_of(r).empty()) {
          CHECK(all_zero(vector));
        } else {
          CHECK(relative_difference(vector, oracle(problem, r)) < 1e-4);
        }
      }
    }
  }
}

TEST_CASE("rows of fewer interactions than dimensions, of as many and of more") {
  for (const std::size_t dim : {3, 16, 33, 64, 100}) {
    Problem problem = random_problem(static_cast<std::uint32_t>(dim));
    problem.dim = dim;
    problem.count = 150;
    std::mt19937 random(1);
    std::normal_distribution<float> normal(0.0F, 0.3F);
    problem.items.resize(problem.count * dim);
    for (float& value : problem.items) value = normal(random);
    problem.rows = {.width = problem.count};
    for (const std::size_t interactions : {1, 2, 15, 16, 17, 32, 47, 64, 80, 81, 95, 96, 97, 100, 130, 150}) {
      for (std::uint32_t column = 0; column < interactions; ++column) problem.rows.columns.push_back(column);
      problem.rows.offsets.push_back(problem.rows.columns.size());
    }
    for (const float unobserved_weight : {0.0F, 0.2F}) {
      problem.options.unobserved_weight = unobserved_weight;
      for (const InstructionSet set : every_instruction_set()) {
        const std::vector<float> vectors = solve(problem, set, 2);
        for (std::size_t r = 0; r < problem.rows.view().rows(); ++r) {
          INFO("row ", r, ", dim ", dim, " on ", std::string(to_string(set)));
          CHECK(relative_difference(std::span(vectors).subspan(r * dim, dim), oracle(problem, r)) < 1e-4);
        }
      }
    }
  }
}

TEST_CASE("items that span less than their dimensions need a penalty") {
  // Twenty items in a plane of twenty dimensions.
  Problem problem{.count = 20, .dim = 20};
  for (std::size_t item = 0; item < 20; ++item) {
    for (std::size_t j = 0; j < 20; ++j) {
      const auto angle = static_cast<float>(item);
      problem.items.push_back(std::cos(angle) * std::sin(0.7F * static_cast<float>(j)) + std::sin(angle) * 0.3F);
    }
  }
  problem.rows = {{0, 2, 22}, {4, 7}, {}, 20};
  for (std::uint32_t column = 0; column < 20; ++column) problem.rows.columns.push_back(column);
  problem.options = {.unobserved_weight = 0.1F, .regularization = 1.0F, .frequency_exponent = 0.0F};
  for (const InstructionSet set : every_instruction_set()) {
    const std::vector<float> vectors = solve(problem, set, 1);
    for (const std::size_t r : {0, 1}) {
      CHECK(relative_difference(std::span(vectors).subspan(r * 20, 20), oracle(problem, r)) < 1e-4);
    }
    FoldInOptions unpenalised = problem.options;
    unpenalised.regularization = 0.0F;
    const auto fold_in = make_cpu_fold_in(problem.view(), unpenalised, set, 1);
    REQUIRE(fold_in.ok());
    std::vector<float> room(40);
    CHECK((*fold_in)->solve(problem.rows.view(), room).code() == StatusCode::kFailedPrecondition);
  }
}

TEST_CASE("one item and one dimension: the equations by hand") {
  // A = 0.5 · 2² + 3 · 2² + λ, λ = 0.1 · (1 + 0.5 · 1)², b = 3 · t · 2 with t = 1 or 1 + 0.5 / 3.
  Problem problem{.items = {2.0F}, .count = 1, .dim = 1};
  problem.rows = {{0, 1}, {0}, {3.0F}, 1};
  problem.options = {.unobserved_weight = 0.5F, .regularization = 0.1F, .frequency_exponent = 2.0F};
  for (const InstructionSet set : every_instruction_set()) {
    problem.options.target = FoldInOptions::Target::kOne;
    CHECK(solve(problem, set, 1)[0] == doctest::Approx(6.0 / 14.225));
    problem.options.target = FoldInOptions::Target::kHuKorenVolinsky;
    CHECK(solve(problem, set, 1)[0] == doctest::Approx(7.0 / 14.225));
  }
}

TEST_CASE("the number of threads changes no bit") {
  const Problem problem = random_problem(7);
  for (const InstructionSet set : every_instruction_set()) {
    const std::vector<float> alone = solve(problem, set, 1);
    for (const std::size_t threads : {2, 3, 8}) CHECK(solve(problem, set, threads) == alone);
  }
}

TEST_CASE("a row has the same vector alone and among others") {
  const Problem problem = random_problem(11);
  const std::vector<float> all = solve(problem, best_instruction_set(), 1);
  const SparseView rows = problem.rows.view();
  for (std::size_t r = 0; r < rows.rows(); ++r) {
    const auto columns = rows.columns_of(r);
    Problem one = problem;
    one.rows = {{0, columns.size()}, {columns.begin(), columns.end()}, {}, problem.count};
    for (std::size_t i = 0; i < columns.size(); ++i) one.rows.values.push_back(rows.value(rows.offsets[r] + i));
    const std::vector<float> vector = solve(one, best_instruction_set(), 1);
    CHECK(std::equal(vector.begin(), vector.end(), all.begin() + static_cast<std::ptrdiff_t>(r * problem.dim)));
  }
}

TEST_CASE("many items: the Gram matrix keeps its digits") {
  // Sums of 100,000 squares one after the other in float lose three digits.
  Problem problem{.count = 100'000, .dim = 1};
  problem.items.assign(problem.count, 0.1F);
  problem.rows = {{0, 1}, {5}, {}, problem.count};
  problem.options = {.unobserved_weight = 1.0F, .regularization = 1.0F, .frequency_exponent = 0.0F};
  for (const InstructionSet set : every_instruction_set()) {
    CHECK(relative_difference(solve(problem, set, 2), oracle(problem, 0)) < 1e-6);
  }
}

TEST_CASE("nothing to solve is solved") {
  Problem problem = random_problem(3);
  problem.rows = {{}, {}, {}, problem.count};
  CHECK(solve(problem, best_instruction_set(), 2).empty());
  problem.rows.offsets = {0};
  CHECK(solve(problem, best_instruction_set(), 2).empty());
}

TEST_CASE("no items: every row is empty") {
  Problem problem{.count = 0, .dim = 3};
  problem.rows = {{0, 0, 0}, {}, {}, 0};
  CHECK(solve(problem, best_instruction_set(), 1) == std::vector<float>(6, 0.0F));
}

TEST_CASE("items and options that make no sense are refused") {
  const auto code = [](MatrixView items, const FoldInOptions& options) {
    return make_cpu_fold_in(items, options, best_instruction_set(), 1).status().code();
  };
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> values{1, 2, 3, 4, 5, 6};
  CHECK(code({values, 2, 3}, {}) == StatusCode::kOk);
  CHECK(code({values, 3, 3}, {}) == StatusCode::kInvalidArgument);
  CHECK(code({{}, 2, 0}, {}) == StatusCode::kInvalidArgument);
  for (const float bad : {-1.0F, kInfinity, kNaN}) {
    CHECK(code({values, 2, 3}, {.unobserved_weight = bad}) == StatusCode::kInvalidArgument);
    CHECK(code({values, 2, 3}, {.regularization = bad}) == StatusCode::kInvalidArgument);
    CHECK(code({values, 2, 3}, {.frequency_exponent = bad}) == StatusCode::kInvalidArgument);
  }
  for (const float bad : {kInfinity, -kInfinity, kNaN, 1e30F}) {
    const std::vector<float> one_bad{1, 2, 3, 4, bad, 6};
    CHECK(code({one_bad, 2, 3}, {}) == StatusCode::kInvalidArgument);
  }
}

TEST_CASE("interactions that do not fit are refused") {
  const std::vector<float> values{1, 0, 0, 1, 1, 1};
  const auto fold_in = make_cpu_fold_in({values, 3, 2}, {}, best_instruction_set(), 1);
  REQUIRE(fold_in.ok());
  const auto code = [&](const Interactions& rows, std::size_t room) {
    std::vector<float> vectors(room);
    return (*fold_in)->solve(rows.view(), vectors).code();
  };
  CHECK(code({{0, 2}, {0, 2}, {1, 2}, 3}, 2) == StatusCode::kOk);
  CHECK(code({{0, 2}, {0, 2}, {1, 2}, 3}, 3) == StatusCode::kInvalidArgument);     // room for more
  CHECK(code({{0, 2}, {0, 2}, {1, 2}, 4}, 2) == StatusCode::kInvalidArgument);     // wider than the items
  CHECK(code({{0, 2}, {0, 3}, {1, 2}, 3}, 2) == StatusCode::kInvalidArgument);     // a column out of range
  CHECK(code({{0, 2}, {2, 0}, {1, 2}, 3}, 2) == StatusCode::kInvalidArgument);     // descending
  CHECK(code({{0, 2}, {2, 2}, {1, 2}, 3}, 2) == StatusCode::kInvalidArgument);     // twice
  CHECK(code({{0, 2}, {0, 2}, {1}, 3}, 2) == StatusCode::kInvalidArgument);        // a weight too few
  CHECK(code({{1, 2}, {0, 2}, {1, 2}, 3}, 2) == StatusCode::kInvalidArgument);     // does not begin at 0
  CHECK(code({{0, 1}, {0, 2}, {1, 2}, 3}, 2) == StatusCode::kInvalidArgument);     // does not end at the end
  CHECK(code({{0, 3, 2}, {0, 2}, {1, 2}, 3}, 4) == StatusCode::kInvalidArgument);  // offsets descend
  CHECK(code({{}, {0, 2}, {1, 2}, 3}, 0) == StatusCode::kInvalidArgument);         // columns of no row
  for (const float bad : {0.0F, -1.0F, std::numeric_limits<float>::infinity(), std::nanf("")}) {
    CHECK(code({{0, 2}, {0, 2}, {1, bad}, 3}, 2) == StatusCode::kInvalidArgument);
  }
}

TEST_CASE("equations without one solution are refused, and the first such row is named") {
  // Nothing regularises, and one interaction with dependent items spans one of three dimensions.
  const std::vector<float> values{0.1F, 0.2F, 0.3F, 0.2F, 0.4F, 0.6F, 1, 0, 0, 0, 1, 0, 0, 0, 1};
  const FoldInOptions options{.unobserved_weight = 0.0F, .regularization = 0.0F};
  const Interactions rows{{0, 3, 5, 6}, {2, 3, 4, 0, 1, 0}, {}, 5};
  for (const InstructionSet set : every_instruction_set()) {
    const auto fold_in = make_cpu_fold_in({values, 5, 3}, options, set, 1);
    REQUIRE(fold_in.ok());
    std::vector<float> vectors(9);
    const Status status = (*fold_in)->solve(rows.view(), vectors);
    CHECK(status.code() == StatusCode::kFailedPrecondition);
    CHECK(status.message().find("row 1 ") != std::string::npos);
  }
}

}  // namespace

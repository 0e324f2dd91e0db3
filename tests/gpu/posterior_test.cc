#include "gpu/posterior.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "tests/gpu/every_instruction_set.h"
#include "tests/gpu/ridge_oracle.h"

namespace {

using namespace cairn;
using namespace cairn::gpu;

std::vector<float> random_values(std::mt19937* random, std::size_t count) {
  std::normal_distribution<float> normal(0.0F, 0.4F);
  std::vector<float> values(count);
  for (float& value : values) value = normal(*random);
  return values;
}

struct Problem {
  std::vector<float> items;
  std::size_t count = 0;
  std::size_t dim = 0;
  FoldInOptions options = {};

  [[nodiscard]] MatrixView view() const { return {items, count, dim}; }
};

Problem random_problem(std::mt19937* random, float exponent) {
  std::uniform_real_distribution<float> unit(0.0F, 1.0F);
  Problem problem{.count = 1 + (*random)() % 200, .dim = 1 + (*random)() % 70};
  problem.items = random_values(random, problem.count * problem.dim);
  problem.options.target = (*random)() % 2 == 0 ? FoldInOptions::Target::kOne : FoldInOptions::Target::kHuKorenVolinsky;
  problem.options.unobserved_weight = 0.5F * unit(*random);
  problem.options.regularization = 0.02F + unit(*random);
  problem.options.frequency_exponent = exponent;
  return problem;
}

Posterior must(Result<Posterior> posterior) {
  REQUIRE_MESSAGE(posterior.ok(), posterior.status().to_string());
  return std::move(posterior).value();
}

Prior prior_of(const Problem& problem, InstructionSet set) {
  const auto prior = Prior::make(problem.view(), problem.options, set, 2);
  REQUIRE_MESSAGE(prior.ok(), prior.status().to_string());
  return *prior;
}

std::vector<float> variances(const Posterior& posterior, MatrixView rows) {
  std::vector<float> out(rows.rows);
  CHECK(posterior.variances(rows, out).ok());
  return out;
}

void check_same(const Posterior& posterior, const RidgeOracle& oracle, MatrixView candidates) {
  CHECK(relative_difference(posterior.vector(), oracle.vector()) < 1e-4);
  std::vector<double> expected;
  for (std::size_t r = 0; r < candidates.rows; ++r) expected.push_back(oracle.variance(candidates.row(r)));
  CHECK(relative_difference(variances(posterior, candidates), expected) < 1e-4);
}

TEST_CASE("a posterior that took up interactions one by one is that of all of them") {
  for (std::uint32_t seed = 1; seed <= 20; ++seed) {
    for (const InstructionSet set : every_instruction_set()) {
      INFO("seed ", seed, " on ", std::string(to_string(set)));
      std::mt19937 random(seed);
      const Problem problem = random_problem(&random, 0.0F);
      const std::size_t known = random() % 5;
      const std::size_t added = 1 + random() % 100;
      const std::vector<float> vectors = random_values(&random, (known + added) * problem.dim);
      const std::vector<float> candidates = random_values(&random, 19 * problem.dim);
      std::vector<float> weights;
      for (std::size_t i = 0; i < known + added; ++i) weights.push_back(0.1F * static_cast<float>(1 + random() % 50));

      RidgeOracle oracle(problem.view(), problem.options);
      oracle.add_penalty(0);
      const std::span<const float> first(vectors.data(), known * problem.dim);
      Posterior posterior =
          must(Posterior::make(prior_of(problem, set), {first, known, problem.dim}, std::span(weights).first(known)));
      for (std::size_t i = 0; i < known + added; ++i) {
        const std::span<const float> item = std::span(vectors).subspan(i * problem.dim, problem.dim);
        oracle.add(item, weights[i]);
        if (i >= known) CHECK(posterior.add(item, weights[i]).ok());
      }
      CHECK(posterior.interactions() == known + added);
      CHECK(posterior.penalty() == problem.options.regularization);
      check_same(posterior, oracle, {candidates, 19, problem.dim});
      CHECK(posterior.refresh().ok());
      check_same(posterior, oracle, {candidates, 19, problem.dim});
    }
  }
}

TEST_CASE("a penalty that grows with the interactions is kept until refresh, and the vector within its bound") {
  for (std::uint32_t seed = 1; seed <= 10; ++seed) {
    for (const InstructionSet set : every_instruction_set()) {
      INFO("seed ", seed, " on ", std::string(to_string(set)));
      std::mt19937 random(seed);
      const Problem problem = random_problem(&random, 0.3F + 0.1F * static_cast<float>(seed));
      Posterior posterior = must(Posterior::make(prior_of(problem, set), {{}, 0, problem.dim}, {}));
      const float kept = posterior.penalty();
      RidgeOracle oracle(problem.view(), problem.options);
      for (std::size_t i = 0; i < 30; ++i) {
        const std::vector<float> item = random_values(&random, problem.dim);
        CHECK(posterior.add(item, 1.0F).ok());
        oracle.add(item, 1.0F);
      }
      CHECK(posterior.penalty() == kept);
      oracle.add_penalty(30);
      const std::vector<float> before = posterior.vector();
      CHECK(posterior.refresh().ok());
      const double bound = static_cast<double>(posterior.penalty()) / static_cast<double>(kept) - 1.0;
      CHECK(bound > 0.0);
      CHECK(relative_difference(before, oracle.vector()) < bound + 1e-4);
      const std::vector<float> candidates = random_values(&random, 3 * problem.dim);
      check_same(posterior, oracle, {candidates, 3, problem.dim});
    }
  }
}

TEST_CASE("two dimensions by hand") {
  // No items, λ = 1: A = I + 3 · (1, 1)(1, 1)ᵀ = ((4, 3), (3, 4)), A⁻¹ = ((4, -3), (-3, 4)) / 7, b = (3, 3).
  const Problem problem{
      .count = 0, .dim = 2, .options = {.unobserved_weight = 0.0F, .regularization = 1.0F, .frequency_exponent = 0.0F}};
  const std::vector<float> candidates{1, 0, 1, 1, 1, -1, 0, 0};
  for (const InstructionSet set : every_instruction_set()) {
    Posterior posterior = must(Posterior::make(prior_of(problem, set), {{}, 0, 2}, {}));
    CHECK(posterior.vector() == std::vector<float>{0.0F, 0.0F});
    CHECK(posterior.add(std::vector<float>{1, 1}, 3.0F).ok());
    CHECK(posterior.vector()[0] == doctest::Approx(3.0 / 7));
    CHECK(posterior.vector()[1] == doctest::Approx(3.0 / 7));
    const std::vector<float> found = variances(posterior, {candidates, 4, 2});
    CHECK(found[0] == doctest::Approx(4.0 / 7));
    CHECK(found[1] == doctest::Approx(2.0 / 7));
    CHECK(found[2] == doctest::Approx(2.0));
    CHECK(found[3] == 0.0F);
  }
}

TEST_CASE("the more is known, the less is uncertain") {
  std::mt19937 random(5);
  const Problem problem = random_problem(&random, 0.0F);
  const std::vector<float> candidates = random_values(&random, 8 * problem.dim);
  Posterior posterior = must(Posterior::make(prior_of(problem, best_instruction_set()), {{}, 0, problem.dim}, {}));
  std::vector<float> before = variances(posterior, {candidates, 8, problem.dim});
  for (std::size_t i = 0; i < 8; ++i) {
    const std::span<const float> item = std::span(candidates).subspan(i * problem.dim, problem.dim);
    CHECK(posterior.add(item, 2.0F).ok());
    const std::vector<float> after = variances(posterior, {candidates, 8, problem.dim});
    for (std::size_t j = 0; j < 8; ++j) CHECK(after[j] <= before[j] * 1.00001F);
    CHECK(after[i] < before[i]);
    before = after;
  }
}

TEST_CASE("deviations are fixed by the seed, on every platform") {
  // λ = 4: A = 4, so a deviation is half a standard normal number. Numbers by an independent Mersenne Twister.
  const Problem problem{
      .count = 0, .dim = 4, .options = {.unobserved_weight = 0.0F, .regularization = 4.0F, .frequency_exponent = 0.0F}};
  for (const InstructionSet set : every_instruction_set()) {
    const Posterior posterior = must(Posterior::make(prior_of(problem, set), {{}, 0, 4}, {}));
    const std::vector<double> one{0.350992497808491 / 2, 0.405290193321616 / 2, 1.08594491050471 / 2,
                                  0.144292659306065 / 2};
    const std::vector<double> other{-0.494207845189843 / 2, -0.720924951686162 / 2, 0.0665033547466365 / 2,
                                    -1.149429868074 / 2};
    CHECK(relative_difference(posterior.deviation(1), one) < 1e-7);
    CHECK(relative_difference(posterior.deviation(2026), other) < 1e-7);
  }
}

TEST_CASE("what does not fit a posterior is refused, and changes nothing") {
  const std::vector<float> items{1, 2, 3, 4};
  const auto prior = Prior::make({items, 2, 2}, {});
  REQUIRE(prior.ok());
  const std::vector<float> vectors{1, 2, 3, 4};
  const std::vector<float> weights{1, 2};
  const auto code = [&](MatrixView rows, std::span<const float> with) {
    return Posterior::make(*prior, rows, with).status().code();
  };
  CHECK(code({vectors, 2, 2}, weights) == StatusCode::kOk);
  CHECK(code({vectors, 2, 2}, {}) == StatusCode::kOk);
  CHECK(code({vectors, 4, 1}, {}) == StatusCode::kInvalidArgument);
  CHECK(code({vectors, 1, 2}, {}) == StatusCode::kInvalidArgument);
  CHECK(code({vectors, 2, 2}, std::span(weights).first(1)) == StatusCode::kInvalidArgument);
  const std::vector<float> not_finite{1, 2, std::nanf(""), 4};
  CHECK(code({not_finite, 2, 2}, weights) == StatusCode::kInvalidArgument);

  Posterior posterior = must(Posterior::make(*prior, {vectors, 2, 2}, weights));
  const std::vector<float> before = posterior.vector();
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  CHECK(posterior.add(std::vector<float>{1}, 1.0F).code() == StatusCode::kInvalidArgument);
  CHECK(posterior.add(std::vector<float>{1, std::nanf("")}, 1.0F).code() == StatusCode::kInvalidArgument);
  for (const float bad : {0.0F, -1.0F, kInfinity, std::nanf("")}) {
    CHECK(posterior.add(std::vector<float>{1, 1}, bad).code() == StatusCode::kInvalidArgument);
    const std::vector<float> two{1, bad};
    CHECK(code({vectors, 2, 2}, two) == StatusCode::kInvalidArgument);
  }
  CHECK(posterior.vector() == before);
  CHECK(posterior.interactions() == 2);
  std::vector<float> out(3);
  CHECK(posterior.variances({vectors, 2, 2}, out).code() == StatusCode::kInvalidArgument);
}

TEST_CASE("a posterior without a penalty and without interactions is refused") {
  const auto prior = Prior::make({{}, 0, 3}, {.unobserved_weight = 0.0F, .regularization = 0.0F});
  REQUIRE(prior.ok());
  CHECK(Posterior::make(*prior, {{}, 0, 3}, {}).status().code() == StatusCode::kFailedPrecondition);
}

}  // namespace

#include "gpu/explore.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tests/gpu/every_instruction_set.h"

namespace {

using namespace cairn;
using namespace cairn::gpu;

using Method = ExploreOptions::Method;

/// No items, λ = 1 and one interaction (1, 1): A = ((2, 1), (1, 2)), A⁻¹ = ((2, -1), (-1, 2)) / 3.
Posterior two_by_two(InstructionSet set) {
  const auto prior =
      Prior::make({{}, 0, 2}, {.unobserved_weight = 0.0F, .regularization = 1.0F, .frequency_exponent = 0.0F}, set);
  REQUIRE(prior.ok());
  const std::vector<float> item{1, 1};
  auto posterior = Posterior::make(*prior, {item, 1, 2}, {});
  REQUIRE(posterior.ok());
  return std::move(posterior).value();
}

const std::vector<float> kCandidates{1, 0, 0, 1, 1, 1, 1, -1, 0, 0};

std::vector<float> explored(const Posterior& posterior, const ExploreOptions& options) {
  std::vector<float> scores{0.5F, 1.0F, -2.0F, 0.0F, 3.0F};
  CHECK(explore(posterior, {kCandidates, 5, 2}, options, scores).ok());
  return scores;
}

TEST_CASE("without exploration scores stay what they are") {
  const Posterior posterior = two_by_two(best_instruction_set());
  CHECK(explored(posterior, {}) == std::vector<float>{0.5F, 1.0F, -2.0F, 0.0F, 3.0F});
  CHECK(explored(posterior, {.strength = 7.0F, .seed = 3}) == std::vector<float>{0.5F, 1.0F, -2.0F, 0.0F, 3.0F});
}

TEST_CASE("an upper bound is the score and the strength times the standard deviation") {
  const double expected[] = {0.5 + 2 * std::sqrt(2.0 / 3), 1 + 2 * std::sqrt(2.0 / 3), -2 + 2 * std::sqrt(2.0 / 3),
                             2 * std::sqrt(2.0), 3};
  for (const InstructionSet set : every_instruction_set()) {
    const auto scores = explored(two_by_two(set), {.method = Method::kUpperBound, .strength = 2.0F});
    for (std::size_t i = 0; i < scores.size(); ++i) CHECK(scores[i] == doctest::Approx(expected[i]));
  }
}

TEST_CASE("a draw moves all scores as one query vector would") {
  const Posterior posterior = two_by_two(best_instruction_set());
  const std::vector<float> w = posterior.deviation(17);
  const auto scores = explored(posterior, {.method = Method::kThompson, .strength = 0.25F, .seed = 17});
  const float expected[] = {0.5F + 0.25F * w[0], 1.0F + 0.25F * w[1], -2.0F + 0.25F * (w[0] + w[1]),
                            0.25F * (w[0] - w[1]), 3.0F};
  for (std::size_t i = 0; i < scores.size(); ++i) CHECK(scores[i] == doctest::Approx(expected[i]));
}

TEST_CASE("the same seed draws the same, another one does not") {
  const Posterior posterior = two_by_two(best_instruction_set());
  const ExploreOptions options{.method = Method::kThompson, .seed = 5};
  CHECK(explored(posterior, options) == explored(posterior, options));
  CHECK(explored(posterior, options) != explored(posterior, {.method = Method::kThompson, .seed = 6}));
}

TEST_CASE("draws have mean 0 and the inverse of A as covariance") {
  constexpr int kDraws = 20'000;
  for (const InstructionSet set : every_instruction_set()) {
    const Posterior posterior = two_by_two(set);
    double sum[2] = {};
    double square[2] = {};
    double product = 0.0;
    for (int seed = 0; seed < kDraws; ++seed) {
      const std::vector<float> w = posterior.deviation(static_cast<std::uint64_t>(seed));
      for (std::size_t i = 0; i < 2; ++i) {
        sum[i] += static_cast<double>(w[i]);
        square[i] += static_cast<double>(w[i]) * static_cast<double>(w[i]);
      }
      product += static_cast<double>(w[0]) * static_cast<double>(w[1]);
    }
    // Five standard errors: of a mean sqrt(v / n), of a variance v sqrt(2 / n), of the covariance
    // sqrt((v² + c²) / n), where v = 2 / 3 and c = -1 / 3.
    for (std::size_t i = 0; i < 2; ++i) {
      CHECK(std::abs(sum[i] / kDraws) < 5 * std::sqrt(2.0 / 3 / kDraws));
      CHECK(std::abs(square[i] / kDraws - 2.0 / 3) < 5 * 2.0 / 3 * std::sqrt(2.0 / kDraws));
    }
    CHECK(std::abs(product / kDraws + 1.0 / 3) < 5 * std::sqrt((4.0 / 9 + 1.0 / 9) / kDraws));
  }
}

TEST_CASE("scores that are NaN stay so, no candidates are fine") {
  const Posterior posterior = two_by_two(best_instruction_set());
  const std::vector<float> candidate{1, 0};
  for (const Method method : {Method::kNone, Method::kUpperBound, Method::kThompson}) {
    std::vector<float> score{std::nanf("")};
    CHECK(explore(posterior, {candidate, 1, 2}, {.method = method}, score).ok());
    CHECK(std::isnan(score[0]));
    CHECK(explore(posterior, {{}, 0, 2}, {.method = method}, {}).ok());
  }
}

TEST_CASE("shapes and strengths that make no sense are refused") {
  const Posterior posterior = two_by_two(best_instruction_set());
  std::vector<float> scores(5);
  for (const Method method : {Method::kNone, Method::kUpperBound, Method::kThompson}) {
    const auto code = [&](MatrixView candidates, float strength) {
      return explore(posterior, candidates, {.method = method, .strength = strength}, scores).code();
    };
    CHECK(code({kCandidates, 5, 2}, 0.0F) == StatusCode::kOk);
    CHECK(code({kCandidates, 4, 2}, 1.0F) == StatusCode::kInvalidArgument);
    CHECK(code({kCandidates, 5, 1}, 1.0F) == StatusCode::kInvalidArgument);
    for (const float bad : {-1.0F, std::numeric_limits<float>::infinity(), std::nanf("")}) {
      CHECK(code({kCandidates, 5, 2}, bad) == StatusCode::kInvalidArgument);
    }
  }
}

}  // namespace

#include "engine/model/exploration.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <memory>

#include "engine/model/item_ranker.h"
#include "tests/engine/model/made_up.h"

using namespace cairn;
using namespace cairn::model;
using namespace cairn::model_test;

namespace {

using Method = gpu::ExploreOptions::Method;

constexpr std::size_t kItems = 23;
constexpr std::size_t kDim = 5;
constexpr std::size_t kFoldInAt = 3;  ///< of model_of_all_kinds()

std::unique_ptr<ItemRanker> ranker_of(const Model& model, std::size_t batch_max = 256) {
  const auto backend = gpu::make_cpu_backend({.threads = 2});
  REQUIRE_MESSAGE(backend.ok(), backend.status().to_string());
  auto made = ItemRanker::create(model, **backend, {.threads = 2, .batch_max = batch_max});
  REQUIRE_MESSAGE(made.ok(), made.status().to_string());
  return *std::move(made);
}

/// The first is the path through the backend's matrix, the other the one of summed scores, in which the fold-in's are
/// divided by their deviation.
std::vector<Model> fold_in_alone_and_blended(std::uint64_t seed) {
  Model blend = model_of_all_kinds(kItems, kDim, seed);
  blend.components[kFoldInAt].weight = -1.5F;
  blend.components[kFoldInAt].normalization = Normalization::kDeviation;
  Model alone = model_of_all_kinds(kItems, kDim, seed);
  alone.components = {alone.components[kFoldInAt]};
  alone.components[0].weight = 0.5F;
  return {alone, blend};
}

const std::vector<std::uint64_t> kOffsets = {0, 3, 3, 5, 8, 9};
const std::vector<std::uint32_t> kColumns = {2, 7, 19, 0, 22, 2, 7, 19, 11};
const std::vector<float> kValues = {1.0F, 0.5F, 2.0F, 1.5F, 1.0F, 1.0F, 0.5F, 2.0F, 3.0F};
/// The second is empty, the first and the fourth are equal.
const gpu::SparseView kHistories{kOffsets, kColumns, kValues, kItems};

std::vector<gpu::RowFilter> without_history() {
  std::vector<gpu::RowFilter> filters;
  for (std::size_t row = 0; row < kHistories.rows(); ++row) filters.push_back({.excluded = kHistories.columns_of(row)});
  return filters;
}

gpu::TopKAnswers answers_of(const ItemRanker& ranker, std::size_t k, const Exploration& exploration) {
  const std::vector<gpu::RowFilter> filters = without_history();
  gpu::TopKAnswers answers;
  const Status ranked = ranker.rank(kHistories, k, filters, exploration, &answers);
  REQUIRE_MESSAGE(ranked.ok(), ranked.to_string());
  return answers;
}

/// Equal in every bit, NaN too.
void check_same(const gpu::TopKAnswers& a, const gpu::TopKAnswers& b) {
  CHECK(a.rows == b.rows);
  CHECK(a.counts == b.counts);
  REQUIRE(a.scores.size() == b.scores.size());
  for (std::size_t i = 0; i < a.scores.size(); ++i) {
    const bool both_nan = std::isnan(a.scores[i]) && std::isnan(b.scores[i]);
    CHECK((both_nan || a.scores[i] == b.scores[i]));
  }
}

std::vector<double> inverse_of(std::vector<double> a, std::size_t d) {
  std::vector<double> inverse(d * d);
  for (std::size_t i = 0; i < d; ++i) inverse[i * d + i] = 1.0;
  for (std::size_t p = 0; p < d; ++p) {
    const double pivot = a[p * d + p];
    for (std::size_t j = 0; j < d; ++j) {
      a[p * d + j] /= pivot;
      inverse[p * d + j] /= pivot;
    }
    for (std::size_t r = 0; r < d; ++r) {
      if (r == p) continue;
      const double factor = a[r * d + p];
      for (std::size_t j = 0; j < d; ++j) {
        a[r * d + j] -= factor * a[p * d + j];
        inverse[r * d + j] -= factor * inverse[p * d + j];
      }
    }
  }
  return inverse;
}

/// xᵀ A⁻¹ x of every item, after the objective in gpu/fold_in.h.
std::vector<double> variances_by_hand(const Component& component, std::size_t row) {
  const gpu::FoldInOptions& options = component.fold_in;
  const auto x = [&](std::size_t item, std::size_t j) {
    return static_cast<double>(component.item_vectors[item * kDim + j]);
  };
  const auto unobserved = static_cast<double>(options.unobserved_weight);
  const auto items = kHistories.columns_of(row);
  std::vector<double> a(kDim * kDim);
  const auto add = [&](std::size_t item, double weight) {
    for (std::size_t j = 0; j < a.size(); ++j) a[j] += weight * x(item, j / kDim) * x(item, j % kDim);
  };
  for (std::size_t item = 0; item < kItems; ++item) add(item, unobserved);
  for (std::size_t i = 0; i < items.size(); ++i) {
    add(items[i], static_cast<double>(kHistories.value(kHistories.offsets[row] + i)));
  }
  for (std::size_t j = 0; j < kDim; ++j) {
    a[j * kDim + j] += static_cast<double>(options.regularization) *
                       std::pow(static_cast<double>(items.size()) + unobserved * static_cast<double>(kItems),
                                static_cast<double>(options.frequency_exponent));
  }
  const std::vector<double> inverse = inverse_of(a, kDim);
  std::vector<double> variances(kItems);
  for (std::size_t item = 0; item < kItems; ++item) {
    for (std::size_t j = 0; j < inverse.size(); ++j) {
      variances[item] += x(item, j / kDim) * inverse[j] * x(item, j % kDim);
    }
  }
  return variances;
}

/// What the deviation of a model's fold-in scores is, over all items: what its normalization divides by.
double divisor_by_hand(const Model& model, const Component& component, std::size_t row) {
  if (component.normalization == Normalization::kNone) return 1.0;
  Model alone = model;
  alone.components = {component};
  alone.components[0].weight = 1.0F;
  alone.components[0].normalization = Normalization::kNone;
  std::vector<float> scores;
  REQUIRE(ranker_of(alone)->score(kHistories, &scores).ok());
  double mean = 0.0;
  double square = 0.0;
  for (std::size_t j = 0; j < kItems; ++j) mean += static_cast<double>(scores[row * kItems + j]) / kItems;
  for (std::size_t j = 0; j < kItems; ++j) {
    const double off = static_cast<double>(scores[row * kItems + j]) - mean;
    square += off * off / kItems;
  }
  return std::sqrt(square);
}

/// The standard deviation of every item's score.
std::vector<double> widths_by_hand(const Model& model, std::size_t row) {
  const Component& component = model.components.back();
  std::vector<double> widths = variances_by_hand(component, row);
  const double factor = static_cast<double>(component.weight) / divisor_by_hand(model, component, row);
  for (std::size_t j = 0; j < kItems; ++j) {
    widths[j] = std::abs(factor * static_cast<double>(component.item_scale[j])) * std::sqrt(widths[j]);
  }
  return widths;
}

/// What rank() scores a row's items without exploration: with one component, less divided than score() has it.
std::map<std::uint32_t, double> plain_scores(const ItemRanker& ranker, std::size_t row) {
  const gpu::TopKAnswers answers = answers_of(ranker, kItems, {});
  std::map<std::uint32_t, double> scores;
  for (std::size_t i = 0; i < answers.counts[row]; ++i) {
    scores[answers.rows_of(row)[i]] = static_cast<double>(answers.scores_of(row)[i]);
  }
  return scores;
}

}  // namespace

TEST_CASE("ranking without exploration is ranking as ever, whatever its other options are") {
  for (const Model& model : fold_in_alone_and_blended(1)) {
    const auto ranker = ranker_of(model);
    const std::vector<gpu::RowFilter> filters = without_history();
    gpu::TopKAnswers plain;
    REQUIRE(ranker->rank(kHistories, 9, filters, &plain).ok());
    check_same(answers_of(*ranker, 9, {}), plain);
    check_same(answers_of(*ranker, 9, {.options = {.strength = 5.0F, .seed = 3}, .candidates_max = 2}), plain);
  }
}

TEST_CASE("exploration of strength 0 changes nothing") {
  for (const Model& model : fold_in_alone_and_blended(2)) {
    const auto ranker = ranker_of(model);
    for (const Method method : {Method::kUpperBound, Method::kThompson}) {
      check_same(answers_of(*ranker, 9, {.options = {.method = method, .strength = 0.0F, .seed = 3}}),
                 answers_of(*ranker, 9, {}));
    }
  }
}

TEST_CASE("the same seed draws the same answers in batches of any size, another one others") {
  for (const Model& model : fold_in_alone_and_blended(3)) {
    const auto ranker = ranker_of(model);
    const Exploration exploration{.options = {.method = Method::kThompson, .seed = 11}};
    Exploration other = exploration;
    other.options.seed = 12;
    const gpu::TopKAnswers answers = answers_of(*ranker, 9, exploration);
    check_same(answers_of(*ranker, 9, exploration), answers);
    CHECK(answers_of(*ranker_of(model, 2), 9, exploration).rows == answers.rows);
    CHECK(answers_of(*ranker, 9, other).scores != answers.scores);
    CHECK(answers_of(*ranker, 9, other).rows != answers.rows);
  }
}

TEST_CASE("equal histories in different rows draw differently") {
  for (const Model& model : fold_in_alone_and_blended(4)) {
    const auto answers =
        answers_of(*ranker_of(model), 9, {.options = {.method = Method::kThompson, .strength = 2.0F, .seed = 1}});
    const auto first = answers.scores_of(0);
    const auto fourth = answers.scores_of(3);
    CHECK(!std::equal(first.begin(), first.end(), fourth.begin(), fourth.end()));
  }
}

TEST_CASE("exploration leaves filters and the answers to empty histories as they are") {
  for (const Model& model : fold_in_alone_and_blended(5)) {
    const auto ranker = ranker_of(model);
    const gpu::TopKAnswers plain = answers_of(*ranker, kItems, {});
    for (const Method method : {Method::kUpperBound, Method::kThompson}) {
      const auto answers = answers_of(*ranker, kItems, {.options = {.method = method, .strength = 3.0F, .seed = 8}});
      CHECK(answers.counts == plain.counts);
      CHECK(std::equal(answers.rows_of(1).begin(), answers.rows_of(1).end(), plain.rows_of(1).begin()));
      CHECK(std::equal(answers.scores_of(1).begin(), answers.scores_of(1).end(), plain.scores_of(1).begin()));
      for (std::size_t row = 0; row < kHistories.rows(); ++row) {
        for (const std::uint32_t excluded : kHistories.columns_of(row)) {
          const auto rows = answers.rows_of(row);
          CHECK(std::find(rows.begin(), rows.end(), excluded) == rows.end());
        }
      }
    }
  }
}

TEST_CASE("upper bounds are what the inverse of the equations gives by hand") {
  for (const std::uint64_t seed : {6, 7}) {
    INFO("seed ", seed);
    for (const Model& model : fold_in_alone_and_blended(seed)) {
      const auto ranker = ranker_of(model);
      const auto answers = answers_of(*ranker, 9, {.options = {.method = Method::kUpperBound, .strength = 1.5F}});
      for (const std::size_t row : {0, 2, 3, 4}) {
        INFO("row ", row);
        const std::vector<double> widths = widths_by_hand(model, row);
        std::vector<std::pair<double, std::uint32_t>> expected;
        for (const auto& [item, score] : plain_scores(*ranker, row)) {
          expected.emplace_back(-(score + 1.5 * widths[item]), item);
        }
        std::sort(expected.begin(), expected.end());
        REQUIRE(answers.counts[row] == 9);
        for (std::size_t i = 0; i < 9; ++i) {
          CHECK(answers.rows_of(row)[i] == expected[i].second);
          CHECK(static_cast<double>(answers.scores_of(row)[i]) == doctest::Approx(-expected[i].first).epsilon(1e-4));
        }
      }
    }
  }
}

TEST_CASE("upper bounds re-rank the best by score only, and no fewer than are asked for") {
  for (const Model& model : fold_in_alone_and_blended(8)) {
    const auto ranker = ranker_of(model);
    const auto sorted_rows = [&](std::size_t k, const Exploration& exploration) {
      const auto answers = answers_of(*ranker, k, exploration);
      const auto rows = answers.rows_of(0);
      std::vector<std::uint32_t> sorted(rows.begin(), rows.end());
      std::sort(sorted.begin(), sorted.end());
      return sorted;
    };
    const gpu::ExploreOptions bounds{.method = Method::kUpperBound, .strength = 50.0F};
    const std::vector<std::uint32_t> best = sorted_rows(6, {});
    CHECK(sorted_rows(6, {.options = bounds, .candidates_max = 6}) == best);
    CHECK(sorted_rows(6, {.options = bounds, .candidates_max = 0}) == best);
    CHECK(sorted_rows(6, {.options = bounds}) != best);
    const std::vector<std::uint32_t> three = sorted_rows(3, {.options = bounds, .candidates_max = 6});
    CHECK(three.size() == 3);
    CHECK(std::includes(best.begin(), best.end(), three.begin(), three.end()));
  }
}

TEST_CASE("over many draws a score has its own mean, and the deviation that the inverse of the equations gives") {
  constexpr std::size_t kDraws = 4000;
  constexpr double kStrength = 0.5;
  for (Model model : fold_in_alone_and_blended(9)) {
    model.components.back().normalization = Normalization::kNone;  // scores are linear in what is drawn
    const auto ranker = ranker_of(model);
    std::vector<double> sum(kItems);
    std::vector<double> squares(kItems);
    const std::map<std::uint32_t, double> plain = plain_scores(*ranker, 2);
    for (std::size_t seed = 0; seed < kDraws; ++seed) {
      const auto answers =
          answers_of(*ranker, kItems, {.options = {.method = Method::kThompson, .strength = 0.5F, .seed = seed}});
      for (std::size_t i = 0; i < answers.counts[2]; ++i) {
        const std::uint32_t item = answers.rows_of(2)[i];
        const double off = static_cast<double>(answers.scores_of(2)[i]) - plain.at(item);
        sum[item] += off;
        squares[item] += off * off;
      }
    }
    const std::vector<double> widths = widths_by_hand(model, 2);
    for (const auto& [item, score] : plain) {
      INFO("item ", item);
      const double variance = kStrength * kStrength * widths[item] * widths[item];
      CHECK(std::abs(sum[item] / kDraws) < 5 * std::sqrt(variance / kDraws));
      CHECK(std::abs(squares[item] / kDraws - variance) < 5 * variance * std::sqrt(2.0 / kDraws));
    }
  }
}

TEST_CASE("a model without a fold-in refuses to explore, and says what would") {
  Model model = model_of_all_kinds(kItems, kDim, 10);
  model.components.resize(kFoldInAt);
  const auto ranker = ranker_of(model);
  gpu::TopKAnswers answers;
  for (const Method method : {Method::kUpperBound, Method::kThompson}) {
    const Status refused = ranker->rank(kHistories, 3, {}, {.options = {.method = method}}, &answers);
    CHECK(refused.code() == StatusCode::kInvalidArgument);
    CHECK(refused.to_string().find("ials") != std::string::npos);
  }
  CHECK(ranker->rank(kHistories, 3, {}, Exploration{}, &answers).ok());
}

TEST_CASE("strengths and numbers of candidates that make no sense are refused") {
  const Model model = model_of_all_kinds(kItems, kDim, 11);
  const auto ranker = ranker_of(model);
  const auto code = [&](float strength, std::size_t candidates_max) {
    gpu::TopKAnswers answers;
    const Exploration exploration{.options = {.method = Method::kUpperBound, .strength = strength},
                                  .candidates_max = candidates_max};
    return ranker->rank(kHistories, 3, {}, exploration, &answers).code();
  };
  CHECK(code(1.0F, gpu::kTopKMax) == StatusCode::kOk);
  CHECK(code(1.0F, gpu::kTopKMax + 1) == StatusCode::kInvalidArgument);
  for (const float bad : {-1.0F, std::numeric_limits<float>::infinity(), std::nanf("")}) {
    CHECK(code(bad, 500) == StatusCode::kInvalidArgument);
  }
}

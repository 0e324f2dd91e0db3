#include "engine/model/item_ranker.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "tests/engine/model/made_up.h"

using namespace cairn;
using namespace cairn::model;
using namespace cairn::model_test;

namespace {

constexpr std::size_t kItems = 23;
constexpr std::size_t kDim = 6;

std::unique_ptr<gpu::Backend> backend() {
  auto made = gpu::make_cpu_backend({.threads = 2});
  REQUIRE_MESSAGE(made.ok(), made.status().to_string());
  return *std::move(made);
}

struct Histories {
  std::vector<std::uint64_t> offsets = {0};
  std::vector<std::uint32_t> columns = {};
  std::vector<float> values = {};

  void add(std::vector<std::uint32_t> items) {
    std::sort(items.begin(), items.end());
    items.erase(std::unique(items.begin(), items.end()), items.end());
    for (const std::uint32_t item : items) {
      columns.push_back(item);
      values.push_back(0.5F + static_cast<float>(item % 3));
    }
    offsets.push_back(columns.size());
  }
  [[nodiscard]] gpu::SparseView view() const { return {offsets, columns, values, kItems}; }
};

/// Some of every length, among them none at all.
Histories some_histories(std::size_t rows, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  Histories histories;
  for (std::size_t row = 0; row < rows; ++row) {
    std::vector<std::uint32_t> items(row % 7);
    for (std::uint32_t& item : items) item = static_cast<std::uint32_t>(random() % kItems);
    histories.add(std::move(items));
  }
  return histories;
}

/// The query vector of a fold-in, from its objective in gpu/fold_in.h by Gauss-Jordan elimination in doubles.
std::vector<double> fold_in_by_hand(const Component& component, const gpu::SparseView& histories, std::size_t row) {
  const gpu::FoldInOptions& options = component.fold_in;
  const std::size_t d = component.dim;
  const auto x = [&](std::size_t item, std::size_t j) {
    return static_cast<double>(component.item_vectors[item * d + j]);
  };
  const auto unobserved = static_cast<double>(options.unobserved_weight);
  const auto items = histories.columns_of(row);
  const double lambda = static_cast<double>(options.regularization) *
                        std::pow(static_cast<double>(items.size()) + unobserved * static_cast<double>(kItems),
                                 static_cast<double>(options.frequency_exponent));
  std::vector<double> a(d * d);
  std::vector<double> b(d);
  for (std::size_t j = 0; j < d; ++j) a[j * d + j] = lambda;
  for (std::size_t item = 0; item < kItems; ++item) {
    for (std::size_t j = 0; j < d * d; ++j) a[j] += unobserved * x(item, j / d) * x(item, j % d);
  }
  for (std::size_t i = 0; i < items.size(); ++i) {
    const double c = static_cast<double>(histories.value(histories.offsets[row] + i));
    const bool one = options.target == gpu::FoldInOptions::Target::kOne;
    const double target = one ? 1.0 : 1.0 + unobserved / c;
    for (std::size_t j = 0; j < d * d; ++j) a[j] += c * x(items[i], j / d) * x(items[i], j % d);
    for (std::size_t j = 0; j < d; ++j) b[j] += c * target * x(items[i], j);
  }
  for (std::size_t p = 0; p < d; ++p) {
    for (std::size_t r = 0; r < d; ++r) {
      if (r == p) continue;
      const double factor = a[r * d + p] / a[p * d + p];
      for (std::size_t j = 0; j < d; ++j) a[r * d + j] -= factor * a[p * d + j];
      b[r] -= factor * b[p];
    }
  }
  for (std::size_t j = 0; j < d; ++j) b[j] /= a[j * d + j];
  return b;
}

/// A component's scores as its comment in model.h defines them, in doubles.
std::vector<double> component_by_hand(const Model& model, const Component& component, const gpu::SparseView& histories,
                                      std::size_t row) {
  const auto items = histories.columns_of(row);
  const auto at = [](const std::vector<float>& values, std::size_t i) {
    return values.empty() ? 1.0 : static_cast<double>(values[i]);
  };
  std::vector<double> weights;
  for (std::size_t i = 0; i < items.size(); ++i) {
    weights.push_back(static_cast<double>(histories.value(histories.offsets[row] + i)) *
                      at(component.history_weight, items[i]) *
                      std::pow(static_cast<double>(items.size()), -static_cast<double>(component.degree_exponent)));
  }
  const std::vector<double> query =
      component.kind == ComponentKind::kFoldIn ? fold_in_by_hand(component, histories, row) : std::vector<double>();
  const auto& history_vectors = component.history_vectors.empty() ? component.item_vectors : component.history_vectors;
  std::vector<double> scores(kItems);
  for (std::size_t j = 0; j < kItems; ++j) {
    double& s = scores[j];
    if (component.kind == ComponentKind::kPopularity) s = static_cast<double>(model.popularity[j]);
    for (std::size_t l = 0; l < query.size(); ++l) {
      s += query[l] * static_cast<double>(component.item_vectors[j * component.dim + l]);
    }
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (component.kind == ComponentKind::kItemWeights) {
        const auto columns = component.weights.columns();
        for (std::size_t e = component.weights.offsets()[items[i]]; e < component.weights.offsets()[items[i] + 1];
             ++e) {
          if (columns[e] == j) s += weights[i] * static_cast<double>(component.weights.value(e));
        }
      }
      if (component.kind == ComponentKind::kEmbedding) {
        for (std::size_t l = 0; l < component.dim; ++l) {
          s += weights[i] * static_cast<double>(history_vectors[items[i] * component.dim + l]) *
               static_cast<double>(component.item_vectors[j * component.dim + l]);
        }
      }
    }
    s *= at(component.item_scale, j);
  }
  double divisor = 1.0;
  if (component.normalization == Normalization::kDeviation) {
    const double mean = std::accumulate(scores.begin(), scores.end(), 0.0) / kItems;
    double squares = 0.0;
    for (const double s : scores) squares += (s - mean) * (s - mean);
    divisor = std::sqrt(squares / kItems);
  }
  if (component.normalization == Normalization::kMaximum) {
    divisor = 0.0;
    for (const double s : scores) divisor = std::max(divisor, std::abs(s));
  }
  for (double& s : scores) s *= static_cast<double>(component.weight) / (divisor > 0.0 ? divisor : 1.0);
  return scores;
}

std::vector<double> scores_by_hand(const Model& model, const gpu::SparseView& histories, std::size_t row) {
  std::vector<double> sum(kItems);
  if (histories.columns_of(row).empty()) return {model.popularity.begin(), model.popularity.end()};
  for (const Component& component : model.components) {
    const auto scores = component_by_hand(model, component, histories, row);
    for (std::size_t j = 0; j < kItems; ++j) sum[j] += scores[j];
  }
  return sum;
}

/// Rows by falling score, of equal ones the lower first, without the excluded.
std::vector<std::uint32_t> best_by_hand(const std::vector<double>& scores, std::span<const std::uint32_t> excluded,
                                        std::size_t k) {
  std::vector<std::uint32_t> rows;
  for (std::uint32_t j = 0; j < scores.size(); ++j) {
    if (std::find(excluded.begin(), excluded.end(), j) == excluded.end()) rows.push_back(j);
  }
  std::stable_sort(rows.begin(), rows.end(), [&](auto a, auto b) { return scores[a] > scores[b]; });
  rows.resize(std::min(k, rows.size()));
  return rows;
}

void check_against_hand(const Model& model, std::uint64_t seed, std::size_t batch_max) {
  INFO("seed ", seed, ", batches of ", batch_max);
  const auto processor = backend();
  const auto ranker = ItemRanker::create(model, *processor, {.threads = 2, .batch_max = batch_max});
  REQUIRE_MESSAGE(ranker.ok(), ranker.status().to_string());
  const Histories histories = some_histories(40, seed);
  const gpu::SparseView view = histories.view();
  std::vector<gpu::RowFilter> filters;
  for (std::size_t row = 0; row < view.rows(); ++row) filters.push_back({.excluded = view.columns_of(row)});
  gpu::TopKAnswers answers;
  const Status ranked = (*ranker)->rank(view, 9, filters, &answers);
  REQUIRE_MESSAGE(ranked.ok(), ranked.to_string());
  std::vector<float> scores;
  REQUIRE((*ranker)->score(view, &scores).ok());
  for (std::size_t row = 0; row < view.rows(); ++row) {
    INFO("row ", row);
    const std::vector<double> expected = scores_by_hand(model, view, row);
    const double largest = std::abs(*std::max_element(expected.begin(), expected.end(),
                                                      [](double a, double b) { return std::abs(a) < std::abs(b); }));
    for (std::size_t j = 0; j < kItems; ++j) {
      CHECK(std::abs(static_cast<double>(scores[row * kItems + j]) - expected[j]) <= 2e-4 * largest);
    }
    const auto found = answers.rows_of(row);
    CHECK(std::vector(found.begin(), found.end()) == best_by_hand(expected, view.columns_of(row), 9));
  }
}

Model one_component(const Model& all, std::size_t index) {
  Model model = all;
  model.components = {all.components[index]};
  return model;
}

}  // namespace

TEST_CASE("a blend ranks as its definition does, summed up by hand") {
  for (const std::uint64_t seed : {1, 2, 3}) {
    check_against_hand(model_of_all_kinds(kItems, kDim, seed), seed, 256);
    check_against_hand(model_of_all_kinds(kItems, kDim, seed), seed, 3);
  }
}

TEST_CASE("each kind alone ranks as its definition does, through the backend's matrix where it has vectors") {
  for (const std::uint64_t seed : {4, 5}) {
    const Model all = model_of_all_kinds(kItems, kDim, seed);
    for (std::size_t i = 0; i < all.components.size(); ++i) {
      INFO(all.components[i].name);
      check_against_hand(one_component(all, i), seed, 7);
    }
  }
}

TEST_CASE("scores that are all alike are divided by one, and ties go to the lower row") {
  Model model = model_of_all_kinds(kItems, kDim, 6);
  model.popularity.assign(kItems, 3.0F);
  model.components.resize(1);
  model.components[0].normalization = Normalization::kDeviation;
  const auto processor = backend();
  const auto ranker = ItemRanker::create(model, *processor, {});
  Histories histories;
  histories.add({1});
  gpu::TopKAnswers answers;
  REQUIRE((*ranker)->rank(histories.view(), 3, {}, &answers).ok());
  CHECK(answers.rows == std::vector<std::uint32_t>{0, 1, 2});
  CHECK(answers.scores[0] == 0.75F);
}

TEST_CASE("a history has the same bits alone as among others, in scores and in answers") {
  constexpr std::size_t kMany = 200;
  for (const std::uint64_t seed : {21, 22}) {
    INFO("seed ", seed);
    const Model all = model_of_all_kinds(kMany, 33, seed);
    for (std::size_t only = 0; only <= all.components.size(); ++only) {
      INFO("component ", only);
      const Model model = only < all.components.size() ? one_component(all, only) : all;
      const auto processor = backend();
      const auto ranker = ItemRanker::create(model, *processor, {});
      const Histories histories = some_histories(40, seed);
      const gpu::SparseView together{histories.offsets, histories.columns, histories.values, kMany};
      std::vector<float> scores;
      gpu::TopKAnswers answers;
      REQUIRE((*ranker)->score(together, &scores).ok());
      REQUIRE((*ranker)->rank(together, 9, {}, &answers).ok());
      for (std::size_t row = 0; row < together.rows(); ++row) {
        const auto items = together.columns_of(row);
        const std::uint64_t offsets[] = {0, items.size()};
        const gpu::SparseView alone{offsets, items, together.values.subspan(together.offsets[row], items.size()),
                                    kMany};
        std::vector<float> own;
        gpu::TopKAnswers best;
        REQUIRE((*ranker)->score(alone, &own).ok());
        REQUIRE((*ranker)->rank(alone, 9, {}, &best).ok());
        CHECK(std::equal(own.begin(), own.end(), scores.begin() + static_cast<std::ptrdiff_t>(row * kMany)));
        CHECK(std::ranges::equal(best.rows_of(0), answers.rows_of(row)));
        CHECK(std::ranges::equal(best.scores_of(0), answers.scores_of(row)));
      }
    }
  }
}

TEST_CASE("nothing is answered where nothing passes, and no rows are asked for without error") {
  const Model model = model_of_all_kinds(kItems, kDim, 7);
  const auto processor = backend();
  const auto ranker = ItemRanker::create(model, *processor, {});
  Histories histories;
  histories.add({1});
  const gpu::RowFilter nothing{.ranges = std::span<const gpu::RowRange>()};
  gpu::TopKAnswers answers;
  REQUIRE((*ranker)->rank(histories.view(), 3, std::span(&nothing, 1), &answers).ok());
  CHECK(answers.counts == std::vector<std::uint32_t>{0});
  CHECK(answers.rows[0] == gpu::kNoRow);
  const std::uint64_t none[] = {0};
  REQUIRE((*ranker)->rank({.offsets = none, .width = kItems}, 3, {}, &answers).ok());
  CHECK(answers.counts.empty());
}

TEST_CASE("histories and questions that make no sense are refused") {
  const Model model = model_of_all_kinds(kItems, kDim, 8);
  const auto processor = backend();
  const auto ranker = ItemRanker::create(model, *processor, {});
  const auto code = [&](const gpu::SparseView& histories, std::size_t k, std::span<const gpu::RowFilter> filters) {
    gpu::TopKAnswers answers;
    return (*ranker)->rank(histories, k, filters, &answers).code();
  };
  const std::vector<std::uint64_t> offsets = {0, 1, 2};
  const std::vector<std::uint64_t> backwards = {0, 2, 1};
  const std::vector<std::uint32_t> columns = {1, 22};
  const std::vector<std::uint32_t> past = {1, 23};
  const std::vector<float> short_values = {1.0F};
  const std::vector<gpu::RowFilter> three(3);
  CHECK(code({offsets, columns, {}, kItems}, 5, {}) == StatusCode::kOk);
  CHECK(code({offsets, columns, {}, kItems - 1}, 5, {}) == StatusCode::kInvalidArgument);
  CHECK(code({offsets, past, {}, kItems}, 5, {}) == StatusCode::kInvalidArgument);
  CHECK(code({backwards, columns, {}, kItems}, 5, {}) == StatusCode::kInvalidArgument);
  CHECK(code({offsets, columns, short_values, kItems}, 5, {}) == StatusCode::kInvalidArgument);
  CHECK(code({{}, columns, {}, kItems}, 5, {}) == StatusCode::kInvalidArgument);
  CHECK(code({offsets, columns, {}, kItems}, 1025, {}) == StatusCode::kInvalidArgument);
  CHECK(code({offsets, columns, {}, kItems}, 5, three) == StatusCode::kInvalidArgument);
}

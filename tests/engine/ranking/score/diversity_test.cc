#include "engine/ranking/score/diversity.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "engine/model/served_model.h"
#include "tests/support/temporary_folder.h"

namespace {

using namespace cairn;
using ranking::DiversityOptions;
using ranking::ModelScores;
using ranking::PlaceIndex;
using Rows = std::vector<std::uint32_t>;

constexpr std::size_t kDim = 6;

/// Places of a few categories, some of none, within some kilometres, some at one spot; and what a model knows of most
/// of them, one by a vector of zeros.
struct Town {
  Town(std::size_t count, std::uint64_t seed) : random(seed) {
    std::vector<state::Catalog::Stored> stored;
    for (std::size_t i = 0; i < count; ++i) {
      const GeoPoint at{48.0 + 1e-4 * static_cast<double>(random() % 300),
                        16.0 + 1e-4 * static_cast<double>(random() % 300)};
      const std::size_t kind = random() % 5;
      const std::string category = kind == 0 ? "" : "kind" + std::to_string(kind);
      stored.push_back({i, 1, {PlaceId("p" + std::to_string(i)), "", at, category}});
      if (!category.empty()) categories.intern(category);
    }
    index = std::make_shared<const PlaceIndex>(std::move(stored), categories, 1);
  }

  std::shared_ptr<const ModelScores> model(std::uint64_t seed) {
    std::mt19937_64 numbers(seed);
    std::normal_distribution<float> normal;
    model::Model made{.popularity = {}};
    model::Component component{.name = "v", .kind = model::ComponentKind::kEmbedding, .dim = kDim};
    for (std::size_t i = 0; i < index->size(); ++i) {
      if (i % 5 == 2) continue;
      made.items.push_back("p" + std::to_string(i));
      for (std::size_t j = 0; j < kDim; ++j) component.item_vectors.push_back(i == 3 ? 0.0F : normal(numbers));
    }
    made.popularity.assign(made.items.size(), 1.0F);
    made.components.push_back(std::move(component));
    REQUIRE(model::save_model(made, scratch / "m").ok());
    const auto backend = gpu::make_cpu_backend({.threads = 1});
    const auto served = model::ServedModel::load(scratch / "m", **backend, EventTime{});
    REQUIRE_MESSAGE(served.ok(), served.status().to_string());
    for (std::size_t i = 0; i < made.items.size(); ++i) {
      const float* vector = made.components[0].item_vectors.data() + i * kDim;
      vectors[made.items[i]] = std::vector<double>(vector, vector + kDim);
    }
    return std::make_shared<const ModelScores>(index, *served);
  }

  test::TemporaryFolder scratch;
  std::mt19937_64 random;
  features::Dictionary categories;
  std::shared_ptr<const PlaceIndex> index;
  std::map<std::string, std::vector<double>> vectors;  ///< by place id, as the model was given them
};

double length(const std::vector<double>& v) {
  return std::sqrt(std::inner_product(v.begin(), v.end(), v.begin(), 0.0));
}

double similarity(const Town& town, std::uint32_t a, std::uint32_t b) {
  const Place& one = town.index->place(a);
  const Place& two = town.index->place(b);
  const auto first = town.vectors.find(one.id.str());
  const auto second = town.vectors.find(two.id.str());
  if (first != town.vectors.end() && second != town.vectors.end()) {
    const double lengths = length(first->second) * length(second->second);
    const double product = std::inner_product(first->second.begin(), first->second.end(), second->second.begin(), 0.0);
    if (lengths > 0.0) return product / lengths;
  }
  const bool same = !one.category.empty() && one.category == two.category;
  return (same ? 0.5 : 0.0) + std::exp(-distance_meters(one.position, two.position) / 500.0) / 2.0;
}

/// The formula of the paper word by word: everything is computed anew for each place at each step.
Rows oracle(const Town& town, const std::vector<PlaceIndex::Near>& candidates, const std::vector<float>& scores,
            const DiversityOptions& options, const Rows& best) {
  const Rows pool(best.begin(), best.begin() + static_cast<std::ptrdiff_t>(std::min(options.pool, best.size())));
  double least = 1e300;
  double most = -1e300;
  for (const std::uint32_t i : pool) {
    least = std::min(least, static_cast<double>(scores[i]));
    most = std::max(most, static_cast<double>(scores[i]));
  }
  Rows chosen;
  while (chosen.size() < options.limit) {
    const std::uint32_t* next = nullptr;
    double next_worth = 0.0;
    for (const std::uint32_t& i : pool) {
      if (std::find(chosen.begin(), chosen.end(), i) != chosen.end()) continue;
      const std::string& category = town.index->place(candidates[i].row).category;
      std::size_t of_category = 0;
      double alike = chosen.empty() ? 0.0 : -1e300;
      for (const std::uint32_t j : chosen) {
        of_category += town.index->place(candidates[j].row).category == category ? 1 : 0;
        alike = std::max(alike, similarity(town, candidates[i].row, candidates[j].row));
      }
      if (options.max_per_category > 0 && of_category >= options.max_per_category) continue;
      const double relevance = most > least ? (static_cast<double>(scores[i]) - least) / (most - least) : 0.0;
      const double worth = (1.0 - options.diversity) * relevance - options.diversity * alike;
      if (next != nullptr && worth <= next_worth) continue;
      next = &i;
      next_worth = worth;
    }
    if (next == nullptr) break;
    chosen.push_back(*next);
  }
  Rows order = chosen;
  for (const std::uint32_t i : best) {
    if (std::find(chosen.begin(), chosen.end(), i) == chosen.end()) order.push_back(i);
  }
  return order;
}

void compare(std::uint64_t seed, bool with_model) {
  CAPTURE(seed);
  CAPTURE(with_model);
  Town town(60, seed);
  const auto model = with_model ? town.model(seed + 1) : nullptr;
  std::vector<PlaceIndex::Near> candidates;
  std::vector<float> scores;
  for (std::uint32_t row = 0; row < town.index->size(); ++row) {
    candidates.push_back({row, 0.0F});
    scores.push_back(static_cast<float>(town.random() % 1'000'000) * 1e-5F - 3.0F);
  }
  Rows best(candidates.size());
  std::iota(best.begin(), best.end(), 0U);
  std::sort(best.begin(), best.end(), [&](auto a, auto b) { return scores[a] > scores[b]; });
  for (const double diversity : {0.05, 0.3, 0.5, 0.8, 1.0}) {
    for (const std::size_t cap : {std::size_t{0}, std::size_t{1}, std::size_t{4}}) {
      const DiversityOptions options{diversity, 50, 12, cap};
      CAPTURE(diversity);
      CAPTURE(cap);
      Rows found = best;
      ranking::diversify(*town.index, model.get(), candidates, scores, options, found);
      CHECK(found == oracle(town, candidates, scores, options, best));
      CHECK(std::is_permutation(found.begin(), found.end(), best.begin()));
    }
  }
}

TEST_CASE("a diverse answer is the one that the formula gives word by word, with a model's vectors and without") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    compare(seed, false);
    compare(seed, true);
  }
}

TEST_CASE("without diversity nothing moves") {
  const Town town(5, 1);
  const std::vector<PlaceIndex::Near> candidates = {{0, 0.0F}, {1, 0.0F}, {2, 0.0F}};
  const std::vector<float> scores = {1.0F, 3.0F, 2.0F};
  Rows best = {1, 2, 0};
  ranking::diversify(*town.index, nullptr, candidates, scores, {0.0, 3, 3, 0}, best);
  CHECK(best == Rows{1, 2, 0});
}

TEST_CASE("equal scores, infinite ones and a pool of none are chosen from too") {
  const Town town(6, 2);
  std::vector<PlaceIndex::Near> candidates;
  for (std::uint32_t row = 0; row < 6; ++row) candidates.push_back({row, 0.0F});
  const Rows best = {0, 1, 2, 3, 4, 5};
  const std::vector<float> infinite = {INFINITY, INFINITY, 0.0F, 0.0F, -INFINITY, -INFINITY};
  for (const std::vector<float>& scores : {std::vector<float>(6, 2.0F), infinite}) {
    Rows found = best;
    ranking::diversify(*town.index, nullptr, candidates, scores, {0.5, 6, 6, 0}, found);
    CHECK(found.front() == 0);
    CHECK(std::is_permutation(found.begin(), found.end(), best.begin()));
  }
  Rows none;
  ranking::diversify(*town.index, nullptr, candidates, infinite, {0.5, 6, 6, 0}, none);
  CHECK(none.empty());
}

}  // namespace

#include "engine/ranking/model_scores.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "cairn/engine.h"
#include "engine/learning/interactions.h"
#include "engine/learning/train.h"
#include "engine/ranking/builtin_views.h"
#include "tests/support/temporary_folder.h"

namespace {

using namespace cairn;
using ranking::ModelHistory;
using ranking::ModelQuery;
using ranking::ModelScores;
using ranking::PlaceIndex;
using test::TemporaryFolder;
using Bits = std::vector<std::uint32_t>;
using Places = std::vector<std::uint32_t>;

Bits bits(std::span<const float> values) {
  Bits all;
  for (const float value : values) all.push_back(std::bit_cast<std::uint32_t>(value));
  return all;
}

/// A small city: users of one of four tastes, each with places of their own. Of its places some are no items of a model
/// trained on it (nobody has been there), and some places where users have been stand in no catalogue.
struct City {
  static constexpr std::size_t kTastes = 4;
  static constexpr std::size_t kPerTaste = 30;
  static constexpr std::size_t kUsers = 120;

  explicit City(std::uint64_t seed) {
    std::mt19937_64 random(seed);
    learning::InteractionsBuilder builder;
    for (std::size_t user = 0; user < kUsers; ++user) {
      std::vector<std::uint64_t>& visits = visited.emplace_back();
      for (std::size_t i = random() % 12; i > 0; --i) {
        const bool own_taste = random() % 8 != 0;
        const std::size_t taste = own_taste ? user % kTastes : random() % kTastes;
        const std::string place = "p" + std::to_string(taste * kPerTaste + random() % kPerTaste);
        builder.add("u" + std::to_string(user), place);
        visits.push_back(place_ids.intern(place));
      }
    }
    train = std::move(builder).finish();
    std::vector<state::Catalog::Stored> places;
    for (std::size_t i = 0; i < kTastes * kPerTaste + 10; ++i) {  // the last ten nobody knows
      if (i % 7 == 3) continue;                                   // visited, and in no catalogue
      const std::string id = "p" + std::to_string(i);
      const GeoPoint at{40.0 + static_cast<double>(random() % 1'000) / 1'000.0,
                        -74.0 + static_cast<double>(random() % 1'000) / 1'000.0};
      places.push_back({place_ids.intern(id), 1, {PlaceId(id), "", at, ""}});
    }
    index = std::make_shared<const PlaceIndex>(std::move(places), features::Dictionary(), 1);
  }

  /// The row of a user who visited these places, one after another.
  [[nodiscard]] features::Row row(const std::vector<std::uint64_t>& places) const {
    features::ViewBlock block{.view = schema.find(ranking::kUserHistory)->id, .aggregate = Aggregate::kSequence};
    for (const std::uint64_t place : places) {
      const auto time = static_cast<std::int64_t>(block.entries.size() + 1);
      block.entries.push_back({place, {.count = 1, .micros = 1'000'000, .newest_ms = time}});
    }
    return {{std::move(block)}};
  }

  [[nodiscard]] std::shared_ptr<const model::ServedModel> serve(const model::Model& model) const {
    const std::string folder = scratch / "m" + std::to_string(++served);
    REQUIRE(model::save_model(model, folder).ok());
    auto backend = gpu::make_cpu_backend({.threads = 1});
    auto made = model::ServedModel::load(folder, **backend, EventTime{});
    REQUIRE_MESSAGE(made.ok(), made.status().to_string());
    return *std::move(made);
  }

  [[nodiscard]] model::Model trained(std::string_view kind, gpu::Precision precision = gpu::Precision::kFp32) const {
    learning::TrainOptions options{.seed = 3, .precision = precision};
    if (kind == "ials") options.parameters = {{"dim", "12"}, {"epochs", "4"}, {"unobserved_weight", "0.1"}};
    if (kind == "graph") options.parameters = {{"dim", "4"}};
    auto made = learning::train(kind, train, options);
    REQUIRE_MESSAGE(made.ok(), made.status().to_string());
    return *std::move(made);
  }

  TemporaryFolder scratch;
  mutable int served = 0;
  features::ViewRegistry registry;
  InteractionTypes types;
  features::Schema schema = *features::Schema::build(builtin_feature_views(), types, &registry);
  features::Dictionary place_ids;
  std::vector<std::vector<std::uint64_t>> visited;  ///< by user: dictionary ids
  learning::Interactions train;
  std::shared_ptr<const PlaceIndex> index;
};

/// The histories of all users over a model's items, as somebody who has only the data would make them.
struct Offline {
  std::vector<std::uint64_t> offsets = {0};
  std::vector<std::uint32_t> columns = {};
  std::size_t width = 0;

  Offline(const City& city, const model::Model& model) : width(model.items.size()) {
    for (const auto& places : city.visited) {
      std::set<std::uint32_t> items;
      for (const std::uint64_t place : places) {
        const auto found = std::find(model.items.begin(), model.items.end(), city.place_ids.name(place));
        if (found != model.items.end()) items.insert(static_cast<std::uint32_t>(found - model.items.begin()));
      }
      columns.insert(columns.end(), items.begin(), items.end());
      offsets.push_back(columns.size());
    }
  }
  [[nodiscard]] gpu::SparseView view() const { return {offsets, columns, {}, width}; }
};

/// Compares every user's scores with the list that the ranker answers to all histories at once.
void check_lists(const City& city, const model::Model& model, bool divided = false) {
  const ModelScores scores(city.index, city.serve(model));
  const model::ItemRanker& ranker = scores.model()->ranker();
  const Offline offline(city, model);
  const std::size_t items = model.items.size();
  gpu::TopKAnswers lists;
  REQUIRE(ranker.rank(offline.view(), items, {}, &lists).ok());
  std::vector<float> all;
  REQUIRE(ranker.score(offline.view(), &all).ok());
  CHECK(scores.rows().items_without_place() > 5);
  CHECK(scores.rows().places_without_item() > 5);
  std::size_t strangers = 0;
  for (std::size_t user = 0; user < city.visited.size(); ++user) {
    INFO("user ", user);
    const features::Row row = city.row(city.visited[user]);
    const ModelHistory history = scores.history(city.schema, &row, city.place_ids);
    const auto expected_history = offline.view().columns_of(user);
    REQUIRE(std::ranges::equal(history.items, expected_history));
    strangers += history.items.empty() ? 1 : 0;
    const auto query = scores.ask(history);
    REQUIRE_MESSAGE(query.ok(), query.status().to_string());
    CHECK((query->kind == ModelQuery::Kind::kPopularity) == history.items.empty());

    // By item: what the list says, or where the list is not divided and the model is, what the scores say.
    std::vector<float> by_item(items);
    for (std::size_t i = 0; i < items; ++i) by_item[lists.rows_of(user)[i]] = lists.scores_of(user)[i];
    if (divided)
      by_item.assign(all.begin() + static_cast<std::ptrdiff_t>(user * items),
                     all.begin() + static_cast<std::ptrdiff_t>((user + 1) * items));
    std::vector<float> expected(city.index->size(), 0.0F);
    for (std::uint32_t item = 0; item < items; ++item) {
      const std::uint32_t place = scores.rows().place_row(item);
      if (place != gpu::kNoRow) expected[place] = by_item[item];
    }
    const std::vector<float> found = scores.score_all(*query);
    REQUIRE(bits(found) == bits(expected));

    const std::vector<std::uint32_t> some = {5, 0, static_cast<std::uint32_t>(city.index->size() - 1), 5};
    std::vector<float> of_some(some.size());
    scores.score(*query, some, of_some);
    CHECK(bits(of_some) == bits(std::vector{found[5], found[0], found.back(), found[5]}));
  }
  CHECK(strangers > 0);
  CHECK(strangers < city.visited.size() / 2);
}

TEST_CASE("the scores of places are those of the ranker's lists, bit for bit, for every kind of model") {
  for (const std::uint64_t seed : {1, 2}) {
    INFO("seed ", seed);
    const City city(seed);
    for (const learning::TrainingKind& kind : learning::training_kinds()) {
      INFO(kind.name);
      check_lists(city, city.trained(kind.name));
    }
  }
}

TEST_CASE("the scores of places are those of the lists in every precision of vectors, and of a blend with divisors") {
  const City city(3);
  for (const auto precision : {gpu::Precision::kFp16, gpu::Precision::kInt8, gpu::Precision::kInt4}) {
    INFO(to_string(precision));
    check_lists(city, city.trained("ials", precision));
  }
  model::Model blend = city.trained("ials");
  const model::Model ease = city.trained("ease");
  const model::Model knn = city.trained("item-knn");
  REQUIRE(blend.items == ease.items);
  REQUIRE(blend.items == knn.items);
  model::Model divided = blend;
  divided.components[0].normalization = model::Normalization::kDeviation;
  check_lists(city, divided, true);
  for (const model::Model* other : {&ease, &knn}) {
    blend.components.push_back(other->components[0]);
    blend.components.back().name = "part" + std::to_string(blend.components.size());
    blend.components.back().normalization = model::Normalization::kDeviation;
    blend.components.back().weight = 0.3F;
  }
  blend.components[0].normalization = model::Normalization::kMaximum;
  check_lists(city, blend);
}

TEST_CASE("vectors and popularity by place are what a scan needs to make the same scores") {
  const City city(4);
  const ModelScores scores(city.index, city.serve(city.trained("ials")));
  const std::vector<float> vectors = scores.place_vectors();
  REQUIRE(scores.vector_dim() == 12);
  REQUIRE(vectors.size() == city.index->size() * 12);
  const features::Row row = city.row({*city.place_ids.find(scores.model()->model().items[4])});
  const auto query = scores.ask(scores.history(city.schema, &row, city.place_ids));
  REQUIRE(query->kind == ModelQuery::Kind::kVector);
  std::vector<float> by_chain;
  for (std::uint32_t place = 0; place < city.index->size(); ++place) {
    float sum = 0.0F;
    for (std::size_t j = 0; j < 12; ++j) sum = std::fmaf(query->values[j], vectors[place * 12 + j], sum);
    by_chain.push_back(sum);
    if (scores.rows().model_row(place) == gpu::kNoRow) CHECK(sum == 0.0F);
  }
  CHECK(by_chain == scores.score_all(*query));
  CHECK(scores.place_popularity() == scores.score_all({}));

  const ModelScores of_blend(city.index, city.serve(city.trained("ease")));
  CHECK(of_blend.vector_dim() == 0);
  CHECK(of_blend.place_vectors().empty());
}

TEST_CASE("a place without an item has the score 0, also by a query that is not finite, wherever it is asked for") {
  const City city(6);
  const ModelScores scores(city.index, city.serve(city.trained("ials")));
  const ModelQuery query{ModelQuery::Kind::kVector,
                         std::vector<float>(scores.vector_dim(), std::numeric_limits<float>::infinity())};
  const auto with_item = [&](bool wanted) {
    std::uint32_t place = 0;
    while ((scores.rows().model_row(place) != gpu::kNoRow) != wanted) ++place;
    return place;
  };
  const std::uint32_t known = with_item(true);
  const std::uint32_t stranger = with_item(false);
  for (const auto& places : {Places{stranger}, Places{stranger, known}, Places{known, stranger}, Places{}}) {
    std::vector<float> found(places.size(), -1.0F);
    scores.score(query, places, found);
    for (std::size_t i = 0; i < places.size(); ++i) CHECK((found[i] == 0.0F) == (places[i] == stranger));
  }
}

TEST_CASE("what a session has just seen joins the history, and nothing counts twice") {
  const City city(5);
  const ModelScores scores(city.index, city.serve(city.trained("popularity")));
  const std::vector<std::string>& items = scores.model()->model().items;
  const std::string in_both = [&] {
    for (const std::string& item : items) {
      if (city.index->row_of(*city.place_ids.find(item)) != gpu::kNoRow) return item;
    }
    return std::string();
  }();
  const std::string no_place = [&] {
    for (const std::string& item : items) {
      if (city.index->row_of(*city.place_ids.find(item)) == gpu::kNoRow) return item;
    }
    return std::string();
  }();
  const std::uint32_t both = scores.model()->ids().find(in_both);
  const std::uint32_t without = scores.model()->ids().find(no_place);
  const features::Row row =
      city.row({*city.place_ids.find(in_both), *city.place_ids.find(in_both), *city.place_ids.find("p125"), 1'000'000});
  const auto history = [&](const std::vector<PlaceId>& recent) {
    return scores.history(city.schema, &row, city.place_ids, recent);
  };
  CHECK(history({}).items == std::vector{both});
  CHECK(history({}).unknown == 2);  // a place that is no item, and one that no dictionary knows
  CHECK(history({PlaceId(in_both), PlaceId("p125")}).items == std::vector{both});
  CHECK(history({PlaceId(in_both), PlaceId("p125")}).unknown == 2);
  CHECK(history({PlaceId(no_place), PlaceId(no_place)}).items ==
        std::vector{std::min(both, without), std::max(both, without)});
  CHECK(history({PlaceId("never seen"), PlaceId("never seen")}).unknown == 3);
  const ModelHistory nobody = scores.history(city.schema, nullptr, city.place_ids, std::vector{PlaceId(no_place)});
  CHECK(nobody.items == std::vector{without});
  CHECK(scores.history(city.schema, nullptr, city.place_ids).items.empty());
}

}  // namespace

// Requests that explore: what the answers are, and who is refused.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/model/served_model.h"
#include "engine/ranking/builtin_views.h"
#include "engine/ranking/recommender.h"
#include "features/row.h"
#include "tests/engine/model/made_up.h"
#include "tests/support/temporary_folder.h"

namespace {

using namespace cairn;
using Ids = std::vector<std::string>;
using ranking::Recommender;

const EventTime kNow = event_time_from_ms(1'700'000'000'000);
constexpr GeoPoint kHere{40.7, -74.0};
constexpr std::size_t kPlaces = 400;
constexpr std::size_t kDim = 6;

/// Places close together; a model that knows all but every 50th of them, and some items that are no places; a user who
/// has been to three places. A score is the model's, times a weight.
struct Town {
  explicit Town(std::map<std::string, double> weights = {{"model", 1.0}}, std::size_t categories = 1) {
    std::vector<Place> places;
    for (std::size_t i = 0; i < kPlaces; ++i) {
      const std::string id = "p" + std::to_string(i);
      places.push_back(
          {PlaceId(id), id, {40.7 + static_cast<double>(i) * 1e-5, -74.0}, "kind " + std::to_string(i % categories)});
    }
    REQUIRE(state->catalog().upsert(places).ok());
    RankingOptions options;
    options.weights = std::move(weights);
    options.default_weights = options.weights.empty();
    recommender = *Recommender::create(*state, options);
    for (const char* place : {"p3", "p77", "p200"}) happen("ann", place);
  }

  void happen(const std::string& user, const std::string& place) {
    const Interaction one{UserId(user), PlaceId(place), *state->types().find("visit"), kNow, {}, {}, {}};
    REQUIRE(state->apply({"test", {&one, 1}, {}, 0}).ok());
  }
  void serve(model::ComponentKind kind) {
    model::Model made;
    for (std::size_t i = 0; i < kPlaces + 20; ++i) {
      if (i % 50 != 9) made.items.push_back("p" + std::to_string(i));
    }
    made.popularity = model_test::normal_matrix(made.items.size(), 1, 5);
    model::Component component{.name = "v", .kind = kind, .weight = -0.5F, .dim = kDim};
    component.item_scale = model_test::normal_matrix(made.items.size(), 1, 6);
    component.item_vectors = model_test::normal_matrix(made.items.size(), kDim, 7);
    component.fold_in = {.unobserved_weight = 0.05F, .regularization = 0.1F, .frequency_exponent = 0.5F};
    made.components.push_back(std::move(component));
    REQUIRE(model::save_model(made, scratch / "m").ok());
    const auto backend = gpu::make_cpu_backend({.threads = 1});
    auto loaded = model::ServedModel::load(scratch / "m", **backend, EventTime{});
    REQUIRE_MESSAGE(loaded.ok(), loaded.status().to_string());
    served = *std::move(loaded);
    recommender->serve_model(served);
  }

  Result<Recommendations> try_ask(std::optional<Explore> explore, RecommendRequest request = {}) {
    if (request.user.str().empty()) request.user = UserId("ann");
    request.position = kHere;
    request.explore = explore;
    return recommender->recommend(CallContext(), request, kNow);
  }
  Recommendations ask(std::optional<Explore> explore, RecommendRequest request = {}) {
    auto answer = try_ask(explore, std::move(request));
    REQUIRE_MESSAGE(answer.ok(), answer.status().to_string());
    return *std::move(answer);
  }

  /// What the ranker of models says of ann's history: scores of items, by id.
  std::map<std::string, float> offline(const model::Exploration& exploration) const {
    std::vector<std::uint32_t> items;
    for (const char* place : {"p3", "p77", "p200"}) items.push_back(served->ids().find(place));
    std::sort(items.begin(), items.end());
    const std::uint64_t offsets[] = {0, items.size()};
    const std::size_t count = served->model().items.size();
    gpu::TopKAnswers answers;
    REQUIRE(served->ranker().rank({offsets, items, {}, count}, count, {}, exploration, &answers).ok());
    std::map<std::string, float> scores;
    for (std::size_t i = 0; i < count; ++i)
      scores[served->model().items[answers.rows_of(0)[i]]] = answers.scores_of(0)[i];
    return scores;
  }

  test::TemporaryFolder scratch;
  std::unique_ptr<storage::StateStore> store = storage::open_memory_store(features::merge_encoded_rows);
  std::unique_ptr<state::FeatureState> state =
      *state::FeatureState::open(*store, {.views = ranking::builtin_views()}, InteractionTypes());
  std::unique_ptr<Recommender> recommender;
  std::shared_ptr<const model::ServedModel> served;
};

Ids ids_of(const Recommendations& answer) {
  Ids ids;
  for (const Recommended& item : answer.items) ids.push_back(item.place.id.str());
  return ids;
}

/// Places by score, best first; those that the model does not know have 0.
std::vector<std::pair<double, std::string>> ordered(std::map<std::string, float> scores) {
  std::vector<std::pair<double, std::string>> order;
  for (std::size_t i = 0; i < kPlaces; ++i) {
    const std::string id = "p" + std::to_string(i);
    order.emplace_back(static_cast<double>(scores[id]), id);
  }
  std::stable_sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  return order;
}

Explore thompson(std::uint64_t seed, double strength = 1.0) {
  return {.method = ExploreMethod::kThompson, .strength = strength, .seed = seed};
}

TEST_CASE("a drawn answer is what the ranker of models draws with the same seed") {
  Town town;
  town.serve(model::ComponentKind::kFoldIn);
  for (const std::uint64_t seed : {1U, 2U, 77U}) {
    CAPTURE(seed);
    const auto answer = town.ask(thompson(seed, 2.0));
    CHECK(answer.explored == ExploreMethod::kThompson);
    const auto expected = ordered(
        town.offline({.options = {.method = gpu::ExploreOptions::Method::kThompson, .strength = 2.0F, .seed = seed}}));
    REQUIRE(answer.items.size() == 20);
    for (std::size_t i = 0; i < answer.items.size(); ++i) {
      CHECK(answer.items[i].place.id.str() == expected[i].second);
      CHECK(answer.items[i].score == expected[i].first);
    }
  }
}

TEST_CASE("the same seed gives the same answer, and another one another") {
  Town town;
  town.serve(model::ComponentKind::kFoldIn);
  CHECK(ids_of(town.ask(thompson(5))) == ids_of(town.ask(thompson(5))));
  CHECK(ids_of(town.ask(thompson(5))) != ids_of(town.ask(thompson(6))));
  std::set<std::string> seen;
  RecommendRequest request{.limit = 150};
  for (;;) {
    const auto page = town.ask(thompson(5), request);
    for (const std::string& id : ids_of(page)) CHECK_MESSAGE(seen.insert(id).second, id);
    if (page.next.empty()) break;
    request.cursor = page.next;
  }
  CHECK(seen.size() == kPlaces);
}

TEST_CASE("by upper bounds the 256 best are ordered anew, by the bounds of the ranker of models") {
  for (const double weight : {2.0, -2.0}) {
    CAPTURE(weight);
    Town town({{"model", weight}});
    town.serve(model::ComponentKind::kFoldIn);
    const auto plain = town.offline({});
    const auto raised = town.offline(
        {.options = {.method = gpu::ExploreOptions::Method::kUpperBound, .strength = 3.0F}, .candidates_max = 1024});
    std::map<std::string, float> scores;
    for (const auto& [id, score] : plain) scores[id] = static_cast<float>(weight) * score;
    auto best = ordered(scores);
    best.resize(256);
    for (auto& [score, id] : best) {
      if (!plain.contains(id)) continue;  // the model does not know it
      score += std::abs(weight) * static_cast<double>(raised.at(id) - plain.at(id));
    }
    std::stable_sort(best.begin(), best.end(), [](const auto& a, const auto& b) { return a.first > b.first; });

    const auto answer = town.ask(Explore{.method = ExploreMethod::kUcb, .strength = 3.0}, {.against = true});
    CHECK(answer.explored == ExploreMethod::kUcb);
    CHECK(ids_of(answer) != ids_of(town.ask({})));
    REQUIRE(answer.items.size() == 20);
    for (std::size_t i = 0; i < answer.items.size(); ++i) {
      CHECK(answer.items[i].place.id.str() == best[i].second);
      CHECK(answer.items[i].score == doctest::Approx(best[i].first).epsilon(1e-5));
      double sum = 0.0;
      for (const Reason& reason : answer.items[i].reasons) sum += reason.contribution;
      for (const Reason& reason : answer.items[i].against) sum += reason.contribution;
      CHECK(answer.items[i].score == doctest::Approx(sum).epsilon(1e-6));
    }
  }
}

TEST_CASE("all of an answer that has more places than are raised is there, the raised first") {
  Town town;
  town.serve(model::ComponentKind::kFoldIn);
  const auto answer = town.ask(Explore{.method = ExploreMethod::kUcb}, {.limit = kPlaces});
  std::set<std::string> seen;
  for (const std::string& id : ids_of(answer)) seen.insert(id);
  CHECK(seen.size() == kPlaces);
  for (std::size_t i = 1; i < kPlaces; ++i) CHECK(answer.items[i - 1].score >= answer.items[i].score);
}

TEST_CASE("what a cap lets in from behind the raised places has the reasons of its score") {
  Town town({{"model", 1.0}}, 3);
  town.serve(model::ComponentKind::kFoldIn);
  const auto answer = town.ask(Explore{.method = ExploreMethod::kUcb, .strength = 3.0},
                               {.limit = 270, .max_per_category = 90, .against = true});
  REQUIRE(answer.items.size() == 270);
  for (const Recommended& item : answer.items) {
    double sum = 0.0;
    for (const Reason& reason : item.reasons) sum += reason.contribution;
    for (const Reason& reason : item.against) sum += reason.contribution;
    CHECK_MESSAGE(item.score == doctest::Approx(sum).epsilon(1e-5), item.place.id.str());
  }
}

TEST_CASE("with no strength, and for whom the model knows nothing of, answers are those without exploration") {
  Town town({{"model", 1.0}, {"distance", -0.1}});
  town.serve(model::ComponentKind::kFoldIn);
  for (const Explore& explore : {thompson(3, 0.0), Explore{.method = ExploreMethod::kUcb, .strength = 0.0}}) {
    const auto answer = town.ask(explore);
    CHECK(!answer.explored);
    CHECK(ids_of(answer) == ids_of(town.ask({})));
  }
  for (const Explore& explore : {thompson(3), Explore{.method = ExploreMethod::kUcb}}) {
    const auto answer = town.ask(explore, {.user = UserId("stranger")});
    CHECK(!answer.explored);
    CHECK(ids_of(answer) == ids_of(town.ask({}, {.user = UserId("stranger")})));
    // Who is known by a session is not sure to the model either.
    CHECK(town.ask(explore, {.user = UserId("stranger"), .recent = {PlaceId("p5")}}).explored == explore.method);
  }
}

TEST_CASE("who asks to explore where nothing can is told the remedy") {
  const auto refused = [](Town& town, const Explore& explore) {
    const auto answer = town.try_ask(explore);
    REQUIRE(!answer.ok());
    return answer.status();
  };
  Town town;
  CHECK(refused(town, thompson(1)).code() == StatusCode::kFailedPrecondition);
  CHECK(refused(town, thompson(1)).message() ==
        "explore: no model is in force; activate one that cairn train --kind ials has made, or ask without explore");
  town.serve(model::ComponentKind::kEmbedding);
  CHECK(refused(town, thompson(1)).code() == StatusCode::kFailedPrecondition);
  CHECK(refused(town, thompson(1)).message().find("not one set of fold-in vectors") != std::string::npos);
  Town weightless({{"distance", -1.0}});
  weightless.serve(model::ComponentKind::kFoldIn);
  CHECK(refused(weightless, thompson(1)).message().find("weights of ranking") != std::string::npos);

  town.serve(model::ComponentKind::kFoldIn);
  const Explore bad[] = {{.method = ExploreMethod::kThompson},
                         {.method = ExploreMethod::kUcb, .seed = 1},
                         thompson(1, -1.0),
                         thompson(1, 100.5),
                         thompson(1, std::nan(""))};
  for (const Explore& explore : bad) CHECK(refused(town, explore).code() == StatusCode::kInvalidArgument);
}

}  // namespace

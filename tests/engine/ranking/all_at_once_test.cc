// Questions while events come, places are imported, and models and rankers are replaced, all at once.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "engine/model/model.h"
#include "engine/model/served_model.h"
#include "engine/ranking/builtin_views.h"
#include "engine/ranking/recommender.h"
#include "engine/ranking/score/ranking_features.h"
#include "features/row.h"
#include "gpu/backend.h"
#include "tests/support/temporary_folder.h"

namespace {

using namespace cairn;

const EventTime kNow = event_time_from_ms(1'700'000'000'000);
constexpr GeoPoint kHere{40.7, -74.0};
constexpr std::size_t kPlaces = 400;

/// A model in which the vectors of all items and of every history have one direction: item i is worth `worth` for each
/// place that the user has been to.
std::shared_ptr<const model::ServedModel> model_of_worth(const std::string& folder, float worth) {
  model::Model model;
  model::Component one{.name = "vectors", .kind = model::ComponentKind::kEmbedding, .dim = 2};
  for (std::size_t i = 0; i < kPlaces; ++i) {
    model.items.push_back("p" + std::to_string(i));
    one.item_vectors.insert(one.item_vectors.end(), {worth, 0.0F});
    one.history_vectors.insert(one.history_vectors.end(), {1.0F, 0.0F});
    model.popularity.push_back(worth);
  }
  model.components.push_back(std::move(one));
  REQUIRE(model::save_model(model, folder).ok());
  const auto backend = gpu::make_cpu_backend({.threads = 1});
  auto served = model::ServedModel::load(folder, **backend, kNow);
  REQUIRE_MESSAGE(served.ok(), served.status().to_string());
  return *std::move(served);
}

/// One by which a score is the model's, so many times. Its version says how many.
ranking::RankerModel ranker_of_weight(std::uint64_t weight) {
  ranking::RankerModel ranker = ranking::default_ranker();
  ranker.version = weight;
  ranker.network.reset();
  std::fill(ranker.weights.begin(), ranker.weights.end(), 0.0);
  ranker.weights[*ranking::find_ranking_feature("model")] = static_cast<double>(weight);
  ranker.weights[*ranking::find_ranking_feature("popularity")] = 1e-6;
  return ranker;
}

struct City {
  std::unique_ptr<storage::StateStore> store = storage::open_memory_store(features::merge_encoded_rows);
  std::unique_ptr<state::FeatureState> state =
      *state::FeatureState::open(*store, {.views = ranking::builtin_views()}, InteractionTypes());
  std::unique_ptr<ranking::Recommender> recommender;
  std::mt19937 random{3};

  City() {
    import(0, kPlaces);
    recommender = *ranking::Recommender::create(*state, {}, ranker_of_weight(1));
    for (int i = 0; i < 8; ++i) happen("u", "p" + std::to_string(i));
  }
  void import(std::size_t begin, std::size_t end) {
    std::uniform_real_distribution<double> offset(-0.02, 0.02);
    std::vector<Place> places;
    for (std::size_t i = begin; i < end; ++i) {
      places.push_back({PlaceId("p" + std::to_string(i)),
                        "",
                        {kHere.lat + offset(random), kHere.lon + offset(random)},
                        "k" + std::to_string(random() % 9)});
    }
    REQUIRE(state->catalog().upsert(places).ok());
    if (recommender) recommender->refresh_index();
  }
  void happen(const std::string& user, const std::string& place) {
    const Interaction one{UserId(user), PlaceId(place), *state->types().find("visit"), kNow, {}, {}, {}};
    REQUIRE(state->apply({"test", {&one, 1}, {}, 0}).ok());
  }
};

TEST_CASE("an answer is of one model and one ranker and fails never, while events, places and both come at once") {
  const test::TemporaryFolder scratch;
  City city;
  const auto first = model_of_worth(scratch / "first", 1.0F);
  const auto second = model_of_worth(scratch / "second", 100.0F);
  REQUIRE(first->version() != second->version());
  city.recommender->serve_model(first);

  std::atomic<bool> done{false};
  std::atomic<int> asked{0};
  std::atomic<int> wrong{0};
  const auto ask = [&] {
    while (!done.load()) {
      const auto answer = city.recommender->recommend(
          CallContext(), {.user = UserId("u"), .position = kHere, .limit = 30, .radius_meters = 50'000.0}, kNow);
      asked.fetch_add(1);
      if (!answer.ok() || answer->items.size() != 30) {
        wrong.fetch_add(1);
        continue;
      }
      // The user has been to 8 places: every score is 8 times the worth of the answer's own model, times the weight
      // that its own ranker gives that.
      const double worth = (answer->model == first->version() ? 8.0 : 800.0) * static_cast<double>(answer->ranker);
      for (const Recommended& item : answer->items) {
        if (std::abs(item.score - worth) > 0.01) wrong.fetch_add(1);
      }
    }
  };
  {
    std::vector<std::jthread> threads;
    threads.emplace_back(ask);
    threads.emplace_back(ask);
    threads.emplace_back([&] {
      for (int i = 0; !done.load(); ++i) city.happen("v", "p" + std::to_string(i % kPlaces));
    });
    for (int round = 0; round < 200 || asked.load() < 200; ++round) {
      city.recommender->serve_model(round % 2 == 0 ? second : first);
      if (round % 3 == 0) REQUIRE(city.recommender->serve_ranker(ranker_of_weight(round % 2 == 0 ? 10 : 1)).ok());
      if (round % 10 == 0) city.import(round % kPlaces, round % kPlaces + 3);
    }
    done.store(true);
  }
  CHECK(wrong.load() == 0);
}

}  // namespace

#include <doctest/doctest.h>

#include <atomic>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "engine/ranking/builtin_views.h"
#include "engine/ranking/recommender.h"
#include "features/row.h"
#include "tests/engine/ranking/watched_store.h"

namespace {

using namespace cairn;
using ranking::Recommender;

const EventTime kNow = event_time_from_ms(1'700'000'000'000);
constexpr GeoPoint kHere{40.7, -74.0};

Place at(const std::string& id, GeoPoint position, std::string category = "") {
  return {PlaceId(id), id, position, std::move(category)};
}

/// Places whose index can be changed while a user's row is read.
struct Fixture {
  ranking::WatchedStore store{storage::open_memory_store(features::merge_encoded_rows)};
  std::unique_ptr<state::FeatureState> state;
  std::unique_ptr<Recommender> recommender;

  explicit Fixture(const std::vector<Place>& places) {
    state = *state::FeatureState::open(store, {.views = ranking::builtin_views()}, InteractionTypes());
    import(places);
    recommender = *Recommender::create(*state, {});
  }
  void import(const std::vector<Place>& places) {
    REQUIRE(state->catalog().upsert(places).ok());
    if (recommender) recommender->refresh_index();
  }
  void visit(const std::string& user, const std::string& place) {
    const Interaction one{
        UserId(user), PlaceId(place), *state->types().find("visit"), kNow - std::chrono::hours(1), {}, {}, {}};
    REQUIRE(state->apply({"test", {&one, 1}, {}, 0}).ok());
  }
  /// What a request for `user` sees when places are imported just before the user's row is read.
  Result<Recommendations> ask_during_import(const RecommendRequest& request, std::vector<Place> places) {
    store.on_next_get = [this, places = std::move(places)] { import(places); };
    auto answer = recommender->recommend(CallContext(), request, kNow);
    CHECK_FALSE(store.on_next_get);  // the import did happen in the middle
    return answer;
  }
};

std::vector<std::string> ids_of(const Recommendations& answer) {
  std::vector<std::string> ids;
  for (const Recommended& item : answer.items) ids.push_back(item.place.id.str());
  return ids;
}

/// Many places that come before kHere in Hilbert order, so that the rows of what was there before move up.
std::vector<Place> southwestern(int count) {
  std::vector<Place> places;
  for (int i = 0; i < count; ++i) places.push_back(at("new" + std::to_string(i), {-80.0 + i * 1e-3, -170.0}));
  return places;
}

TEST_CASE("a request whose places change in its middle leaves out the places that its user has seen") {
  Fixture f({at("a", {40.701, -74.0}), at("b", {40.702, -74.0}), at("c", {40.703, -74.0})});
  f.visit("u", "b");
  const auto answer = f.ask_during_import({.user = UserId("u"), .position = kHere, .limit = 3, .exclude_seen = true},
                                          southwestern(1000));
  REQUIRE(answer.ok());
  CHECK(ids_of(*answer) == std::vector<std::string>{"a", "c"});
}

TEST_CASE("who means something else by a name of a category than another makes other answers than that one") {
  Fixture f({at("a", {40.701, -74.0}, "bar"), at("gone", {40.702, -74.0}, "cafe")});
  f.import({at("gone", {40.702, -74.0}, "bar")});
  f.recommender->tell_what_answers_are_made_with();
  const std::string before = *f.recommender->made_with();
  REQUIRE(f.state->catalog().rename_category("cafe", "bar", CategoryTarget::kExisting).value() == 0);
  f.recommender->refresh_index();
  CHECK(*f.recommender->made_with() != before);
}

TEST_CASE("a request whose places change in its middle starts from the user's last place as it was") {
  Fixture f({at("a", {40.701, -74.0}), at("b", {40.702, -74.0})});
  f.visit("u", "b");
  // The place itself moves to the other side of the world.
  std::vector<Place> moved = southwestern(1000);
  moved.push_back(at("b", {-40.0, 100.0}));
  const auto answer = f.ask_during_import({.user = UserId("u"), .limit = 3, .radius_meters = 1000.0}, moved);
  REQUIRE(answer.ok());
  REQUIRE(answer->items.size() == 2);
  for (const Recommended& item : answer->items) {
    CHECK(item.distance_meters == doctest::Approx(distance_meters({40.702, -74.0}, item.place.position)).epsilon(1e-6));
  }
}

TEST_CASE("answers stay whole while places are added, moved and put in other categories") {
  const std::uint32_t seed = 21;
  INFO("seed ", seed);
  constexpr int kRounds = 1500;
  constexpr int kPlaces = 300;
  std::mt19937 random(seed);
  const auto draw = [&random](int count) {
    std::uniform_real_distribution<double> offset(-0.05, 0.05);
    std::vector<Place> places;
    for (int i = 0; i < count; ++i) {
      // Every fourth import of a place takes it away from the city, as if it were gone.
      const bool away = random() % 4 == 0;
      const GeoPoint position =
          away ? GeoPoint{-80.0, -170.0 + offset(random)} : GeoPoint{40.7 + offset(random), -74.0 + offset(random)};
      places.push_back(at("p" + std::to_string(random() % kPlaces), position, "k" + std::to_string(random() % 40)));
    }
    return places;
  };
  Fixture f(draw(50));
  // Long histories: reading one takes most of a request, and is where an import falls into its middle.
  for (int turn = 0; turn < 4; ++turn) {
    for (int i = 0; i < kPlaces; i += 3) f.visit("u" + std::to_string(i % 2), "p" + std::to_string(i));
  }

  std::atomic<bool> done{false};
  std::atomic<int> asked{0};
  std::atomic<int> wrong{0};
  const auto ask = [&](int user) {
    while (!done.load()) {
      const auto answer = f.recommender->recommend(CallContext(),
                                                   {.user = UserId("u" + std::to_string(user)),
                                                    .position = kHere,
                                                    .limit = 50,
                                                    .radius_meters = 10'000.0,
                                                    .exclude_seen = true,
                                                    .explain = false},
                                                   kNow);
      asked.fetch_add(1);
      if (!answer.ok()) {
        wrong.fetch_add(1);
        continue;
      }
      for (const Recommended& item : answer->items) {
        // Place and distance are of one index, and what the user has seen stays out.
        const bool near = std::abs(item.distance_meters - distance_meters(kHere, item.place.position)) < 0.01;
        const int number = std::stoi(item.place.id.str().substr(1));
        const bool seen = number % 3 == 0 && number % 2 == user;
        if (!near || seen) wrong.fetch_add(1);
      }
    }
  };
  {
    std::vector<std::jthread> askers;
    for (int user = 0; user < 2; ++user) askers.emplace_back([&ask, user] { ask(user); });
    for (int round = 0; round < kRounds; ++round) {
      f.import(draw(3));
      f.visit("someone", "p" + std::to_string(random() % kPlaces));
    }
    while (asked.load() < 100) std::this_thread::yield();  // on a busy machine the askers may come late
    done.store(true);
  }
  CHECK(wrong.load() == 0);
}

}  // namespace

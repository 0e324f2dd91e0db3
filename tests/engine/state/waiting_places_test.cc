#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "engine/ranking/builtin_views.h"
#include "engine/state/feature_reads.h"
#include "engine/state/feature_state.h"
#include "features/geohash.h"
#include "features/row.h"
#include "tests/engine/state/crashing_store.h"

namespace {

using namespace cairn;
using state::FeatureState;

constexpr std::int64_t kHour = 3'600'000;
constexpr EventTime kNow = event_time_from_ms(500 * kHour);

/// The built-in views, and one of each aggregate by category or by cell, of each kind of entity.
std::vector<FeatureViewSpec> all_views() {
  std::vector<FeatureViewSpec> views = ranking::builtin_views();
  const auto add = [&](std::string name, EntityKind entity, Dimension dimension, Aggregate aggregate) {
    FeatureViewSpec view{.name = std::move(name), .entity = entity, .dimension = dimension, .aggregate = aggregate};
    view.cell_precision = 5;
    view.events = {{"visit", "1"}, {"rate", "value"}};
    if (aggregate == Aggregate::kDecayedSum) view.half_life = std::chrono::hours(24);
    views.push_back(view);
  };
  add("categories_rated", EntityKind::kUser, Dimension::kCategory, Aggregate::kMean);
  add("categories_first", EntityKind::kUser, Dimension::kCategory, Aggregate::kMin);
  add("categories_last", EntityKind::kUser, Dimension::kCategory, Aggregate::kLast);
  add("categories_in_order", EntityKind::kUser, Dimension::kCategory, Aggregate::kSequence);
  add("cells_summed", EntityKind::kUser, Dimension::kCell, Aggregate::kSum);
  add("place_categories", EntityKind::kPlace, Dimension::kCategory, Aggregate::kCount);
  add("cell_categories", EntityKind::kCell, Dimension::kCategory, Aggregate::kCount);
  add("cell_weeks", EntityKind::kCell, Dimension::kHourOfWeek, Aggregate::kCount);
  return views;
}

struct Town {
  std::unique_ptr<state::CrashingStore> store = std::make_unique<state::CrashingStore>();
  std::unique_ptr<FeatureState> state;
  std::int64_t offset = 0;

  Town() { reopen(); }
  void reopen() {
    state.reset();
    auto opened = FeatureState::open(*store, {.views = all_views()}, InteractionTypes());
    REQUIRE_MESSAGE(opened.ok(), opened.status().to_string());
    state = *std::move(opened);
  }
  /// Ends as a process does that is killed: what was not stored is gone.
  void crash() {
    store->lose_writes(true);
    state.reset();
    store->lose_writes(false);
    reopen();
  }
  void apply(const std::vector<Interaction>& events) {
    const std::vector<SourcePosition> positions{{Partition{0}, Offset{++offset}, ""}};
    REQUIRE(state->apply({"test", events, positions, 0}).ok());
  }
  void import(const std::vector<Place>& places) { REQUIRE(state->upsert_places(places).ok()); }
  EngineStatus status() const {
    EngineStatus status;
    state->describe(&status);
    return status;
  }
  std::map<std::string, FeatureEntry> features(EntityKind kind, const std::string& key) const {
    const auto response =
        state::read_features(*state, {}, {.entity = kind, .keys = {key}, .views = {}, .as_of = {}}, kNow);
    REQUIRE_MESSAGE(response.ok(), response.status().to_string());
    std::map<std::string, FeatureEntry> all;
    for (const FeatureVector& vector : response->entities[0].vectors) {
      int number = 0;  // of an event in a sequence
      for (const FeatureEntry& entry : vector.entries) {
        const bool sequence = vector.view == "categories_in_order" || vector.view == "user_history";
        all[vector.view + "/" + std::string(entry.dimension) + (sequence ? "#" + std::to_string(number++) : "")] =
            entry;
      }
    }
    return all;
  }
  double of(EntityKind kind, const std::string& key, const std::string& name) const {
    const auto all = features(kind, key);
    return all.contains(name) ? all.at(name).value : 0.0;
  }
};

Interaction event(const std::string& user, const std::string& place, std::int64_t ms, TypeIndex type = TypeIndex{2},
                  std::optional<double> value = std::nullopt) {
  return {UserId(user), PlaceId(place), type, event_time_from_ms(ms), value, {}, ""};
}

void check_equal(const std::map<std::string, FeatureEntry>& got, const std::map<std::string, FeatureEntry>& wanted) {
  CHECK(got.size() == wanted.size());
  for (const auto& [name, entry] : wanted) {
    INFO(name);
    REQUIRE(got.contains(name));
    CHECK(got.at(name).value == doctest::Approx(entry.value).epsilon(1e-9));
    CHECK(got.at(name).count == entry.count);
    CHECK(got.at(name).newest == entry.newest);
  }
}

const Place kCafe{PlaceId("cafe"), "Cafe", {40.7, -74.0}, "Coffee"};

TEST_CASE("what came before its place counts by category and cell once the place is imported") {
  Town town;
  town.apply({event("ann", "cafe", 500 * kHour), event("ann", "cafe", 470 * kHour), event("bob", "bar", 0)});
  CHECK(town.of(EntityKind::kUser, "ann", "user_category_affinity/Coffee") == 0.0);
  CHECK(town.status().unknown_places == 2);
  CHECK(town.status().events_waiting == 3);
  town.import({kCafe});
  const double by_hand = 1.0 + std::exp2(-30.0 / 720.0);  // half-life 30 days
  for (int round = 0; round < 2; ++round) {
    CHECK(town.of(EntityKind::kUser, "ann", "user_category_affinity/Coffee") == doctest::Approx(by_hand));
    CHECK(town.of(EntityKind::kUser, "ann", "user_cell_affinity/dr5rs1") == doctest::Approx(by_hand));
    CHECK(town.of(EntityKind::kCell, "dr5rs1", "cell_visits_30d/") == doctest::Approx(by_hand));
    CHECK(town.of(EntityKind::kCell, "dr5rs", "cell_categories/Coffee") == 2.0);
    CHECK(town.status().unknown_places == 1);
    CHECK(town.status().events_waiting == 1);
    CHECK(town.status().events_filled == (round == 0 ? 2 : 0));
    town.reopen();
  }
  town.import({kCafe});  // again: nothing more
  CHECK(town.of(EntityKind::kCell, "dr5rs", "cell_categories/Coffee") == 2.0);
}

TEST_CASE("a crash after an import fills in at the next start, and never twice") {
  for (const bool stored : {false, true}) {
    INFO("stored=", stored);
    Town town;
    town.apply({event("ann", "cafe", 500 * kHour)});
    REQUIRE(town.state->flush().ok());
    town.import({kCafe});
    if (stored) REQUIRE(town.state->flush().ok());
    for (int round = 0; round < 3; ++round) {
      town.crash();
      CHECK(town.of(EntityKind::kCell, "dr5rs", "cell_categories/Coffee") == 1.0);
      CHECK(town.of(EntityKind::kUser, "ann", "user_category_affinity/Coffee") == doctest::Approx(1.0));
      CHECK(town.status().events_waiting == 0);
    }
  }
}

TEST_CASE("what waited and was not stored before a crash is read again, and counts once with the place that came") {
  Town town;
  town.apply({event("ann", "cafe", 500 * kHour)});
  town.import({kCafe});  // the place is durable, the event is not
  town.crash();
  CHECK(town.state->positions("test").empty());
  town.apply({event("ann", "cafe", 500 * kHour)});
  CHECK(town.of(EntityKind::kCell, "dr5rs", "cell_categories/Coffee") == 1.0);
  CHECK(town.of(EntityKind::kUser, "ann", "user_category_affinity/Coffee") == doctest::Approx(1.0));
}

TEST_CASE("events that no view by category or cell weighs do not wait") {
  Town town;
  town.apply({event("ann", "cafe", 0, TypeIndex{0})});  // a view
  CHECK(town.status().events_waiting == 0);
  CHECK(town.status().unknown_places == 0);
}

TEST_CASE("events of a deleted place wait, and an import that brings it back fills them in") {
  Town town;
  town.import({kCafe});
  town.apply({event("ann", "cafe", 500 * kHour)});
  REQUIRE(town.state->delete_places(std::vector{PlaceId("cafe")}, PlaceHistory::kKeep, {}).ok());
  town.apply({event("ann", "cafe", 500 * kHour)});
  CHECK(town.status().events_waiting == 1);
  CHECK(town.of(EntityKind::kCell, "dr5rs", "cell_categories/Coffee") == 1.0);
  town.import({kCafe});
  CHECK(town.of(EntityKind::kCell, "dr5rs", "cell_categories/Coffee") == 2.0);
  CHECK(town.of(EntityKind::kUser, "ann", "user_category_affinity/Coffee") == doctest::Approx(2.0));
}

TEST_CASE("a place that loses its history loses what waits for it in cells") {
  Town town;
  town.import({kCafe});
  REQUIRE(town.state->delete_places(std::vector{PlaceId("cafe")}, PlaceHistory::kKeep, {}).ok());
  town.apply({event("ann", "cafe", 500 * kHour)});
  REQUIRE(town.state->delete_places(std::vector{PlaceId("cafe")}, PlaceHistory::kErase, {}).ok());
  CHECK(town.status().events_waiting == 0);
  town.import({kCafe});
  CHECK(town.of(EntityKind::kCell, "dr5rs", "cell_categories/Coffee") == 0.0);
}

TEST_CASE("an erased user takes along what waited for places") {
  Town town;
  town.apply({event("ann", "cafe", 400 * kHour)});
  REQUIRE(town.state->erase_user(UserId("ann"), event_time_from_ms(400 * kHour)).ok());
  town.import({kCafe});
  CHECK(town.features(EntityKind::kUser, "ann").empty());
}

TEST_CASE("an event with a position of its own counts in the cell of that position, whenever its place comes") {
  Town town;
  Interaction near = event("ann", "cafe", 500 * kHour);
  near.position = GeoPoint{45.0, 10.0};
  town.apply({near});
  const auto cells = town.features(EntityKind::kUser, "ann");
  town.import({kCafe});
  CHECK(town.of(EntityKind::kUser, "ann", "user_cell_affinity/dr5rs1") == 0.0);
  CHECK(town.of(EntityKind::kUser, "ann", "user_category_affinity/Coffee") == doctest::Approx(1.0));
  CHECK(town.of(EntityKind::kCell, "dr5rs", "cell_categories/Coffee") == 0.0);
  CHECK(cells.contains("user_cell_affinity/u0n2hb") ==
        town.features(EntityKind::kUser, "ann").contains("user_cell_affinity/u0n2hb"));
}

TEST_CASE("whether places come before, between or after their events, the features are the same") {
  for (unsigned seed = 1; seed <= 30; ++seed) {
    INFO("seed=", seed);
    std::mt19937 random(seed);
    const auto below = [&](int n) { return std::uniform_int_distribution<int>(0, n - 1)(random); };
    std::vector<Place> places;
    for (int i = 0; i < 12; ++i) {
      const std::string category = below(4) == 0 ? "" : "category" + std::to_string(below(3));
      places.push_back({PlaceId("p" + std::to_string(i)), "", {40.0 + 0.03 * below(4), -74.0}, category});
    }
    std::vector<Interaction> events;
    for (int i = 0; i < 120; ++i) {
      // Distinct times, so that nothing depends on ties.
      events.push_back(event("u" + std::to_string(below(4)), "p" + std::to_string(below(14)),
                             (i * 4 + below(3)) * kHour, below(3) == 0 ? TypeIndex{3} : TypeIndex{2},
                             static_cast<double>(below(5))));
    }
    std::shuffle(events.begin(), events.end(), random);

    Town before;
    before.import(places);
    before.apply(events);

    Town mixed;
    std::vector<Place> to_come = places;
    std::shuffle(to_come.begin(), to_come.end(), random);
    for (std::size_t at = 0; at < events.size();) {
      const std::size_t end = std::min(events.size(), at + 1 + static_cast<std::size_t>(below(40)));
      mixed.apply(
          {events.begin() + static_cast<std::ptrdiff_t>(at), events.begin() + static_cast<std::ptrdiff_t>(end)});
      at = end;
      const int step = below(6);
      if (step < 3 && !to_come.empty()) {
        mixed.import({to_come.back()});
        to_come.pop_back();
      }
      if (step == 2) REQUIRE(mixed.state->flush().ok());
      if (step == 3) mixed.reopen();
      if (step == 4) {
        REQUIRE(mixed.state->flush().ok());
        mixed.crash();
      }
    }
    if (!to_come.empty()) mixed.import(to_come);
    REQUIRE(mixed.state->flush().ok());
    if (below(2) == 0) mixed.crash();

    for (int user = 0; user < 4; ++user) {
      const std::string id = "u" + std::to_string(user);
      check_equal(mixed.features(EntityKind::kUser, id), before.features(EntityKind::kUser, id));
    }
    for (const Place& place : places) {
      const std::string& id = place.id.str();
      check_equal(mixed.features(EntityKind::kPlace, id), before.features(EntityKind::kPlace, id));
      CHECK(mixed.status().events_waiting == before.status().events_waiting);
      for (const int letters : {5, 6}) {
        const auto bits = features::geohash_bits(place.position, features::kCellLettersMax);
        const std::string cell = features::geohash_text(features::cell_prefix(bits, letters), letters);
        check_equal(mixed.features(EntityKind::kCell, cell), before.features(EntityKind::kCell, cell));
      }
    }
  }
}

}  // namespace

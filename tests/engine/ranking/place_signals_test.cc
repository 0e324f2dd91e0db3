#include "engine/ranking/place_signals.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "engine/ranking/builtin_views.h"
#include "engine/ranking/score/linear_stage.h"
#include "features/row.h"

namespace {

using namespace cairn;
using ranking::PlaceIndex;
using ranking::PlaceSignals;

const EventTime kNow = event_time_from_ms(1'700'000'000'000);

struct Fixture {
  std::unique_ptr<storage::StateStore> store = storage::open_memory_store(features::merge_encoded_rows);
  std::unique_ptr<state::FeatureState> state =
      *state::FeatureState::open(*store, {.views = ranking::builtin_views()}, InteractionTypes());
  PlaceSignals signals{*state};

  Fixture() {
    REQUIRE(state->observe_places([this](auto changes) { signals.update(changes); }).ok());
  }
  /// The index of the catalogue as it is.
  [[nodiscard]] PlaceIndex index() const {
    return {state->catalog().newer_than(0), state->category_ids(), state->catalog().version()};
  }
  void import(const std::string& id, const std::string& category) const {
    REQUIRE(state->catalog().upsert({{Place{PlaceId(id), "", {40.7, -74.0}, category}}}).ok());
  }
  void visit(const std::string& place) const {
    const Interaction one{
        UserId("u"), PlaceId(place), *state->types().find("visit"), kNow - std::chrono::hours(1), {}, {}, {}};
    REQUIRE(state->apply({"test", {&one, 1}, {}, 0}).ok());
  }
  [[nodiscard]] std::int64_t visits_of(const std::string& category) const {
    const PlaceSignals::Reader reader(signals);
    const auto id = state->category_ids().find(category);
    REQUIRE(id);
    return *id < reader.categories().size() ? reader.categories()[*id].visits : 0;
  }
};

TEST_CASE("visits are counted for their place, its category and all places") {
  Fixture f;
  f.import("a", "Cafe");
  f.import("b", "");
  f.signals.recategorise(f.index());
  f.visit("a");
  f.visit("a");
  f.visit("b");
  f.visit("unknown");
  const PlaceSignals::Reader reader(f.signals);
  CHECK(reader.of(*f.state->place_ids().find("a")).visits == 2);
  CHECK(reader.of(*f.state->place_ids().find("b")).visits == 1);
  CHECK(reader.of(1'000'000).visits == 0);
  CHECK(reader.all().visits == 4);
  CHECK(reader.categories()[*f.state->category_ids().find("Cafe")].visits == 2);
}

TEST_CASE("hours of the week add up over the places of a category, and over all places") {
  Fixture f;
  f.import("a", "Cafe");
  f.import("b", "Cafe");
  f.import("c", "Bar");
  for (const char* place : {"a", "a", "b", "c"}) f.visit(place);
  f.signals.recategorise(f.index());
  f.visit("b");
  const PlaceSignals::Reader reader(f.signals);
  // An hour before 2023-11-14 22:13 UTC, a Tuesday: 24 + 21.
  CHECK(reader.categories()[*f.state->category_ids().find("Cafe")].week[45] == 4);
  CHECK(reader.categories()[*f.state->category_ids().find("Bar")].week[45] == 1);
  CHECK(reader.all().week[45] == 5);
}

TEST_CASE("a batch of many changes is counted to its end") {
  Fixture f;
  std::vector<Interaction> batch;
  for (int i = 0; i < 1000; ++i) {
    batch.push_back({UserId("u"), PlaceId("p" + std::to_string(i)), *f.state->types().find("visit"), kNow, {}, {}, {}});
  }
  REQUIRE(f.state->apply({"test", batch, {}, 0}).ok());
  const PlaceSignals::Reader reader(f.signals);
  CHECK(reader.all().visits == 1000);
  for (int i = 0; i < 1000; ++i) CHECK(reader.of(*f.state->place_ids().find("p" + std::to_string(i))).visits == 1);
}

TEST_CASE("totals move with a place that gets another category") {
  Fixture f;
  f.import("a", "Cafe");
  f.signals.recategorise(f.index());
  f.visit("a");
  CHECK(f.visits_of("Cafe") == 1);
  f.import("a", "Bar");
  CHECK(f.visits_of("Bar") == 0);  // the index is not made anew yet
  f.signals.recategorise(f.index());
  CHECK(f.visits_of("Cafe") == 0);
  CHECK(f.visits_of("Bar") == 1);
  f.visit("a");
  CHECK(f.visits_of("Bar") == 2);
}

TEST_CASE("an index is scored with signals that were counted by another one") {
  // Both ways round: categories that the totals do not know yet, and totals of categories that the index has not.
  Fixture f;
  f.import("a", "Cafe");
  const PlaceIndex older = f.index();
  f.signals.recategorise(older);
  f.visit("a");
  for (int i = 0; i < 50; ++i) f.import("new" + std::to_string(i), "kind " + std::to_string(i));
  f.import("a", "Bar");
  const PlaceIndex newer = f.index();
  const auto stage = *ranking::LinearStage::create(ranking::default_ranker().weights, {});
  const auto score = [&](const PlaceIndex& index) {
    const ranking::UserProfile nobody;
    const ranking::Situation situation{&nobody, {40.7, -74.0}, 0.0, kNow};
    const PlaceSignals::Reader reader(f.signals);
    const ranking::QuestionFacts facts(situation, index, reader, ranking::default_ranker().week);
    std::vector<float> scores;
    REQUIRE(stage
                .score(
                    facts, index.within({40.7, -74.0}, 100.0), [] { return ok_status(); }, &scores)
                .ok());
    return scores;
  };
  const auto all_finite = [](const std::vector<float>& scores) {
    return std::all_of(scores.begin(), scores.end(), [](float one) { return std::isfinite(one); });
  };
  CHECK(score(newer).size() == 51);
  CHECK(all_finite(score(newer)));
  f.signals.recategorise(newer);
  CHECK(score(older).size() == 1);
  CHECK(all_finite(score(older)));
}

TEST_CASE("a place that is forgotten takes its part of every total along, and counts anew") {
  Fixture f;
  REQUIRE(f.state->observe_places([](auto) {}, [&](std::uint64_t place) { f.signals.forget(place); }).ok());
  f.import("a", "Cafe");
  f.import("b", "Cafe");
  f.signals.recategorise(f.index());
  for (const char* place : {"a", "a", "b"}) f.visit(place);
  REQUIRE(f.state->delete_places(std::vector{PlaceId("a")}, PlaceHistory::kErase, kNow).ok());
  {
    const PlaceSignals::Reader reader(f.signals);
    CHECK(reader.of(*f.state->place_ids().find("a")).visits == 0);
    CHECK(reader.of(*f.state->place_ids().find("a")).week.empty());
    CHECK(reader.all().visits == 1);
    CHECK(reader.all().week[45] == 1);
    CHECK(reader.categories()[*f.state->category_ids().find("Cafe")].week[45] == 1);
  }
  CHECK(f.visits_of("Cafe") == 1);
  f.visit("a");
  CHECK(PlaceSignals::Reader(f.signals).of(*f.state->place_ids().find("a")).visits == 1);
}

}  // namespace

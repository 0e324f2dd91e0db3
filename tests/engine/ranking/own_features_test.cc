#include "engine/ranking/own_features.h"

#include <doctest/doctest.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "engine/ranking/builtin_views.h"
#include "engine/ranking/recommender.h"
#include "features/row.h"

namespace {

using namespace cairn;
using ranking::Recommender;

constexpr std::int64_t kHour = 3'600'000;
const EventTime kNow = event_time_from_ms(1'700'000'000'000);
constexpr GeoPoint kHere{40.7, -74.0};

FeatureViewSpec view(std::string name, EntityKind entity, Dimension dimension, Aggregate aggregate) {
  FeatureViewSpec spec;
  spec.name = std::move(name);
  spec.entity = entity;
  spec.dimension = dimension;
  spec.aggregate = aggregate;
  return spec;
}

/// Two places, 1 km apart, whose score is that of own features alone.
struct Town {
  std::unique_ptr<storage::StateStore> store = storage::open_memory_store(features::merge_encoded_rows);
  InteractionTypes types = *InteractionTypes::with_declared({"purchase"});
  std::vector<FeatureViewSpec> views = ranking::builtin_views();
  RankingOptions options;
  std::unique_ptr<state::FeatureState> state;
  std::unique_ptr<Recommender> recommender;

  Town(const FeatureViewSpec& own, const RankingFeatureSpec& feature) {
    views.push_back(own);
    options.features = {feature};
    options.default_weights = false;
    open();
    REQUIRE(
        state->catalog()
            .upsert(std::vector<Place>{{PlaceId("a"), "a", kHere, "Cafe"}, {PlaceId("b"), "b", {40.709, -74.0}, "Bar"}})
            .ok());
    recommender->refresh_index();
  }
  void open() {
    recommender.reset();
    state.reset();
    state = *state::FeatureState::open(*store, {.views = views}, types);
    auto made = Recommender::create(*state, options);
    REQUIRE_MESSAGE(made.ok(), made.status().to_string());
    recommender = *std::move(made);
  }
  void happen(const std::string& user, const std::string& place, std::string_view type, std::int64_t ms_ago,
              std::optional<double> value = {}) {
    const Interaction one{
        UserId(user), PlaceId(place), *types.find(type), kNow - std::chrono::milliseconds(ms_ago), value, {}, {}};
    REQUIRE(state->apply({"test", {&one, 1}, {}, 0}).ok());
  }
  /// An event of x an hour ago, and that it did not happen.
  [[nodiscard]] Interaction named(const std::string& id, const std::string& place, std::string_view type) const {
    return {UserId("x"), PlaceId(place), *types.find(type), kNow - std::chrono::hours(1), {}, {}, id};
  }
  void retract(Interaction event) {
    event.retracts = true;
    apply(event);
  }
  void apply(const Interaction& event) { REQUIRE(state->apply({"test", {&event, 1}, {}, 0}).ok()); }
  [[nodiscard]] Recommended best(const std::string& user = "u") const {
    const auto answer = recommender->recommend(CallContext(), {.user = UserId(user), .position = kHere}, kNow);
    REQUIRE_MESSAGE(answer.ok(), answer.status().to_string());
    return answer->items.at(0);
  }
};

TEST_CASE("a view of the place adds to its score to the last event, and is there after a restart") {
  FeatureViewSpec sales = view("place_sales", EntityKind::kPlace, Dimension::kNone, Aggregate::kSum);
  sales.events = {{"purchase", "value"}};
  Town town(sales, {.name = "sold", .view = "place_sales", .weight = 0.5, .reason = "sold {value} times"});
  CHECK(town.best().score == 0.0);
  town.happen("x", "b", "purchase", kHour, 3.0);
  town.happen("y", "b", "purchase", kHour, 4.5);
  town.happen("y", "b", "visit", kHour);  // does not count in this view
  CHECK(town.best().place.id.str() == "b");
  CHECK(town.best().score == 0.5 * 7.5);
  REQUIRE(town.best().reasons.size() == 1);
  CHECK(town.best().reasons[0].feature == "sold");
  CHECK(town.best().reasons[0].text == "sold 7.5 times");
  CHECK(town.best().reasons[0].contribution == 3.75);
  CHECK(town.best().because == "Sold 7.5 times.");
  town.open();
  CHECK(town.best().score == 0.5 * 7.5);
  town.happen("x", "a", "purchase", kHour, 8.0);
  CHECK(town.best().place.id.str() == "a");
  REQUIRE(town.state->delete_places(std::vector<PlaceId>{PlaceId("a")}, PlaceHistory::kErase, kNow).ok());
  town.recommender->refresh_index();
  CHECK(town.best().place.id.str() == "b");
}

TEST_CASE("of a view by type the type that is named is read") {
  Town town(
      view("place_types", EntityKind::kPlace, Dimension::kType, Aggregate::kCount),
      {.name = "bought", .view = "place_types", .key = "purchase", .transform = ValueTransform::kLog1p, .weight = 2.0});
  for (int i = 0; i < 5; ++i) town.happen("x", "a", "visit", kHour + i);
  town.happen("x", "b", "purchase", kHour);
  town.happen("x", "b", "purchase", kHour + 1);
  CHECK(town.best().place.id.str() == "b");
  CHECK(town.best().score == doctest::Approx(2.0 * std::log(3.0)));
}

TEST_CASE("a view of the cell adds to all places in it") {
  FeatureViewSpec cell = view("cell_sales", EntityKind::kCell, Dimension::kNone, Aggregate::kCount);
  cell.cell_precision = 7;  // about 150 m: a and b lie in different ones
  cell.events = {{"purchase", "1"}};
  Town town(cell, {.name = "busy", .view = "cell_sales", .transform = ValueTransform::kSqrt, .weight = 1.0});
  for (int i = 0; i < 9; ++i) town.happen("x", "b", "purchase", kHour + i);
  CHECK(town.best().place.id.str() == "b");
  CHECK(town.best().score == 3.0);
  town.open();
  CHECK(town.best().score == 3.0);
}

TEST_CASE("an event that is retracted is out of its cell's value at once, as it is after a restart") {
  FeatureViewSpec cell = view("cell_sales", EntityKind::kCell, Dimension::kNone, Aggregate::kCount);
  cell.cell_precision = 7;
  cell.events = {{"purchase", "1"}};
  Town town(cell, {.name = "busy", .view = "cell_sales", .weight = 1.0});
  const Interaction one = town.named("one", "b", "purchase");
  const Interaction two = town.named("two", "b", "purchase");
  town.apply(one);
  CHECK(town.best().score == 1.0);
  town.apply(two);
  CHECK(town.best().score == 2.0);
  town.retract(one);
  CHECK(town.best().score == 1.0);
  town.retract(two);  // nothing is left of the cell
  CHECK(town.best().score == 0.0);
  town.apply(town.named("three", "b", "purchase"));
  CHECK(town.best().score == 1.0);
  CHECK(town.best().place.id.str() == "b");
  town.open();
  CHECK(town.best().score == 1.0);
}

TEST_CASE("what waited for a place is in its cell's value when a retraction finds the place there, and nothing twice") {
  FeatureViewSpec cell = view("cell_sales", EntityKind::kCell, Dimension::kNone, Aggregate::kCount);
  cell.cell_precision = 7;
  cell.events = {{"purchase", "1"}};
  Town town(cell, {.name = "busy", .view = "cell_sales", .weight = 1.0});
  const Interaction one = town.named("one", "late", "purchase");
  town.apply(one);
  town.apply(town.named("two", "late", "purchase"));
  town.apply(town.named("three", "late", "purchase"));
  town.apply(town.named("four", "b", "purchase"));
  CHECK(town.best().score == 1.0);
  // Into the catalogue alone, as a crash leaves it between a place and what it fills.
  REQUIRE(town.state->catalog().upsert(std::vector<Place>{{PlaceId("late"), "late", {40.709, -74.0}, "Bar"}}).ok());
  town.recommender->refresh_index();
  town.retract(one);
  CHECK(town.best().score == 3.0);
  town.open();
  CHECK(town.best().score == 3.0);
}

TEST_CASE("views of the user are read by place, category and cell") {
  const struct {
    Dimension dimension;
    double score;
  } cases[] = {{Dimension::kPlace, 2.0}, {Dimension::kCategory, 2.0}, {Dimension::kCell, 2.0}};
  for (const auto& one : cases) {
    CAPTURE(static_cast<int>(one.dimension));
    FeatureViewSpec own = view("user_buys", EntityKind::kUser, one.dimension, Aggregate::kCount);
    own.events = {{"purchase", "1"}};
    own.cell_precision = 7;
    Town town(own, {.name = "buys", .view = "user_buys", .weight = 1.0});
    town.happen("u", "b", "purchase", kHour);
    town.happen("u", "b", "purchase", kHour + 1);
    CHECK(town.best().place.id.str() == "b");
    CHECK(town.best().score == one.score);
    CHECK(town.best("somebody else").score == 0.0);
  }
}

TEST_CASE("a value of a place is as of the beginning of the hour, that of a user as of the moment") {
  FeatureViewSpec place = view("lately", EntityKind::kPlace, Dimension::kNone, Aggregate::kDecayedSum);
  place.half_life = std::chrono::hours(1);
  Town town(place, {.name = "lately", .view = "lately", .weight = 1.0});
  // Now is 22:13:20; the beginning of the hour 800 s before. An event 2 h before that counts a quarter.
  town.happen("x", "a", "visit", 2 * kHour + 800'000);
  CHECK(town.best().score == doctest::Approx(0.25));
  FeatureViewSpec user = view("lately", EntityKind::kUser, Dimension::kPlace, Aggregate::kDecayedSum);
  user.half_life = std::chrono::hours(1);
  Town mine(user, {.name = "lately", .view = "lately", .weight = 1.0});
  mine.happen("u", "a", "visit", 2 * kHour);
  CHECK(mine.best().score == doctest::Approx(0.25));
}

TEST_CASE("what own features add comes on top of what the ranker and its network say") {
  FeatureViewSpec sales = view("place_sales", EntityKind::kPlace, Dimension::kNone, Aggregate::kCount);
  sales.events = {{"purchase", "1"}};
  Town town(sales, {.name = "sold", .view = "place_sales", .weight = 0.5});
  town.options.default_weights = true;
  town.open();
  RankingOptions plain;
  const auto without = *Recommender::create(*town.state, plain);
  for (int i = 0; i < 4; ++i) town.happen("x", "b", "purchase", kHour + i);
  town.happen("u", "a", "visit", 30 * kHour);
  const RecommendRequest request{.user = UserId("u"), .position = kHere};
  const auto before = without->recommend(CallContext(), request, kNow);
  const auto after = town.recommender->recommend(CallContext(), request, kNow);
  REQUIRE(before.ok());
  REQUIRE(after.ok());
  for (const Recommended& item : after->items) {
    for (const Recommended& old : before->items) {
      if (old.place.id != item.place.id) continue;
      const double added = item.place.id.str() == "b" ? 2.0 : 0.0;
      CHECK(item.score - old.score == doctest::Approx(added).epsilon(1e-5));
    }
  }
}

TEST_CASE("a feature that makes no sense is refused, and what is wrong named") {
  const std::vector<FeatureViewSpec> views = [] {
    std::vector<FeatureViewSpec> all = ranking::builtin_views();
    all.push_back(view("hours", EntityKind::kPlace, Dimension::kHourOfWeek, Aggregate::kCount));
    all.push_back(view("user_total", EntityKind::kUser, Dimension::kNone, Aggregate::kCount));
    all.push_back(view("types", EntityKind::kPlace, Dimension::kType, Aggregate::kCount));
    return all;
  }();
  const auto refused = [&](const RankingFeatureSpec& spec) {
    return ranking::OwnFeatures::check(spec, views, InteractionTypes()).status().message();
  };
  CHECK(refused({.name = "x", .view = "nothing"}) == "view: no feature view is named 'nothing'");
  CHECK(refused({.name = "x", .view = "hours"}).starts_with("view: 'hours' tells no place from another"));
  CHECK(refused({.name = "x", .view = "user_total"}).starts_with("view: 'user_total' tells no place from another"));
  CHECK(refused({.name = "x", .view = "user_history"}).starts_with("view: 'user_history' is a sequence"));
  CHECK(refused({.name = "x", .view = "types"}).starts_with("key: 'types' has a value for each type"));
  CHECK(refused({.name = "x", .view = "types", .key = "vist"}) == "key: no type of event is named 'vist'");
  CHECK(refused({.name = "x", .view = "place_visits", .key = "visit"}).starts_with("key: is for views by type"));
  CHECK(refused({.name = "habit", .view = "place_visits"}).starts_with("name: 'habit' is a built-in"));
  CHECK(refused({.name = "network", .view = "place_visits"}).starts_with("name: 'network' is a built-in"));
  CHECK(refused({.name = "A", .view = "place_visits"}).starts_with("name: must be"));
  CHECK(refused({.name = "x", .view = "place_visits", .weight = std::nan("")}).starts_with("weight: must be"));
  CHECK(refused({.name = "x", .view = "place_visits", .weight = 1.0}).empty());
  const auto said = [&](const std::string& reason) {
    return refused({.name = "x", .view = "place_visits", .weight = 1.0, .reason = reason});
  };
  CHECK(said("{value} visits, {value} in all").empty());
  CHECK(said("{val} x {value}") == "reason: '{val}' stands for nothing there; it may name {value}");
  CHECK(said("{value} x {value") == "reason: '{value' stands for nothing there; it may name {value}");
  CHECK(said("{}") == "reason: '{}' stands for nothing there; it may name {value}");
}

TEST_CASE("own features are listed with what they read, behind the built-in ones") {
  Town town(view("place_total", EntityKind::kPlace, Dimension::kNone, Aggregate::kCount),
            {.name = "total", .view = "place_total", .transform = ValueTransform::kLog1p, .weight = 0.25});
  const auto infos = town.recommender->features();
  REQUIRE(infos.size() == ranking::ranking_features().size() + 1);
  CHECK(infos.back().name == "total");
  CHECK(infos.back().own);
  CHECK(infos.back().weight == 0.25);
  CHECK(infos.back().meaning ==
        "ln(1 + place_total) of the place, as of the beginning of the hour; 0 where there is none");
  CHECK_FALSE(infos.front().own);
  CHECK(infos.front().weight == 0.0);  // default_weights is false
  CHECK(infos.front().default_weight != 0.0);
}

}  // namespace

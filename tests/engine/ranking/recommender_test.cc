#include "engine/ranking/recommender.h"
#include "engine/ranking/builtin_views.h"

#include <doctest/doctest.h>

#include <cmath>
#include <random>
#include <set>

#include "features/geohash.h"
#include "features/row.h"

namespace {

using namespace cairn;
using ranking::Recommender;

constexpr std::int64_t kHour = 3'600'000;
const EventTime kNow = event_time_from_ms(1'700'000'000'000);

struct Fixture {
  std::unique_ptr<storage::StateStore> store = storage::open_memory_store(features::merge_encoded_rows);
  RankingOptions options;
  std::unique_ptr<state::FeatureState> state;
  std::unique_ptr<Recommender> recommender;

  explicit Fixture(const std::vector<Place>& places, std::map<std::string, double> weights = {},
                   const RankingOptions& others = {})
      : options(others) {
    options.weights = std::move(weights);
    options.default_weights = options.weights.empty();
    state = *state::FeatureState::open(*store, {.views = ranking::builtin_views()}, InteractionTypes());
    REQUIRE(state->catalog().upsert(places).ok());
    recommender = *Recommender::create(*state, options);
  }
  void happen(const std::string& user, const std::string& place, std::string_view type, std::int64_t ms_ago,
              std::optional<double> value = {}) {
    const Interaction one{UserId(user),
                          PlaceId(place),
                          *state->types().find(type),
                          kNow - std::chrono::milliseconds(ms_ago),
                          value,
                          {},
                          {}};
    REQUIRE(state->apply({"test", {&one, 1}, {}, 0}).ok());
  }
  std::vector<std::string> ask(RecommendRequest request) {
    if (!request.position) request.position = GeoPoint{40.7, -74.0};
    const auto answer = recommender->recommend(CallContext(), request, kNow);
    REQUIRE_MESSAGE(answer.ok(), answer.status().to_string());
    std::vector<std::string> ids;
    for (const Recommended& item : answer->items) ids.push_back(item.place.id.str());
    return ids;
  }
};

Place at(const std::string& id, double north_km, std::string category = "") {
  return {PlaceId(id), id, {40.7 + north_km / 111.195, -74.0}, std::move(category)};
}

using Ids = std::vector<std::string>;

TEST_CASE("a user nobody knows is answered by distance and popularity") {
  Fixture f({at("far", 3), at("near", 1), at("nearest", 0.9)});
  CHECK(f.ask({.user = UserId("stranger"), .limit = 3}) == Ids{"nearest", "near", "far"});
  for (int i = 0; i < 30; ++i) f.happen("someone", "near", "visit", kHour * (i + 1));
  CHECK(f.ask({.user = UserId("stranger"), .limit = 1}) == Ids{"near"});
}

TEST_CASE("where the user goes comes before where they have not been") {
  Fixture f({at("a", 0.5), at("b", 0.6), at("c", 0.7)});
  for (int day = 1; day <= 5; ++day) f.happen("u", "c", "visit", day * 24 * kHour);
  const auto answer =
      f.recommender->recommend(CallContext(), {.user = UserId("u"), .position = GeoPoint{40.7, -74.0}}, kNow);
  REQUIRE(answer.ok());
  CHECK(answer->items.at(0).place.id.str() == "c");
  CHECK(answer->freshness.tier == Tier::kDisk);
  bool told = false;
  for (const Reason& reason : answer->items[0].reasons) told = told || reason.text == "visited 5 times";
  CHECK(told);
}

TEST_CASE("the score is the weighted sum of the features, by hand") {
  Fixture f({at("p", 2.0, "Cafe")}, {{"distance", -1.0}, {"near", 10.0}, {"popularity", 0.5}, {"rating", 4.0}});
  f.happen("x", "p", "rate", 40 * 24 * kHour, 5.0);
  f.happen("y", "p", "rate", 40 * 24 * kHour, 4.0);
  const auto answer = f.recommender->recommend(
      CallContext(), {.user = UserId("u"), .position = GeoPoint{40.7, -74.0}, .against = true}, kNow);
  REQUIRE(answer.ok());
  const Recommended& item = answer->items.at(0);
  const double km = item.distance_meters / 1000.0;
  CHECK(km == doctest::Approx(2.0).epsilon(0.001));
  const double expected =
      -std::log(1 + km / 0.3) + 10.0 * std::exp(-km) + 0.5 * std::log(3.0) + 4.0 * (9.0 - 6.0) / 7.0;
  CHECK(item.score == doctest::Approx(expected));
  double reasons = 0.0;
  for (const Reason& reason : item.reasons) reasons += reason.contribution;
  for (const Reason& reason : item.against) reasons += reason.contribution;
  CHECK(reasons == doctest::Approx(expected));
}

TEST_CASE("the wildest values make a score that is a number, and bounded") {
  Fixture f({at("p", 2.0)}, {{"rating", 1.0}});
  for (int i = 0; i < 20; ++i) f.happen("u" + std::to_string(i), "p", "rate", i + 1, kInteractionValueMax);
  const RecommendRequest request{.user = UserId("u"), .position = GeoPoint{40.7, -74.0}};
  CHECK(f.recommender->recommend(CallContext(), request, kNow)->items.at(0).score == 10.0);
}

TEST_CASE("a question about a moment before the visits counts each of them once") {
  Fixture f({at("p", 2.0)}, {{"popularity_month", 1.0}, {"interest", 1.0}});
  for (int i = 0; i < 3; ++i) f.happen("x", "p", "visit", i + 1);
  f.happen("u", "p", "click", 1);
  for (const std::int64_t moment : {kNow.time_since_epoch().count() - kHour, std::int64_t{0}, -62'000'000'000'000}) {
    const RecommendRequest request{
        .user = UserId("u"), .position = GeoPoint{40.7, -74.0}, .time = event_time_from_ms(moment)};
    const auto answer = f.recommender->recommend(CallContext(), request, kNow);
    CHECK(answer->items.at(0).score == doctest::Approx(std::log(1 + 3.0) + std::log(1 + 0.5)));
  }
}

TEST_CASE("what decays within an hour is taken as of its beginning, so that an hour has one answer") {
  Fixture f({at("p", 2.0)}, {{"popularity_month", 1.0}});
  const std::int64_t hour = to_ms(kNow) / kHour * kHour;
  f.happen("x", "p", "visit", to_ms(kNow) - hour + 720 * kHour);  // 30 days before the hour began: half a visit
  const auto score = [&](std::int64_t ms) {
    const RecommendRequest request{
        .user = UserId("u"), .position = GeoPoint{40.7, -74.0}, .time = event_time_from_ms(ms)};
    return f.recommender->recommend(CallContext(), request, kNow)->items.at(0).score;
  };
  CHECK(score(hour) == doctest::Approx(std::log(1.5)));
  CHECK(score(hour + kHour - 1) == score(hour));
  CHECK(score(hour + kHour) == doctest::Approx(std::log(1.0 + std::exp2(-721.0 / 720.0))));
}

TEST_CASE("filters are obeyed and a short answer says why") {
  Fixture f({at("a", 0.1, "Cafe"), at("b", 0.2, "Bar"), at("c", 0.3, "Cafe"), at("far", 80, "Cafe")});
  f.happen("u", "a", "visit", kHour);
  CHECK(f.ask({.user = UserId("u"), .categories = {"Cafe"}, .exclude_seen = true}) == Ids{"c"});
  CHECK(f.ask({.user = UserId("u"), .categories = {"Museum"}}).empty());
  CHECK(f.ask({.user = UserId("u"), .limit = 10, .radius_meters = 250.0}).size() == 2);
  const auto answer = f.recommender->recommend(
      CallContext(), {.user = UserId("u"), .position = GeoPoint{40.7, -74.0}, .limit = 10}, kNow);
  CHECK(answer->shortfall == "4 places known, 3 within 50000 m, 3 of them pass the filters");
  CHECK(answer->candidates == 3);
}

TEST_CASE("a place that was seen often is left out like one that was seen once") {
  Fixture f({at("a", 0.1), at("b", 0.2), at("c", 0.3)});
  f.happen("u", "a", "visit", kHour);
  for (int i = 1; i < 5; ++i) f.happen("u", "b", "visit", i * 30 * kHour);
  CHECK(f.ask({.user = UserId("u"), .exclude_seen = true}) == Ids{"c"});
}

TEST_CASE("categories count for the places that were there when the engine opened") {
  Fixture f({at("a", 1.0, "Cafe"), at("b", 1.0, "Bar")}, {{"category_hour", 1.0}});
  f.happen("x", "a", "visit", 7 * 24 * kHour);               // at this hour of the week
  f.happen("x", "b", "visit", 7 * 24 * kHour + 12 * kHour);  // at none near it
  CHECK(f.ask({.user = UserId("u")}) == Ids{"a", "b"});
  const auto answer =
      f.recommender->recommend(CallContext(), {.user = UserId("u"), .position = GeoPoint{40.7, -74.0}}, kNow);
  // Of all visits half have the weight w of the hour's own: w/2 a visit. The café's (w + 20 w/2) / 21 over w/2 is
  // 22/21, the bar's (0 + 20 w/2) / 21 over w/2 is 20/21.
  CHECK(answer->items.at(0).score == doctest::Approx(0.0465200156));   // ln 22/21
  CHECK(answer->items.at(1).score == doctest::Approx(-0.0487901642));  // ln 20/21
}

TEST_CASE("what the user dismissed sinks, what they saved rises") {
  Fixture f({at("a", 0.50), at("b", 0.51), at("c", 0.52)});
  f.happen("u", "a", "dismiss", kHour);
  f.happen("u", "c", "save", kHour);
  CHECK(f.ask({.user = UserId("u"), .limit = 3}) == Ids{"c", "b", "a"});
}

TEST_CASE("equal scores stand nearer first, then by id") {
  Fixture f({at("z", 1.0), at("b", 2.0), at("a", 2.0), at("c", 2.0)}, {{"visits", 1.0}});
  CHECK(f.ask({.user = UserId("u"), .limit = 2}) == Ids{"z", "a"});
  CHECK(f.ask({.user = UserId("u"), .limit = 4}) == Ids{"z", "a", "b", "c"});
}

TEST_CASE("without a position the user's last known place serves, without either the caller is told") {
  Fixture f({at("a", 0.1), at("b", 30.0), at("c", 30.1)});
  f.happen("u", "b", "visit", kHour);
  const auto answer =
      f.recommender->recommend(CallContext(), {.user = UserId("u"), .limit = 3, .radius_meters = 1000.0}, kNow);
  REQUIRE(answer.ok());
  CHECK(answer->items.size() == 2);
  CHECK(f.recommender->recommend(CallContext(), {.user = UserId("nobody")}, kNow).status().code() ==
        StatusCode::kInvalidArgument);
}

TEST_CASE("beyond candidates_max the nearest places are scored, and no others") {
  RankingOptions few;
  few.candidates_max = 3;
  // Ids, rows and distances in different orders; what is far would score best.
  Fixture f({at("a", -4.0), at("b", 2.0), at("c", -0.5), at("d", 1.0), at("e", 3.0)}, {{"distance", 1.0}}, few);
  const auto answer = f.recommender->recommend(
      CallContext(), {.user = UserId("u"), .position = GeoPoint{40.7, -74.0}, .limit = 5}, kNow);
  REQUIRE(answer.ok());
  CHECK(answer->candidates == 3);
  CHECK(f.ask({.user = UserId("u"), .limit = 5}) == Ids{"b", "d", "c"});
  // Filters come first: the bound is one on what is scored.
  f.happen("u", "c", "visit", kHour);
  CHECK(f.ask({.user = UserId("u"), .limit = 5, .exclude_seen = true}) == Ids{"e", "b", "d"});
}

TEST_CASE("the nearest places keep what the user did at them") {
  const std::uint32_t seed = 21;
  INFO("seed ", seed);
  std::mt19937 random(seed);
  std::vector<Place> places;
  for (int i = 0; i < 60; ++i) {
    places.push_back(at("p" + std::to_string(i), static_cast<double>(random() % 10'000) / 1000.0 - 5.0));
  }
  RankingOptions few;
  few.candidates_max = 40;
  Fixture f(places, {{"visited", 1.0}}, few);
  for (const Place& place : places) f.happen("u", place.id.str(), "visit", kHour);
  const auto answer = f.recommender->recommend(
      CallContext(), {.user = UserId("u"), .position = GeoPoint{40.7, -74.0}, .limit = 60}, kNow);
  REQUIRE(answer.ok());
  REQUIRE(answer->items.size() == 40);
  for (const Recommended& item : answer->items) CHECK(item.score == 1.0);
}

TEST_CASE("as many candidates as candidates_max are all scored") {
  RankingOptions few;
  few.candidates_max = 2;
  Fixture f({at("a", 2.0), at("b", 1.0)}, {{"distance", 1.0}}, few);
  CHECK(f.ask({.user = UserId("u"), .limit = 5}) == Ids{"a", "b"});
}

TEST_CASE(
    "of many places at one spot as many are scored as candidates_max lets in, none twice, and all that are nearer") {
  std::vector<Place> places;
  for (int i = 0; i < 5; ++i) places.push_back(at("near" + std::to_string(i), 0.1 * i));
  for (int i = 0; i < 3000; ++i) places.push_back(at("far" + std::to_string(i), 1.0));
  RankingOptions few;
  few.limit_max = 3000;
  few.candidates_max = 1000;
  Fixture f(places, {{"distance", 1.0}}, few);
  const Ids ids = f.ask({.user = UserId("u"), .limit = 3000});
  CHECK(ids.size() == 1000);
  const std::set<std::string> distinct(ids.begin(), ids.end());
  CHECK(distinct.size() == 1000);
  for (int i = 0; i < 5; ++i) CHECK(distinct.contains("near" + std::to_string(i)));
}

TEST_CASE("a position is as old as it says, and one from the future is of the moment asked for") {
  Fixture f({at("p", 2.0)}, {{"near", 1.0}});
  const auto score = [&](std::optional<EventTime> position_time, std::optional<EventTime> time) {
    const RecommendRequest request{
        .user = UserId("u"), .position = GeoPoint{40.7, -74.0}, .position_time = position_time, .time = time};
    return f.recommender->recommend(CallContext(), request, kNow)->items.at(0).score;
  };
  const std::chrono::hours six(6);
  const double now = score({}, {});
  CHECK(now == doctest::Approx(0.135335).epsilon(0.001));  // e^-2, two kilometres away
  CHECK(score(kNow, {}) == now);
  CHECK(score(kNow - six, {}) == doctest::Approx(now / 2.718281828));  // e^(-6/6) of it
  CHECK(score(kNow + six, {}) == now);
  // The age is counted from the moment asked for, and not from the clock.
  CHECK(score(kNow - six, kNow - six) == now);
  CHECK(score(kNow, kNow + six) == doctest::Approx(now / 2.718281828));
  CHECK(score({}, kNow - six) == now);
  CHECK(score({}, kNow + six) == now);
}

TEST_CASE("a user's last place is a position as old as the visit") {
  Fixture f({at("a", 0.0), at("b", 2.0)}, {{"near", 1.0}});
  f.happen("u", "a", "visit", 6 * kHour);
  const auto answer = f.recommender->recommend(CallContext(), {.user = UserId("u"), .limit = 2}, kNow);
  REQUIRE(answer.ok());
  CHECK(answer->items.at(0).score == doctest::Approx(0.367879441));              // no distance, e^(-6/6)
  CHECK(answer->items.at(1).score == doctest::Approx(0.049787).epsilon(0.001));  // e^-2 * e^-1
}

TEST_CASE("the moment asked for, and not the clock, is what a score is for") {
  Fixture f({at("p", 1.0)}, {{"just_visited", 1.0}});
  f.happen("u", "p", "visit", 24 * kHour);
  RecommendRequest request{.user = UserId("u"), .position = GeoPoint{40.7, -74.0}};
  const auto score = [&] { return f.recommender->recommend(CallContext(), request, kNow)->items.at(0).score; };
  CHECK(score() == doctest::Approx(0.135335283));  // e^(-24/12)
  request.time = kNow - std::chrono::hours(12);
  CHECK(score() == doctest::Approx(0.367879441));  // e^(-12/12)
}

TEST_CASE("a radius holds what lies within it, by default that of the options") {
  RankingOptions options;
  options.radius_meters_default = 1'500.0;
  options.radius_meters_max = 3'500.0;
  Fixture f({at("a", 1.0), at("b", 2.0), at("c", 3.0), at("d", 4.0)}, {{"distance", -1.0}}, options);
  CHECK(f.ask({.user = UserId("u"), .limit = 4}) == Ids{"a"});
  CHECK(f.ask({.user = UserId("u"), .limit = 4, .radius_meters = 2'500.0}) == Ids{"a", "b"});
  CHECK(f.ask({.user = UserId("u"), .limit = 4, .radius_meters = 3'500.0}) == Ids{"a", "b", "c"});
  const RecommendRequest beyond{
      .user = UserId("u"), .position = GeoPoint{40.7, -74.0}, .limit = 4, .radius_meters = 3'500.1};
  CHECK(f.recommender->recommend(CallContext(), beyond, kNow).status().message() ==
        "radius_meters must be above 0 and at most 3500");
}

TEST_CASE("reasons are written when they are asked for") {
  Fixture f({at("p", 1.0)});
  RecommendRequest request{.user = UserId("u"), .position = GeoPoint{40.7, -74.0}};
  CHECK_FALSE(f.recommender->recommend(CallContext(), request, kNow)->items.at(0).reasons.empty());
  request.explain = false;
  CHECK(f.recommender->recommend(CallContext(), request, kNow)->items.at(0).reasons.empty());
}

TEST_CASE("an answer as long as was asked for tells of no shortfall") {
  Fixture f({at("a", 1.0), at("b", 2.0)});
  const GeoPoint here{40.7, -74.0};
  const auto shortfall = [&](std::size_t limit) {
    return f.recommender->recommend(CallContext(), {.user = UserId("u"), .position = here, .limit = limit}, kNow)
        ->shortfall;
  };
  CHECK(shortfall(2).empty());
  CHECK_FALSE(shortfall(3).empty());
}

TEST_CASE("the cells with the most recent visits come first, and without visits those with the most places") {
  // dr5r... around 40.7, -74.0: places of one cell are at most 600 m apart from north to south.
  std::vector<Place> places;
  for (int i = 0; i < 3; ++i) places.push_back({PlaceId("many" + std::to_string(i)), "", {40.70, -74.0}, "x"});
  places.push_back({PlaceId("often"), "", {40.75, -74.0}, "x"});
  places.push_back({PlaceId("once"), "", {40.80, -74.0}, "x"});
  const auto cell = [](double lat) { return features::geohash_text(features::geohash_bits({lat, -74.0}, 6), 6); };
  Fixture f(places);
  CHECK(f.recommender->popular_cells(2).size() == 2);
  CHECK(f.recommender->popular_cells(9)[0] == cell(40.70));
  f.happen("u", "once", "visit", kHour);
  f.happen("u", "often", "visit", kHour);
  f.happen("v", "often", "visit", 2 * kHour);
  // Older visits count less: three of half a year ago are less than one of now.
  for (const char* user : {"a", "b", "c"}) f.happen(user, "many0", "visit", 180 * 24 * kHour);
  CHECK(f.recommender->popular_cells(9) == std::vector<std::string>{cell(40.75), cell(40.80), cell(40.70)});
  CHECK(f.recommender->popular_cells(0).empty());
  CHECK(f.recommender->segments() == 0);
}

TEST_CASE("impossible questions are refused") {
  Fixture f({at("a", 0.1)});
  const auto code = [&](RecommendRequest request) {
    return f.recommender->recommend(CallContext(), request, kNow).status().code();
  };
  const GeoPoint here{40.7, -74.0};
  CHECK(code({.user = UserId(""), .position = here}) == StatusCode::kOk);  // a visitor
  CHECK(code({.user = UserId(std::string(129, 'x')), .position = here}) == StatusCode::kInvalidArgument);
  CHECK(code({.user = UserId("u"), .position = GeoPoint{91, 0}}) == StatusCode::kInvalidArgument);
  CHECK(code({.user = UserId("u"), .position = here, .limit = 0}) == StatusCode::kInvalidArgument);
  CHECK(code({.user = UserId("u"), .position = here, .limit = 1001}) == StatusCode::kInvalidArgument);
  CHECK(code({.user = UserId("u"), .position = here, .limit = 1000}) == StatusCode::kOk);
  CHECK(code({.user = UserId(std::string(128, 'x')), .position = here}) == StatusCode::kOk);
  CHECK(code({.user = UserId("u"), .position = here, .radius_meters = 0.0}) == StatusCode::kInvalidArgument);
  CHECK(code({.user = UserId("u"), .position = here, .radius_meters = -1.0}) == StatusCode::kInvalidArgument);
  CHECK(code({.user = UserId("u"), .position = here, .radius_meters = std::nan("")}) == StatusCode::kInvalidArgument);
}

TEST_CASE("the answer is the best of all candidates, whatever the limit") {
  const std::uint32_t seed = 9;
  INFO("seed ", seed);
  std::mt19937 random(seed);
  std::vector<Place> places;
  for (int i = 0; i < 400; ++i)
    places.push_back(at("p" + std::to_string(i), (random() % 10'000) / 1000.0, i % 3 ? "x" : "y"));
  Fixture f(places);
  for (int i = 0; i < 300; ++i) {
    f.happen("u" + std::to_string(random() % 5), "p" + std::to_string(random() % 400), "visit",
             (1 + random() % 900) * kHour);
  }
  const RecommendRequest all{.user = UserId("u1"), .limit = 400};
  const Ids everything = f.ask(all);
  CHECK(everything.size() == 400);
  CHECK(std::set<std::string>(everything.begin(), everything.end()).size() == 400);
  for (const std::size_t limit : {1u, 7u, 50u, 399u}) {
    RecommendRequest some = all;
    some.limit = limit;
    CHECK(f.ask(some) == Ids(everything.begin(), everything.begin() + static_cast<std::ptrdiff_t>(limit)));
  }
}

TEST_CASE("signals are the same whether places or visits came first, and after a restart") {
  const std::vector<Place> places{at("a", 0.1, "Cafe"), at("b", 0.2, "Bar")};
  Fixture late({});
  Fixture early(places);
  for (Fixture* f : {&late, &early}) {
    for (int i = 1; i < 6; ++i) f->happen("x", "a", "visit", i * 5 * kHour);
    f->happen("y", "b", "visit", 3 * kHour);
  }
  REQUIRE(late.state->catalog().upsert(places).ok());
  late.recommender->refresh_index();
  const auto scores = [](const Recommender& recommender) {
    return recommender.score(UserId("nobody"), {40.7, -74.0}, kNow, 0.0, 10'000.0)->scores;
  };
  CHECK(scores(*late.recommender) == scores(*early.recommender));
  const auto restarted = *Recommender::create(*early.state, early.options);
  CHECK(scores(*restarted) == scores(*early.recommender));
}

}  // namespace

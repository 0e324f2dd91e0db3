#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "engine/ranking/builtin_views.h"
#include "engine/ranking/recommender.h"
#include "features/row.h"

namespace {

using namespace cairn;
using ranking::Recommender;
using Ids = std::vector<std::string>;

const EventTime kNow = event_time_from_ms(1'700'000'000'000);
constexpr GeoPoint kHere{40.7, -74.0};

/// `count` places on a line to the north, 100 m apart: p0 at kHere, and the nearer the better. Every third is a bar,
/// the others are cafes.
struct Line {
  std::unique_ptr<storage::StateStore> store = storage::open_memory_store(features::merge_encoded_rows);
  std::unique_ptr<state::FeatureState> state =
      *state::FeatureState::open(*store, {.views = ranking::builtin_views()}, InteractionTypes());
  std::unique_ptr<Recommender> recommender;

  explicit Line(int count) {
    std::vector<Place> places;
    for (int i = 0; i < count; ++i) {
      const std::string id = "p" + std::to_string(i);
      places.push_back({PlaceId(id), id, {40.7 + i * 0.1 / 111.195, -74.0}, i % 3 == 0 ? "bar" : "cafe"});
    }
    REQUIRE(state->catalog().upsert(places).ok());
    RankingOptions options;
    options.weights = {{"distance", -1.0}};
    options.default_weights = false;
    recommender = *Recommender::create(*state, options);
  }

  Recommendations ask(RecommendRequest request) {
    request.user = UserId("u");
    const auto answer = recommender->recommend(CallContext(), request, kNow);
    REQUIRE_MESSAGE(answer.ok(), answer.status().to_string());
    return *answer;
  }
  void happen(const std::string& place, std::string_view type) {
    const Interaction one{UserId("u"), PlaceId(place), *state->types().find(type), kNow, {}, {}, {}};
    REQUIRE(state->apply({"test", {&one, 1}, {}, 0}).ok());
  }
};

Ids ids_of(const Recommendations& answer) {
  Ids ids;
  for (const Recommended& item : answer.items) ids.push_back(item.place.id.str());
  return ids;
}

TEST_CASE("places that are excluded are no candidates, whether the user knows them or not") {
  Line line(6);
  line.happen("p1", "visit");
  line.happen("p2", "click");
  const auto answer =
      line.ask({.position = kHere, .exclude = {PlaceId("p1"), PlaceId("p2"), PlaceId("p0"), PlaceId("?")}});
  CHECK(ids_of(answer) == Ids{"p3", "p4", "p5"});
  CHECK(answer.candidates == 3);
}

TEST_CASE("just the places that are named are ordered, however far, unless a radius is named too") {
  Line line(1200);  // the last lies 120 km away, beyond the default radius
  const std::vector<PlaceId> wanted = {PlaceId("p1199"), PlaceId("p3"), PlaceId("p40"), PlaceId("p3"),
                                       PlaceId("nowhere")};
  CHECK(ids_of(line.ask({.position = kHere, .rank = wanted})) == Ids{"p3", "p40", "p1199"});
  CHECK(ids_of(line.ask({.position = kHere, .radius_meters = 1'000.0, .rank = wanted})) == Ids{"p3"});
  CHECK(ids_of(line.ask({.position = kHere, .categories = {"cafe"}, .rank = wanted})) == Ids{"p40", "p1199"});
  CHECK(ids_of(line.ask({.position = kHere, .limit = 1, .rank = wanted})) == Ids{"p3"});
  const auto none = line.ask({.position = kHere, .rank = {PlaceId("nowhere")}});
  CHECK(none.items.empty());
  CHECK(none.shortfall == "1200 places known, 0 of those to rank among them, 0 of them pass the filters");
}

TEST_CASE("a short answer says which of the names in the request nothing has, and what was probably meant") {
  Line line(3);
  const std::string counts = "3 places known, 3 within 50000 m, ";
  CHECK(line.ask({.position = kHere, .categories = {"Cafe", "cafe"}}).shortfall ==
        counts + "2 of them pass the filters; no place has the category 'Cafe', did you mean 'cafe'?");
  CHECK(line.ask({.position = kHere, .categories = {"museum"}}).shortfall ==
        counts + "0 of them pass the filters; no place has the category 'museum'");
  CHECK(line.ask({.position = kHere, .categories = {"bar"}}).shortfall == counts + "1 of them pass the filters");
  CHECK(line.ask({.position = kHere, .only = {PlaceId("p1"), PlaceId("p1,p2"), PlaceId("x")}}).shortfall ==
        counts +
            "1 of them pass the filters, 2 were removed by where, open or only; 2 of the places in only are not "
            "known");
  CHECK(line.ask({.position = kHere, .only = {PlaceId("x")}}).shortfall ==
        counts +
            "0 of them pass the filters, 3 were removed by where, open or only; 1 of the places in only is not "
            "known");
}

TEST_CASE("pages go on to the last place and repeat none, also while scores move") {
  const std::uint32_t seed = 8;
  INFO("seed ", seed);
  std::mt19937 random(seed);
  Line line(100);
  std::set<std::string> seen;
  RecommendRequest request{.position = kHere, .limit = 7};
  std::size_t pages = 0;
  for (;; ++pages) {
    const auto answer = line.ask(request);
    CHECK(answer.candidates == 100 - seen.size());
    for (const std::string& id : ids_of(answer)) CHECK_MESSAGE(seen.insert(id).second, id);
    if (answer.next.empty()) break;
    request.cursor = answer.next;
    // The user is somewhere else now, and has been to places of this page and others.
    request.position = GeoPoint{40.7 + static_cast<double>(random() % 100) * 0.001, -74.0};
    line.happen("p" + std::to_string(random() % 100), "visit");
  }
  CHECK(pages == 14);  // 7 * 14 = 98, and a page of two
  CHECK(seen.size() == 100);
}

TEST_CASE("an answer with everything has no next page, and a cursor that is none is refused") {
  Line line(5);
  CHECK(line.ask({.position = kHere, .limit = 5}).next.empty());
  CHECK(line.ask({.position = kHere, .limit = 9}).next.empty());
  CHECK_FALSE(line.ask({.position = kHere, .limit = 4}).next.empty());
  const auto bad = line.recommender->recommend(CallContext(),
                                               {.user = UserId("u"), .position = kHere, .cursor = "0123456789"}, kNow);
  CHECK(bad.status().code() == StatusCode::kInvalidArgument);
}

TEST_CASE("no category has more places in an answer than it may, and those that follow take their place") {
  Line line(900);
  const auto two = line.ask({.position = kHere, .limit = 4, .max_per_category = 2});
  CHECK(ids_of(two) == Ids{"p0", "p1", "p2", "p3"});
  const auto one = line.ask({.position = kHere, .limit = 2, .max_per_category = 1});
  CHECK(ids_of(one) == Ids{"p0", "p1"});
  // 300 bars and 600 cafes: the cap lets 1 and 1 pass, however many are looked at.
  const auto short_one = line.ask({.position = kHere, .limit = 20, .radius_meters = 200'000.0, .max_per_category = 1});
  CHECK(ids_of(short_one) == Ids{"p0", "p1"});
  CHECK(short_one.shortfall.ends_with("at most 1 a category"));
}

TEST_CASE("a cap reaches as far down as it has to") {
  // 2,000 cafes are nearer than the first bar.
  std::unique_ptr<storage::StateStore> store = storage::open_memory_store(features::merge_encoded_rows);
  const auto state = *state::FeatureState::open(*store, {.views = ranking::builtin_views()}, InteractionTypes());
  std::vector<Place> places;
  for (int i = 0; i < 2'003; ++i) {
    const std::string id = "p" + std::to_string(i);
    places.push_back({PlaceId(id), id, {40.7 + i * 1e-5, -74.0}, i < 2'000 ? "cafe" : "bar" + std::to_string(i)});
  }
  REQUIRE(state->catalog().upsert(places).ok());
  RankingOptions options;
  options.weights = {{"distance", -1.0}};
  options.default_weights = false;
  const auto recommender = *Recommender::create(*state, options);
  const auto answer = recommender->recommend(
      CallContext(), {.user = UserId("u"), .position = kHere, .limit = 4, .max_per_category = 1}, kNow);
  REQUIRE(answer.ok());
  CHECK(ids_of(*answer) == Ids{"p0", "p2000", "p2001", "p2002"});
}

TEST_CASE("who has no position is taken to be at the place looked at last, and is known by such places") {
  Line line(50);
  const auto answer = line.ask({.limit = 1, .recent = {PlaceId("p3"), PlaceId("p30"), PlaceId("nowhere")}});
  CHECK(ids_of(answer) == Ids{"p30"});
  CHECK(answer.known_by == UserKnownBy::kRecent);
  CHECK(line.ask({.position = kHere}).known_by == UserKnownBy::kNothing);
  line.happen("p7", "visit");
  CHECK(line.ask({.recent = {PlaceId("p3")}}).known_by == UserKnownBy::kHistory);
  CHECK(ids_of(line.ask({.limit = 1})) == Ids{"p7"});
  CHECK(ids_of(line.ask({.limit = 1, .recent = {PlaceId("p3")}})) == Ids{"p3"});
}

TEST_CASE("a visitor is known by the places of the visit, and without any by nothing, and is told so") {
  Line line(50);
  const auto answer = line.recommender->recommend(CallContext(), {.position = kHere, .limit = 3}, kNow);
  REQUIRE_MESSAGE(answer.ok(), answer.status().to_string());
  CHECK(answer->known_by == UserKnownBy::kNothing);
  CHECK(answer->items.size() == 3);
  const auto recent = line.recommender->recommend(CallContext(), {.limit = 1, .recent = {PlaceId("p30")}}, kNow);
  REQUIRE_MESSAGE(recent.ok(), recent.status().to_string());
  CHECK(recent->known_by == UserKnownBy::kRecent);
  CHECK(ids_of(*recent) == Ids{"p30"});
  const auto unknown =
      line.recommender->recommend(CallContext(), {.position = kHere, .recent = {PlaceId("nowhere")}}, kNow);
  CHECK(unknown->known_by == UserKnownBy::kNothing);
  const auto lost = line.recommender->recommend(CallContext(), {}, kNow);
  CHECK(lost.status().code() == StatusCode::kInvalidArgument);
  CHECK(lost.status().message().find("lat and lon, or a place of the visit") != std::string::npos);
  // Nothing of anybody is a visitor's: an id that is empty is no user's.
  line.happen("p7", "visit");
  CHECK(line.recommender->recommend(CallContext(), {.position = kHere}, kNow)->known_by == UserKnownBy::kNothing);
}

TEST_CASE("without diversity, or with 0, answers are by score alone, and what is no share is refused") {
  Line line(40);
  CHECK(ids_of(line.ask({.position = kHere, .limit = 4, .diversity = 0.0})) == Ids{"p0", "p1", "p2", "p3"});
  for (const double bad : {-0.1, 1.1, std::nan("")}) {
    const auto refused =
        line.recommender->recommend(CallContext(), {.user = UserId("u"), .position = kHere, .diversity = bad}, kNow);
    CHECK(refused.status().code() == StatusCode::kInvalidArgument);
  }
}

TEST_CASE("the most diverse answer takes what is least alike, and reports true scores") {
  // A score is the distance alone, and places are alike by category and distance: after the nearest, which is a bar,
  // the cafe that is farthest of the 256 best is the least alike.
  Line line(300);
  const auto answer = line.ask({.position = kHere, .limit = 2, .radius_meters = 100'000.0, .diversity = 1.0});
  CHECK(ids_of(answer) == Ids{"p0", "p254"});  // of p0 to p255, the last is a bar
  const auto plain = line.ask({.position = kHere, .limit = 300, .radius_meters = 100'000.0});
  CHECK(answer.items[1].score == plain.items[254].score);
  CHECK(answer.candidates == 300);
}

TEST_CASE("a diverse answer keeps the cap, and fills up with what comes behind those it chose from") {
  Line line(900);  // p0 to p255 have 86 bars and 170 cafes
  const auto capped =
      line.ask({.position = kHere, .limit = 20, .radius_meters = 200'000.0, .max_per_category = 2, .diversity = 0.5});
  REQUIRE(capped.items.size() == 4);
  std::map<std::string, int> counts;
  for (const Recommended& item : capped.items) ++counts[item.place.category];
  CHECK(counts == std::map<std::string, int>{{"bar", 2}, {"cafe", 2}});

  std::vector<Place> places;
  for (int i = 0; i < 700; ++i) {
    const std::string id = "q" + std::to_string(i);
    places.push_back({PlaceId(id), id, {41.7 + i * 1e-4, -74.0}, i < 650 ? "cafe" : "shop" + std::to_string(i)});
  }
  REQUIRE(line.state->catalog().upsert(places).ok());
  line.recommender->refresh_index();
  const auto filled = line.ask({.position = GeoPoint{41.7, -74.0},
                                .limit = 3,
                                .radius_meters = 20'000.0,
                                .max_per_category = 1,
                                .diversity = 0.5});
  CHECK(ids_of(filled) == Ids{"q0", "q650", "q651"});
}

TEST_CASE("pages of diverse answers go on to the last place and repeat none") {
  Line line(300);
  std::set<std::string> seen;
  RecommendRequest request{.position = kHere, .limit = 40, .radius_meters = 100'000.0, .diversity = 0.7};
  for (;;) {
    const auto answer = line.ask(request);
    for (const std::string& id : ids_of(answer)) CHECK_MESSAGE(seen.insert(id).second, id);
    if (answer.next.empty()) break;
    request.cursor = answer.next;
  }
  CHECK(seen.size() == 300);
}

}  // namespace

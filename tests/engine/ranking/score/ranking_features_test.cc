#include "engine/ranking/score/ranking_features.h"

#include <doctest/doctest.h>

#include <chrono>
#include <cmath>
#include <limits>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/ranking/builtin_views.h"
#include "engine/ranking/explain/reasons.h"
#include "features/row.h"

namespace {

using namespace cairn;
using ranking::CandidateFacts;
using ranking::PlaceIndex;
using ranking::PlaceSignals;
using ranking::QuestionFacts;

// Wednesday 2023-11-15 12:00 UTC, the hour 60 of the week: 19,676 days and 12 hours after 1970.
const EventTime kAsked = event_time_from_ms((19'676LL * 24 + 12) * 3'600'000);

/// 1 for a visit at the hour asked for, e^-1/2 for one an hour of day off and none further; half of it on another
/// workday, a quarter at the weekend.
constexpr ranking::WeekCoefficients kWeek{
    .reach_hours = 1, .hour_width_hours = 1.0, .same_day = 1.0, .same_kind_of_day = 0.5, .other_day = 0.25};

/// A town with a little history, and one user in it whose profile a test fills in. What everyone did, with what the
/// week kernel gives each visit:
///   cafe        0.5 h ago (Wednesday, an hour off: 0.606531), 23 h ago (Tuesday, an hour off: 0.303265)
///               and 24 h ago (Tuesday: 0.5)
///   bar         rated 5 on Saturday 96 h ago (0.25), rated 4 on Monday 48 h ago (0.5)
///   other_cafe  nothing
///   bench       168 h ago (1); it has no category
/// In all 6 visits, of which 3.159796 fall near the hour: 0.526633 of them.
struct Town {
  std::unique_ptr<storage::StateStore> store = storage::open_memory_store(features::merge_encoded_rows);
  std::unique_ptr<state::FeatureState> state =
      *state::FeatureState::open(*store, {.views = ranking::builtin_views()}, InteractionTypes());
  PlaceSignals signals{*state};
  std::optional<PlaceIndex> index;
  ranking::UserProfile user;
  ranking::VisitedPlace visited;  ///< the user's history with the place that is looked at
  double position_age_hours = 0.0;

  Town() {
    REQUIRE(state->observe_places([this](auto changes) { signals.update(changes); }).ok());
    REQUIRE(state->catalog()
                .upsert({{Place{PlaceId("cafe"), "", {40.70, -74.0}, "Cafe"},
                          Place{PlaceId("bar"), "", {40.72, -74.0}, "Bar"},
                          Place{PlaceId("other_cafe"), "", {40.74, -74.0}, "Cafe"},
                          Place{PlaceId("bench"), "", {40.76, -74.0}, ""}}})
                .ok());
    index.emplace(state->catalog().newer_than(0), state->category_ids(), state->catalog().version());
    signals.recategorise(*index);
    happen("cafe", "visit", 0.5);
    happen("cafe", "visit", 23);
    happen("cafe", "visit", 24);
    happen("bar", "rate", 96, 5.0);
    happen("bar", "rate", 48, 4.0);
    happen("bench", "visit", 168);
  }

  void happen(const std::string& place, std::string_view type, double hours_ago, std::optional<double> value = {}) {
    const auto ago = std::chrono::milliseconds(static_cast<std::int64_t>(hours_ago * 3.6e6));
    const Interaction one{UserId("x"), PlaceId(place), *state->types().find(type), kAsked - ago, value, {}, {}};
    REQUIRE(state->apply({"test", {&one, 1}, {}, 0}).ok());
  }
  [[nodiscard]] std::uint64_t id(const std::string& place) const { return *state->place_ids().find(place); }
  [[nodiscard]] std::uint64_t category(const std::string& name) const { return *state->category_ids().find(name); }
  [[nodiscard]] std::uint32_t row(const std::string& place) const { return index->row_of(id(place)); }

  enum class Been : std::uint8_t { kThere, kNever };

  /// Looks at a place two kilometres from the position.
  template <class Look>
  auto look(const std::string& place, Been been, const Look& look) const {
    const ranking::Situation situation{&user, {40.7, -74.0}, position_age_hours, kAsked};
    const PlaceSignals::Reader reader(signals);
    const QuestionFacts question(situation, *index, reader, kWeek);
    return look(CandidateFacts(question, {row(place), 2000.0F}, been == Been::kThere ? &visited : nullptr));
  }
  [[nodiscard]] double value(std::string_view feature, const std::string& place, Been been = Been::kNever) const {
    return look(place, been, [&](const CandidateFacts& candidate) {
      return ranking::ranking_feature_values(candidate).at(ranking::find_ranking_feature(feature).value());
    });
  }
  /// Of a place that the user has been to.
  [[nodiscard]] double own(std::string_view feature) const { return value(feature, "cafe", Been::kThere); }
};

doctest::Approx about(double expected) { return doctest::Approx(expected).epsilon(1e-9); }

TEST_CASE("what the user did at a place is weighed as each feature says") {
  Town town;
  const std::int64_t six_hours_ago = to_ms(kAsked) - 6 * 3'600'000;
  town.visited = {.row = town.row("cafe"),
                  .place = town.id("cafe"),
                  .visits = 3,
                  .newest_ms = six_hours_ago,
                  .habit = 2.5,
                  .recent = 0.8,
                  .same_hour = 0.5,
                  .same_week_hour = 0.25};
  town.user.last_place = town.id("cafe");
  town.user.last_row = town.row("cafe");
  town.user.hours_since_last = 3.0;
  town.user.recent_total = 1.7;
  town.user.same_hour_total = 2.2;
  town.user.same_week_hour_total = 0.7;
  CHECK(town.own("habit") == about(1.252762968495));   // ln 3.5
  CHECK(town.own("visits") == about(1.386294361120));  // ln 4
  CHECK(town.own("visited") == 1.0);
  CHECK(town.own("visited_once") == 0.0);
  CHECK(town.own("just_visited") == about(0.606530659713));     // e^-6/12
  CHECK(town.own("still_here") == about(0.606530659713));       // e^-3/6
  CHECK(town.own("recent_share") == about(3.713572066704));     // ln(1 + 100 * 0.8 / 2): ln 41
  CHECK(town.own("hour_share") == about(3.044522437723));       // ln(1 + 100 * 0.5 / 2.5): ln 21
  CHECK(town.own("week_hour_share") == about(3.258096538021));  // ln(1 + 100 * 0.25 / 1): ln 26

  town.visited.visits = 2;
  CHECK(town.own("visited_once") == 0.0);
  town.visited.visits = 1;
  CHECK(town.own("visited_once") == 1.0);
  town.user.last_place = town.id("bar");
  CHECK(town.own("still_here") == 0.0);
  // A question about a moment before the visit: it counts as if it were now, and not as e^(6/12).
  town.visited.newest_ms = to_ms(kAsked) + 6 * 3'600'000;
  CHECK(town.own("just_visited") == 1.0);
  for (const char* feature : {"habit", "visits", "visited", "visited_once", "just_visited", "still_here",
                              "recent_share", "hour_share", "week_hour_share"}) {
    CAPTURE(feature);
    CHECK(town.value(feature, "cafe", Town::Been::kNever) == 0.0);
  }
}

TEST_CASE("what everyone did at a place is weighed as each feature says") {
  const Town town;
  CHECK(town.value("popularity", "cafe") == about(1.386294361120));  // ln 4
  CHECK(town.value("popularity", "bar") == about(1.098612288668));   // ln 3: who rates has been there
  CHECK(town.value("popularity", "other_cafe") == 0.0);
  // The visit 24 hours ago is in the first tile that is too old: ln(1 + 3 * 2).
  CHECK(town.value("popularity_day", "cafe") == about(1.945910149055));
  CHECK(town.value("popularity_day", "bar") == 0.0);
  // Of 720 hours: ln(1 + 2^(-0.5 / 720) + 2^(-23 / 720) + 2^(-24 / 720)), ln(1 + 2^(-96 / 720) + 2^(-48 / 720)).
  CHECK(town.value("popularity_month", "cafe") == about(1.374924940927));
  CHECK(town.value("popularity_month", "bar") == about(1.053114132254));
  CHECK(town.value("popularity_month", "other_cafe") == 0.0);
  CHECK(town.value("rating", "bar") == about(0.428571428571));  // (5 + 4 - 2 * 3) / (2 + 5)
  CHECK(town.value("rating", "cafe") == 0.0);
}

TEST_CASE("the last day is the hour asked for and the 23 before it") {
  Town town;
  const auto day = [&] { return town.value("popularity_day", "other_cafe"); };
  town.happen("other_cafe", "visit", -1.0);  // at 13:00
  CHECK(day() == 0.0);
  town.happen("other_cafe", "visit", 0.0);
  CHECK(day() == about(1.386294361120));  // ln(1 + 3 * 1)
  town.happen("other_cafe", "visit", 23.0);
  CHECK(day() == about(1.945910149055));  // ln(1 + 3 * 2)
  town.happen("other_cafe", "visit", 24.0);
  CHECK(day() == about(1.945910149055));
}

TEST_CASE("ratings far out of range are held at 10 on either side") {
  Town town;
  for (int i = 0; i < 20; ++i) town.happen("cafe", "rate", 1000 + i, -kInteractionValueMax);
  CHECK(town.value("rating", "cafe") == -10.0);
  for (int i = 0; i < 20; ++i) town.happen("bench", "rate", 1000 + i, kInteractionValueMax);
  CHECK(town.value("rating", "bench") == 10.0);
}

TEST_CASE("the hour of the week is weighed against what any place and the place's category get then") {
  const Town town;
  // Of a category's visits, with 20 like everyone's: Cafe (1.409796 + 20 * 0.526633) / 23 = 0.519237,
  // Bar (0.75 + 20 * 0.526633) / 22 = 0.512848. Over everyone's 0.526633:
  CHECK(town.value("category_hour", "cafe") == about(-0.014142992016));
  CHECK(town.value("category_hour", "other_cafe") == about(-0.014142992016));
  CHECK(town.value("category_hour", "bar") == about(-0.026524009468));
  CHECK(town.value("category_hour", "bench") == 0.0);
  // Of a place's visits, with 5 like its category's: cafe (1.409796 + 5 * 0.519237) / 8, bar (0.75 + 5 * 0.512848) / 7,
  // other_cafe 0.519237 as its category, bench (1 + 5 * 0.526633) / 6. Each over 0.526633:
  CHECK(town.value("hour_popularity", "cafe") == about(-0.050401138858));
  CHECK(town.value("hour_popularity", "bar") == about(-0.106429993911));
  CHECK(town.value("hour_popularity", "other_cafe") == about(-0.014142992016));
  CHECK(town.value("hour_popularity", "bench") == about(0.139596242837));
  CHECK(town.value("hour_popularity_new", "bench") == about(0.139596242837));
  CHECK(town.value("hour_popularity", "cafe", Town::Been::kThere) == about(-0.050401138858));
  CHECK(town.value("hour_popularity_new", "cafe", Town::Been::kThere) == 0.0);
}

TEST_CASE("where a place is is weighed by the distance and the age of the position") {
  Town town;
  town.position_age_hours = 3.0;
  CHECK(town.value("near", "cafe") == about(0.082084998624));          // e^-2 * e^-3/6
  CHECK(town.value("distance", "cafe") == about(0.150660274887));      // ln(1 + 2 / (0.3 + 4 * 3))
  CHECK(town.value("distance_new", "cafe") == about(3.044522437723));  // ln(1 + 10 * 2)
  CHECK(town.value("near", "cafe", Town::Been::kThere) == about(0.082084998624));
  CHECK(town.value("distance", "cafe", Town::Been::kThere) == about(0.150660274887));
  CHECK(town.value("distance_new", "cafe", Town::Been::kThere) == 0.0);
  town.position_age_hours = 30.0;
  CHECK(town.value("near", "cafe") == about(0.000911881966));      // e^-2 * e^-30/6: e^-7
  CHECK(town.value("distance", "cafe") == about(0.020555708349));  // 24 hours at most: ln(1 + 2 / 96.3)
}

TEST_CASE("what the user likes elsewhere is weighed as each feature says") {
  Town town;
  town.user.monthly_total = 2.5;
  town.user.categories = {{town.category("Cafe"), 1.5}};
  // Everyone's share is (visits + 1) / (6 + 3): of Cafe 4/9, of Bar 3/9, the places without a category being the third
  // kind. Own: (1.5 + 2 * 4/9) / (2.5 + 2) and 2 * 3/9 / 4.5. ln of own over everyone's:
  CHECK(town.value("category_affinity_new", "cafe") == about(0.177681177237));
  CHECK(town.value("category_affinity_new", "bar") == about(-0.810930216216));
  CHECK(town.value("category_affinity_new", "bench") == 0.0);
  CHECK(town.value("category_affinity_new", "cafe", Town::Been::kThere) == 0.0);

  town.user.last_place = town.id("cafe");
  town.user.last_row = town.row("cafe");
  town.user.hours_since_last = 2.0;
  CHECK(town.value("category_repeated", "other_cafe") == about(0.135335283237));  // e^-2
  CHECK(town.value("category_repeated", "cafe", Town::Been::kThere) == about(0.135335283237));
  CHECK(town.value("category_repeated", "bar") == 0.0);
  town.user.last_place = town.id("bench");
  town.user.last_row = town.row("bench");
  CHECK(town.value("category_repeated", "bench") == 0.0);  // none is no category that two places share

  town.user.cells = {{town.index->cell(town.row("cafe")), 0.5}};
  town.user.cells_total = 2.2;
  CHECK(town.value("cell_affinity_new", "cafe") == about(3.044522437723));  // ln(1 + 100 * 0.5 / 2.5): ln 21
  CHECK(town.value("cell_affinity_new", "bar") == 0.0);
  CHECK(town.value("cell_affinity_new", "cafe", Town::Been::kThere) == 0.0);

  town.user.interest = {{town.id("cafe"), 1.7}};
  town.user.dismissed = {{town.id("bar"), 0.9}};
  CHECK(town.value("interest", "cafe") == about(0.993251773010));  // ln 2.7
  CHECK(town.value("interest", "bar") == 0.0);
  CHECK(town.value("dismissed", "bar") == about(0.641853886172));  // ln 1.9
  CHECK(town.value("dismissed", "cafe") == 0.0);
  CHECK(town.value("interest", "cafe", Town::Been::kThere) == about(0.993251773010));
}

TEST_CASE("before anything has happened every feature of everyone's visits is 0") {
  std::unique_ptr<storage::StateStore> store = storage::open_memory_store(features::merge_encoded_rows);
  const auto state = *state::FeatureState::open(*store, {.views = ranking::builtin_views()}, InteractionTypes());
  REQUIRE(state->catalog().upsert({{Place{PlaceId("a"), "", {40.7, -74.0}, "Cafe"}}}).ok());
  const PlaceIndex index(state->catalog().newer_than(0), state->category_ids(), 1);
  const PlaceSignals signals(*state);
  const ranking::UserProfile nobody;
  const ranking::Situation situation{&nobody, {40.7, -74.0}, 0.0, kAsked};
  const PlaceSignals::Reader reader(signals);
  const QuestionFacts question(situation, index, reader, kWeek);
  const std::vector<double> values = ranking::ranking_feature_values(CandidateFacts(question, {0, 0.0F}, nullptr));
  for (std::size_t i = 0; i < values.size(); ++i) {
    CAPTURE(ranking::ranking_feature_name(i));
    CHECK(values[i] == (ranking::ranking_feature_name(i) == "near" ? 1.0 : 0.0));
  }
}

TEST_CASE("a score is the sum of weight times value over all features") {
  Town town;
  town.visited = {.row = town.row("cafe"), .place = town.id("cafe"), .visits = 3, .newest_ms = 0, .habit = 2.5};
  std::vector<double> weights(ranking::ranking_feature_count(), 0.0);
  weights[*ranking::find_ranking_feature("habit")] = 2.0;
  weights[*ranking::find_ranking_feature("visits")] = -1.0;
  weights[*ranking::find_ranking_feature("popularity")] = 0.5;
  weights[*ranking::find_ranking_feature("distance_new")] = 100.0;  // not of a place where the user has been
  // 2 ln 3.5 - ln 4 + ln(4) / 2
  CHECK(town.look("cafe", Town::Been::kThere,
                  [&](const CandidateFacts& c) { return ranking::weighted_sum(c, weights); }) == about(1.812378756430));
}

TEST_CASE("each feature says in words what it saw") {
  Town town;
  town.visited = {
      .row = town.row("cafe"), .place = town.id("cafe"), .visits = 3, .newest_ms = to_ms(kAsked) - 6 * 3'600'000};
  struct Said {
    const char* feature;
    const char* words;
  };
  const Said all[] = {{"habit", "visited 3 times"},
                      {"visits", "visited 3 times"},
                      {"visited", "visited 3 times"},
                      {"visited_once", "visited 3 times"},
                      {"just_visited", "last visited 6 h ago"},
                      {"still_here", "last visited 6 h ago"},
                      {"recent_share", "visited 3 times"},
                      {"hour_share", "often visited around Wed 12 h UTC"},
                      {"week_hour_share", "often visited around Wed 12 h UTC"},
                      {"popularity", "3 visits by everyone"},
                      {"popularity_day", "visited in the last 24 h"},
                      {"popularity_month", "visited in recent weeks"},
                      {"hour_popularity", "how usual the place is around Wed 12 h UTC"},
                      {"hour_popularity_new", "how usual the place is around Wed 12 h UTC"},
                      {"category_hour", "how usual its category is around Wed 12 h UTC"},
                      {"near", "2.0 km away"},
                      {"distance", "2.0 km away"},
                      {"distance_new", "2.0 km away"},
                      {"category_affinity_new", "how much the user likes Cafe"},
                      {"category_repeated", "same category as the last visit"},
                      {"cell_affinity_new", "in a part of town the user goes to"},
                      {"interest", "viewed, clicked or saved by the user"},
                      {"dismissed", "dismissed by the user"},
                      {"rating", "0 ratings"},
                      {"model", "goes with where the user has been"}};
  REQUIRE(std::size(all) == ranking::ranking_feature_count());
  for (const Said& said : all) {
    CAPTURE(said.feature);
    CHECK(town.look("cafe", Town::Been::kThere, [&](const CandidateFacts& c) {
      return ranking::ranking_feature_reason(*ranking::find_ranking_feature(said.feature), c);
    }) == said.words);
  }
}

const ranking::Language& english() {
  static const ranking::Sentences sentences = *ranking::Sentences::create({}, {});
  return sentences.in("");
}

ranking::Explanation explained(const CandidateFacts& candidate, std::span<const double> weights,
                               ranking::ReasonsWanted wanted, float network = 0.0F) {
  return ranking::explain(candidate, weights, network, wanted, english());
}

TEST_CASE("what speaks for a place is told apart from what speaks against it, and what says the same once") {
  Town town;
  town.position_age_hours = 3.0;
  std::vector<double> weights(ranking::ranking_feature_count(), 0.0);
  const auto weigh = [&](const char* feature, double weight) {
    weights[*ranking::find_ranking_feature(feature)] = weight;
  };
  // The bar: popularity ln 3 = 1.0986, rating 3/7 = 0.4286, distance 0.1507, distance_new ln 21 = 3.0445, near 0.0821.
  weigh("popularity", 1.0);        // 1.0986
  weigh("rating", -7.0);           // -3
  weigh("distance", 100.0);        // 15.07: all three say how far it is,
  weigh("distance_new", -1.0);     // -3.0445
  weigh("near", -1.0);             // -0.0821: together 11.94
  weigh("popularity_month", 0.5);  // 0.5266
  weigh("popularity_day", 9.0);    // nothing: nobody was there
  const auto all = town.look("bar", Town::Been::kNever, [&](const CandidateFacts& c) {
    return explained(c, weights, ranking::ReasonsWanted::kAll, 0.25F);
  });
  const char* order[] = {"distance", "popularity", "popularity_month", "network"};
  const double contributions[] = {15.066027488700 - 3.044522437723 - 0.082084998624, 1.098612288668, 0.526557066127,
                                  0.25};
  REQUIRE(all.reasons.size() == 4);
  for (std::size_t i = 0; i < 4; ++i) {
    CAPTURE(i);
    CHECK(all.reasons[i].feature == order[i]);
    CHECK(all.reasons[i].contribution == about(contributions[i]));
  }
  CHECK(all.reasons[0].text == "2.0 km away");
  CHECK(all.reasons[0].value == about(0.150660274887));  // of the feature that counts most
  REQUIRE(all.against.size() == 1);
  CHECK(all.against[0].feature == "rating");
  CHECK(all.against[0].contribution == about(-3.0));
  CHECK(all.because.starts_with("It is 2.0 km away, there have been 2 visits"));
  const auto some = town.look("bar", Town::Been::kNever, [&](const CandidateFacts& c) {
    return explained(c, weights, ranking::ReasonsWanted::kFor);
  });
  CHECK(some.reasons.size() == 3);
  CHECK(some.against.empty());
}

TEST_CASE("contributions for and against are the score together, whatever is weighed") {
  Town town;
  town.visited = {.row = town.row("cafe"), .place = town.id("cafe"), .visits = 3, .newest_ms = 0};
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    std::normal_distribution<double> weight(0.0, 1.0);
    std::vector<double> weights(ranking::ranking_feature_count());
    for (double& one : weights) one = random() % 3 == 0 ? 0.0 : weight(random);
    town.look("cafe", Town::Been::kThere, [&](const CandidateFacts& c) {
      const auto all = explained(c, weights, ranking::ReasonsWanted::kAll, 0.5F);
      double sum = 0.0;
      std::set<std::string> texts;
      double last = std::numeric_limits<double>::infinity();
      for (const Reason& reason : all.reasons) {
        CHECK(reason.contribution > 0.0);
        CHECK(reason.contribution <= last);
        last = reason.contribution;
      }
      for (const Reason& reason : all.against) CHECK(reason.contribution < 0.0);
      for (const auto* reasons : {&all.reasons, &all.against}) {
        for (const Reason& reason : *reasons) {
          sum += reason.contribution;
          CHECK(texts.insert(reason.text).second);
        }
      }
      CHECK(sum == about(ranking::weighted_sum(c, weights) + 0.5));
      return 0;
    });
  }
}

TEST_CASE("of equal contributions the feature declared first names the reason") {
  Town town;
  town.visited = {.row = town.row("cafe"), .place = town.id("cafe"), .visits = 1, .newest_ms = 0};
  std::vector<double> weights(ranking::ranking_feature_count(), 0.0);
  weights[*ranking::find_ranking_feature("visited_once")] = 2.0;
  weights[*ranking::find_ranking_feature("visited")] = 2.0;
  const auto all = town.look("cafe", Town::Been::kThere, [&](const CandidateFacts& c) {
    return explained(c, weights, ranking::ReasonsWanted::kAll);
  });
  REQUIRE(all.reasons.size() == 1);
  CHECK(all.reasons[0].feature == "visited");
  CHECK(all.reasons[0].contribution == 4.0);
  CHECK(all.because == "You have been here once.");
}

TEST_CASE("features that cancel each other are no reason, and a sentence says nothing where nothing speaks for it") {
  Town town;
  town.visited = {.row = town.row("cafe"), .place = town.id("cafe"), .visits = 1, .newest_ms = 0};
  std::vector<double> weights(ranking::ranking_feature_count(), 0.0);
  weights[*ranking::find_ranking_feature("visited_once")] = -2.0;
  weights[*ranking::find_ranking_feature("visited")] = 2.0;
  weights[*ranking::find_ranking_feature("distance")] = -1.0;
  const auto all = town.look("cafe", Town::Been::kThere, [&](const CandidateFacts& c) {
    return explained(c, weights, ranking::ReasonsWanted::kAll);
  });
  CHECK(all.reasons.empty());
  CHECK(all.against.size() == 1);
  CHECK(all.because.empty());
}

}  // namespace

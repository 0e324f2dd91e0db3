// Who is unknown is answered by segments of the model's users.
#include <doctest/doctest.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/model/served_model.h"
#include "engine/ranking/builtin_views.h"
#include "engine/ranking/recommender.h"
#include "features/row.h"
#include "tests/support/temporary_folder.h"

namespace {

using namespace cairn;
using Ids = std::vector<std::string>;
using ranking::Recommender;

const EventTime kNow = event_time_from_ms(1'700'000'000'000);
constexpr GeoPoint kNorth{40.75, -74.0};
constexpr GeoPoint kSouth{40.70, -74.0};  // another cell, 5.6 km away
constexpr GeoPoint kNowhere{40.0, -74.0};

/// Bars and cafes in the north and in the south. Segment 0 likes bars, segment 1 cafes; in the north more of segment 1
/// were, and in the south more of segment 0. By popularity the pier in the south is best, which neither likes.
struct Town {
  explicit Town(bool segments, std::map<std::string, double> weights = {{"model", 1.0}}) {
    const std::vector<Place> places = {
        {PlaceId("bar north"), "", kNorth, "bar"},   {PlaceId("cafe north"), "", kNorth, "cafe"},
        {PlaceId("bar south"), "", kSouth, "bar"},   {PlaceId("cafe south"), "", kSouth, "cafe"},
        {PlaceId("pier south"), "", kSouth, "pier"}, {PlaceId("new"), "", kNowhere, "cafe"}};
    REQUIRE(state->catalog().upsert(places).ok());
    RankingOptions options;
    options.weights = std::move(weights);
    options.default_weights = options.weights.empty();
    recommender = *Recommender::create(*state, options);

    model::Model model{.items = {"bar north", "cafe north", "bar south", "cafe south", "pier south"},
                       .popularity = {1, 2, 3, 4, 5}};
    model.components.push_back({.name = "v",
                                .kind = model::ComponentKind::kFoldIn,
                                .weight = 2.0F,
                                .dim = 2,
                                .item_vectors = {1.0F, 0.1F, 0.1F, 1.0F, 0.9F, 0.0F, 0.0F, 0.9F, -1.0F, -1.0F}});
    if (segments) {
      model.segments = {
          .vectors = {1.0F, 0.0F, 0.0F, 1.0F}, .users = {50, 30}, .item_users = {9, 1, 0, 9, 20, 0, 1, 0, 0, 15}};
    }
    REQUIRE(model::save_model(model, scratch / "m").ok());
    const auto backend = gpu::make_cpu_backend({.threads = 1});
    auto served = model::ServedModel::load(scratch / "m", **backend, EventTime{});
    REQUIRE_MESSAGE(served.ok(), served.status().to_string());
    recommender->serve_model(*std::move(served));
  }
  Result<Recommendations> ask(const std::string& user, GeoPoint at, std::optional<std::uint32_t> segment = {}) {
    return recommender->recommend(
        CallContext(),
        {.user = UserId(user), .position = at, .limit = 5, .radius_meters = 20'000.0, .segment = segment}, kNow);
  }
  void visit(const std::string& user, const std::string& place) {
    const Interaction one{UserId(user), PlaceId(place), *state->types().find("visit"), kNow, {}, {}, {}};
    REQUIRE(state->apply({"test", {&one, 1}, {}, 0}).ok());
  }

  test::TemporaryFolder scratch;
  std::unique_ptr<storage::StateStore> store = storage::open_memory_store(features::merge_encoded_rows);
  std::unique_ptr<state::FeatureState> state =
      *state::FeatureState::open(*store, {.views = ranking::builtin_views()}, InteractionTypes());
  std::unique_ptr<Recommender> recommender;
};

std::string best_of(const Result<Recommendations>& answer) {
  REQUIRE_MESSAGE(answer.ok(), answer.status().to_string());
  REQUIRE(!answer->items.empty());
  return answer->items[0].place.id.str();
}

TEST_CASE("a stranger is answered by the segments, as much as their users went to places near here") {
  Town town(true);
  const auto north = town.ask("stranger", kNorth);
  CHECK(best_of(north) == "cafe north");
  CHECK(north->items[0].score == doctest::Approx(2.0 * (0.1 * 9 / 19 + 10.0 / 19)));
  CHECK(north->segment == 1U);
  CHECK(north->known_by == UserKnownBy::kSegment);
  const auto south = town.ask("stranger", kSouth);
  CHECK(best_of(south) == "bar north");
  CHECK(south->segment == 0U);
  CHECK(south->items[0].score == doctest::Approx(2.0 * (21.0 / 36 + 0.1 * 15 / 36)));
  CHECK(south->items[0].reasons.at(0).text == "goes with where others like to go");
  double sum = 0.0;
  for (const Reason& reason : south->items[0].reasons) sum += reason.contribution;
  CHECK(sum == doctest::Approx(south->items[0].score));
}

TEST_CASE("where no segment has been, they answer as many users as they have") {
  Town town(true);
  const auto answer = town.ask("stranger", {40.60, -74.0});
  CHECK(answer->segment == 0U);
  CHECK(best_of(answer) == "bar north");
  CHECK(answer->items[0].score == doctest::Approx(2.0 * (50.0 / 80 + 0.1 * 30 / 80)));
}

TEST_CASE("a segment that is named answers instead, and one that is not there is refused") {
  Town town(true);
  CHECK(best_of(town.ask("stranger", kNorth, 0)) == "bar north");
  CHECK(town.ask("stranger", kNorth, 0)->items[0].score == 2.0);
  CHECK(town.ask("stranger", kNorth, 0)->segment == 0U);
  const auto beyond = town.ask("stranger", kNorth, 2);
  CHECK(beyond.status().code() == StatusCode::kInvalidArgument);
  CHECK(beyond.status().message() == "segment must be from 0 to 1");
  Town without(false);
  const auto none = without.ask("stranger", kNorth, 0);
  CHECK(none.status().code() == StatusCode::kFailedPrecondition);
  CHECK(none.status().message().find("--set segments=") != std::string::npos);
}

TEST_CASE("without segments a stranger is answered by popularity, as before") {
  Town town(false);
  const auto answer = town.ask("stranger", kNorth);
  CHECK(best_of(answer) == "pier south");
  CHECK(answer->items[0].reasons.at(0).text == "many have been there");
  CHECK(!answer->segment);
  CHECK(answer->known_by == UserKnownBy::kNothing);
}

TEST_CASE("whom the model knows something of is answered by that, also when a segment is named") {
  Town town(true);
  town.visit("ann", "cafe south");
  const auto answer = town.ask("ann", kSouth, 0);
  CHECK(best_of(answer) == "cafe north");
  CHECK(answer->items[0].reasons.at(0).text == "goes with where the user has been");
  CHECK(!answer->segment);
  CHECK(answer->known_by == UserKnownBy::kHistory);
  const auto session = town.recommender->recommend(
      CallContext(), {.user = UserId("x"), .position = kSouth, .limit = 5, .recent = {PlaceId("cafe south")}}, kNow);
  CHECK(!session->segment);
  CHECK(session->known_by == UserKnownBy::kRecent);
}

TEST_CASE("who has a history that the model knows nothing of is asked for by segment, and known by history") {
  Town town(true);
  town.visit("bob", "new");
  const auto answer = town.ask("bob", kNorth);
  CHECK(answer->segment == 1U);
  CHECK(answer->known_by == UserKnownBy::kHistory);
}

TEST_CASE("where the model weighs nothing no segment takes part") {
  Town town(true, {{"distance", -1.0}});
  const auto answer = town.ask("stranger", kNorth);
  CHECK(!answer->segment);
  CHECK(answer->known_by == UserKnownBy::kNothing);
}

}  // namespace

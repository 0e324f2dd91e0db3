// An engine that keeps answers: what it gives again is what it would compute, unless it says how old it is.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "cairn/engine.h"
#include "tests/support/temporary_folder.h"

namespace {

using namespace cairn;

struct Town {
  test::TemporaryFolder folder;
  ManualClock clock{event_time_from_ms(1'700'000'000'000)};
  EngineOptions options;
  std::unique_ptr<Engine> engine;
  std::mt19937 random{5};

  explicit Town(std::size_t memory_bytes = 8 << 20) {
    options.answers.memory_bytes = memory_bytes;
    options.answers.warm_cells = 0;  // what is kept is what was asked for
    open();
    import(0, 60);
  }

  void open() {
    engine.reset();
    options.state_dir = folder / "state";
    options.state.free_bytes_min = 1 << 20;
    options.answers.ttl = options.answers.ttl_min = std::chrono::hours(1);
    auto opened = Engine::open(options, clock);
    REQUIRE_MESSAGE(opened.ok(), opened.status().to_string());
    engine = *std::move(opened);
  }

  void import(int begin, int end) {
    std::vector<Place> places;
    for (int i = begin; i < end; ++i) {
      places.push_back({PlaceId("p" + std::to_string(i)),
                        "",
                        {40.7 + 0.001 * static_cast<double>(i % 8), -74.0 + 0.001 * static_cast<double>(i / 8)},
                        "c" + std::to_string(i % 5)});
    }
    REQUIRE(engine->upsert_places({}, places).ok());
    REQUIRE(engine->wait_caught_up({}).ok());
  }
  void visit(const std::string& user, int place) {
    clock.advance(std::chrono::minutes(7));
    const std::string one = R"({"user_id":")" + user + R"(","place_id":"p)" + std::to_string(place) +
                            R"(","type":"visit","ts":)" + std::to_string(to_ms(clock.now())) + "}";
    const std::vector<std::string_view> events{one};
    const auto ack = engine->ingest({}, events, "");
    REQUIRE(ack.ok());
    // Seen is enough, and is told of sooner than stored.
    RecommendRequest probe{.user = UserId("somebody else"), .position = GeoPoint{40.7, -74.0}};
    probe.time = clock.now();  // such an answer is not kept
    probe.min_offset = ack->reflected_at;
    REQUIRE(engine->recommend({}, probe).ok());
  }
  [[nodiscard]] Recommendations ask(const std::string& user, bool computed = false) const {
    RecommendRequest request{.user = UserId(user), .position = GeoPoint{40.7, -74.0}};
    if (computed) request.max_staleness = std::chrono::milliseconds(0);
    const auto answer = engine->recommend({}, request);
    REQUIRE_MESSAGE(answer.ok(), answer.status().to_string());
    return *answer;
  }
};

std::string text_of(const Recommendations& answer) {
  std::string text;
  for (const Recommended& item : answer.items) text += item.place.id.str() + "=" + std::to_string(item.score) + " ";
  return text;
}

TEST_CASE("a user's own click is in the very next answer, a thousand times") {
  Town town;
  for (int i = 0; i < 1'000; ++i) {
    const std::string user = "u" + std::to_string(town.random() % 5);
    (void)town.ask(user);
    const int place = static_cast<int>(town.random() % 60);
    town.visit(user, place);
    const Recommendations answer = town.ask(user);
    CHECK_FALSE(answer.kept);
    CHECK(text_of(answer) == text_of(town.ask(user, true)));
  }
}

TEST_CASE("an answer that is given again is, byte for byte, the one that was computed, as long as nothing happens") {
  Town town;
  town.visit("u", 3);
  const Recommendations first = town.ask("u");
  CHECK_FALSE(first.kept);
  for (int i = 0; i < 3; ++i) {
    const Recommendations again = town.ask("u");
    REQUIRE(again.kept);
    CHECK(text_of(again) == text_of(first));
    CHECK(again.items[0].reasons.size() == first.items[0].reasons.size());
    CHECK(again.freshness.watermarks.size() == first.freshness.watermarks.size());
  }
  const EngineStatus status = town.engine->status({});
  CHECK(status.answers.hits == 3);
  CHECK(status.answers.entries == 1);
}

TEST_CASE("others' events leave a user's answer in place, and it says of which offset it is") {
  Town town;
  town.visit("u", 3);
  const Recommendations before = town.ask("u");
  town.visit("v", 4);
  const Recommendations again = town.ask("u");
  REQUIRE(again.kept);
  REQUIRE(again.freshness.watermarks.size() == 1);
  CHECK(again.freshness.watermarks[0].position.offset == before.freshness.watermarks[0].position.offset);
  // Who must know of v's event says so.
  RecommendRequest request{.user = UserId("u"), .position = GeoPoint{40.7, -74.0}};
  request.min_offset = town.ask("v").freshness.watermarks.at(0);
  const auto fresh = town.engine->recommend({}, request);
  REQUIRE(fresh.ok());
  CHECK_FALSE(fresh->kept);
}

TEST_CASE("imported places are in everyone's next answer, and so are other rankers") {
  Town town;
  town.visit("u", 3);
  const std::size_t before = town.ask("u").candidates;
  CHECK(town.ask("u").kept);
  town.import(60, 64);
  CHECK(town.ask("u").candidates == before + 4);
  CHECK(town.ask("u").kept);
  REQUIRE(town.engine->activate_ranker({}, "", ModelChoice::kForNow).ok());
  CHECK_FALSE(town.ask("u").kept);
}

TEST_CASE("who and what was unknown is known from the first event and the import on, however often it was asked for") {
  Town town;
  const FeatureRequest features{EntityKind::kUser, {"new"}, {}, {}};
  const auto known = [&] {
    const auto found = town.engine->get_features({}, features);
    REQUIRE(found.ok());
    const auto& vectors = found->entities.at(0).vectors;
    return std::any_of(vectors.begin(), vectors.end(),
                       [](const FeatureVector& one) { return one.status == FeatureStatus::kPresent; });
  };
  for (int i = 0; i < 3; ++i) {
    CHECK(town.ask("new").known_by == UserKnownBy::kNothing);
    CHECK_FALSE(known());
    CHECK(town.engine->get_place({}, PlaceId("p60")).status().code() == StatusCode::kNotFound);
  }
  CHECK(town.ask("new").kept);
  CHECK_FALSE(town.ask("new").user_event);
  town.visit("new", 3);
  const Recommendations answer = town.ask("new");
  CHECK(answer.known_by == UserKnownBy::kHistory);
  CHECK(answer.user_event == town.clock.now());
  CHECK(known());
  town.import(60, 61);
  CHECK(town.engine->get_place({}, PlaceId("p60")).ok());
}

TEST_CASE("a thousand users of whom nothing is known, asking from one cell, cost one computation and one kept answer") {
  Town town;
  town.options.answers.warm_cells = 0;
  town.open();
  const BatchingStatus before = town.engine->status({}).batching;
  constexpr int kThreads = 8;
  std::atomic<int> answered{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        for (int i = t; i < 1'000; i += kThreads) {
          // Somewhere in the cell that 40.7, -74 lies in, which is 0.005 by 0.011 degrees.
          const RecommendRequest request{.user = UserId("stranger " + std::to_string(i)),
                                         .position = GeoPoint{40.7 + 1e-6 * i, -74.0 + 1e-6 * i},
                                         .snap = true};
          const auto answer = town.engine->recommend({}, request);
          answered += answer.ok() && answer->known_by == UserKnownBy::kNothing && !answer->items.empty() ? 1 : 0;
        }
      });
    }
  }
  CHECK(answered == 1'000);
  const EngineStatus status = town.engine->status({});
  CHECK(status.answers.misses - status.answers.waited == 1);
  CHECK(status.answers.hits + status.answers.misses == 1'000);
  CHECK(status.answers.entries == 1);
  CHECK(status.batching.completed - before.completed == 1);
}

TEST_CASE("who and what is unknown is looked for in the store once, and known to be absent from then on") {
  Town town;
  town.options.answers.warm_cells = 0;
  town.open();
  const auto look = [&](EntityKind kind, const std::string& key) {
    const auto found = town.engine->get_features({}, {kind, {key}, {}, {}});
    REQUIRE(found.ok());
    for (const FeatureVector& one : found->entities.at(0).vectors) CHECK(one.status != FeatureStatus::kPresent);
  };
  for (const auto& [kind, key] : {std::pair(EntityKind::kUser, "nobody"), std::pair(EntityKind::kCell, "dr5ru7"),
                                  std::pair(EntityKind::kPlace, "p5")}) {
    INFO("kind ", static_cast<int>(kind));
    const EngineStatus before = town.engine->status({});
    for (int i = 0; i < 100; ++i) look(kind, key);
    const EngineStatus after = town.engine->status({});
    CHECK(after.row_cache_misses - before.row_cache_misses == 1);
    CHECK(after.row_cache_hits - before.row_cache_hits == 99);
  }
  // A place that was never imported has no number, and so nothing to look for.
  const EngineStatus none = town.engine->status({});
  look(EntityKind::kPlace, "nowhere");
  CHECK(town.engine->status({}).row_cache_misses == none.row_cache_misses);
  // Whether anything is known of who asks from a cell is looked up for each answer, and read once.
  const EngineStatus before = town.engine->status({});
  for (int i = 0; i < 100; ++i) {
    const RecommendRequest request{.user = UserId("stranger"), .position = GeoPoint{40.7, -74.0}, .snap = true};
    REQUIRE(town.engine->recommend({}, request).ok());
  }
  CHECK(town.engine->status({}).row_cache_misses - before.row_cache_misses == 1);
  // A first event, and it is not absent any more.
  town.visit("nobody", 3);
  const auto found = town.engine->get_features({}, {EntityKind::kUser, {"nobody"}, {}, {}});
  REQUIRE(found.ok());
  const auto& vectors = found->entities.at(0).vectors;
  CHECK(std::any_of(vectors.begin(), vectors.end(),
                    [](const FeatureVector& one) { return one.status == FeatureStatus::kPresent; }));
}

TEST_CASE("what is invalidated by name is computed anew") {
  Town town;
  (void)town.ask("u");
  (void)town.ask("v");
  REQUIRE(town.engine->invalidate_answers({}, {.users = {"u"}}).ok());
  CHECK_FALSE(town.ask("u").kept);
  CHECK(town.ask("v").kept);
}

TEST_CASE("who names \"\" as a category is refused, and nothing is outdated") {
  Town town;
  (void)town.ask("u");
  for (const std::vector<std::string>& categories : {std::vector<std::string>{""}, {"", "c1"}}) {
    const Status refused = town.engine->invalidate_answers({}, {.categories = categories});
    CHECK(refused.code() == StatusCode::kInvalidArgument);
    CHECK(refused.message().find("is no category") != std::string::npos);
  }
  CHECK(town.ask("u").kept);
}

TEST_CASE(
    "a category that was renamed or merged is invalidated by each of its names, under whichever it was asked for") {
  Town town;
  REQUIRE(town.engine->rename_category({}, "c1", "cafe", CategoryTarget::kNewName).ok());
  REQUIRE(town.engine->rename_category({}, "c2", "cafe", CategoryTarget::kExisting).ok());
  const auto kept = [&](const std::string& category, double lat) {
    RecommendRequest request{.user = UserId("u"), .position = GeoPoint{lat, -74.0}};
    request.categories = {category};
    const auto answer = town.engine->recommend({}, request);
    REQUIRE_MESSAGE(answer.ok(), answer.status().to_string());
    return answer->kept.has_value();
  };
  // One list has places of the category, the other, far away, has none that it could be found by.
  const std::vector<double> lats = {40.7, 10.0};
  for (const std::string named : {"c1", "c2", "cafe"}) {
    for (const std::string category : {"c1", "c2", "cafe", "c3"}) {
      for (const double lat : lats) {
        CAPTURE(named);
        CAPTURE(category);
        CAPTURE(lat);
        static_cast<void>(kept(category, lat));
        CHECK(kept(category, lat));
        REQUIRE(town.engine->invalidate_answers({}, {.categories = {named}}).ok());
        CHECK(kept(category, lat) == (category == "c3"));
      }
    }
  }
}

TEST_CASE("without memory for them no answers are kept") {
  Town town(0);
  (void)town.ask("u");
  CHECK_FALSE(town.ask("u").kept);
  CHECK(town.engine->status({}).answers.entries == 0);
}

TEST_CASE("what an earlier engine left on the disk is gone at a start, also when nothing is to go there any more") {
  for (const bool still_used : {true, false}) {
    Town town;
    town.options.answers.disk_bytes = 1 << 20;
    town.open();
    CHECK(std::filesystem::exists(town.folder / "state/answers"));
    town.folder.write("state/answers/left", "ann");
    town.options.answers.disk_bytes = still_used ? 1 << 20 : 0;
    town.open();
    CHECK_FALSE(std::filesystem::exists(town.folder / "state/answers/left"));
    CHECK(std::filesystem::exists(town.folder / "state/answers") == still_used);
  }
}

TEST_CASE("random events and questions: what was computed for a question is what a fresh computation gives") {
  Town town;
  std::vector<std::uint64_t> events_of(4);
  std::vector<std::optional<std::uint64_t>> seen(4);  ///< how many own events the kept answer knows of
  for (int i = 0; i < 400; ++i) {
    const auto user = town.random() % 4;
    const std::string name = "u" + std::to_string(user);
    switch (town.random() % 4) {
      case 0:
        town.visit(name, static_cast<int>(town.random() % 60));
        ++events_of[user];
        break;
      case 1:
        if (town.random() % 5 == 0) {
          town.import(static_cast<int>(town.random() % 60), 60);
          seen.assign(4, std::nullopt);
        }
        break;
      default: {
        const Recommendations answer = town.ask(name);
        if (answer.kept) {
          CHECK(seen[user] == events_of[user]);
        } else {
          CHECK(text_of(answer) == text_of(town.ask(name, true)));
        }
        seen[user] = events_of[user];
      }
    }
  }
  CHECK(town.engine->status({}).answers.hits > 20);
}

TEST_CASE(
    "strangers in a cell share one answer, which is what each would get alone, and a visit ends that for its user") {
  Town town;
  const auto from_cell = [&](const std::string& user, bool computed = false) {
    RecommendRequest request{.user = UserId(user), .cell = "dr5ref"};
    if (computed) request.max_staleness = std::chrono::milliseconds(0);
    const auto answer = town.engine->recommend({}, request);
    REQUIRE_MESSAGE(answer.ok(), answer.status().to_string());
    return *answer;
  };
  town.visit("regular", 3);
  const Recommendations shared = from_cell("");
  CHECK(shared.cell == "dr5ref");
  CHECK(shared.known_by == UserKnownBy::kNothing);
  CHECK(shared.items.size() == 20);
  const Recommendations strangers = from_cell("stranger");
  CHECK(strangers.kept);
  CHECK(text_of(strangers) == text_of(shared));
  CHECK(text_of(strangers) == text_of(from_cell("stranger", true)));
  CHECK_FALSE(from_cell("regular").kept);
  CHECK(from_cell("regular").known_by == UserKnownBy::kHistory);
  town.visit("stranger", 5);
  const Recommendations known = from_cell("stranger");
  CHECK_FALSE(known.kept);
  CHECK(known.known_by == UserKnownBy::kHistory);
}

TEST_CASE("a position that snaps is asked at the centre of its cell, also where no answers are kept") {
  Town town(0);
  RecommendRequest snapped{.position = GeoPoint{40.7001, -74.0001}, .snap = true};
  const auto answer = town.engine->recommend({}, snapped);
  REQUIRE_MESSAGE(answer.ok(), answer.status().to_string());
  const auto by_cell = town.engine->recommend({}, {.cell = answer->cell});
  REQUIRE(by_cell.ok());
  CHECK(text_of(*by_cell) == text_of(*answer));
  CHECK(by_cell->items[0].distance_meters == answer->items[0].distance_meters);
}

TEST_CASE("the cells that are visited most are warm before anybody asks from them") {
  Town town;
  town.options.answers.warm_cells = 64;
  town.open();
  // Nobody asks, so whatever is kept was warmed.
  while (town.engine->status({}).answers.warming.computed == 0)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  while (town.engine->status({}).answers.warming.running) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  const AnswerCacheStatus status = town.engine->status({}).answers;
  CHECK(status.misses == 0);
  CHECK(status.entries > 0);
  CHECK(status.warming.failed == 0);
  RecommendRequest request{.position = GeoPoint{40.703, -73.997}, .snap = true};
  const auto answer = town.engine->recommend({}, request);
  REQUIRE(answer.ok());
  CHECK(answer->kept);
}

}  // namespace

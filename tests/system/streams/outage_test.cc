#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <thread>

#include "tests/support/postgres.h"
#include "tests/support/temporary_folder.h"
#include "tests/system/streams/ledger.h"
#include "tests/system/streams/trace.h"

namespace cairn::test {
namespace {

constexpr auto kPatience = std::chrono::minutes(3);

Trace small_trace() {
  Trace trace{"small", {}, {}};
  for (int i = 0; i < 300; ++i) {
    const int hour = i % 24;
    char time[32];
    std::snprintf(time, sizeof time, "2024-05-%02dT%02d:00:00Z", 1 + i / 24, hour);
    trace.check_ins.push_back(
        {"u" + std::to_string(i % 7), "p" + std::to_string(i % 11), time, 1'714'521'600 + i * std::int64_t{3600}});
  }
  return trace;
}

void hand_in(Engine& engine, const Trace& trace, std::size_t begin, std::size_t end) {
  for (std::size_t i = begin; i < end; ++i) {
    const std::string event = to_json(trace.check_ins[i]);
    REQUIRE(engine.ingest({}, std::vector<std::string_view>{event}).ok());
  }
}

ReadinessCheck check_of(const Engine& engine, const std::string& name) {
  for (const ReadinessCheck& check : engine.status({}).checks) {
    if (check.name == name) return check;
  }
  return {};
}

TEST_CASE("while PostgreSQL is gone features go on, and when it is back nothing is missing from its tables") {
  const Trace trace = small_trace();
  const TemporaryFolder folder;
  EngineOptions options;
  options.state_dir = folder.path() + "/state";
  options.state.free_bytes_min = 0;
  options.sql.dsn = TestCluster::shared().fresh_database();
  const auto engine = Engine::open(options);
  REQUIRE_MESSAGE(engine.ok(), engine.status().to_string());
  hand_in(**engine, trace, 0, 100);
  REQUIRE((*engine)->wait_caught_up(CallContext::within(kPatience)).ok());
  CHECK(check_of(**engine, "postgres").ok);

  TestCluster::shared().stop_immediate();
  hand_in(**engine, trace, 100, 250);
  // The features' consumer does not know that there is a database.
  const Watermark end = (*engine)->ingest({}, {})->reflected_at;
  const auto answer = (*engine)->recommend(CallContext::within(kPatience),
                                           {.user = UserId("u1"), .position = GeoPoint{0, 0}, .min_offset = end});
  CHECK_MESSAGE(answer.ok(), answer.status().to_string());
  CHECK((*engine)->status({}).events_applied == 250);
  const Status waiting = (*engine)->wait_caught_up(CallContext::within(std::chrono::seconds(2)));
  CHECK(waiting.code() == StatusCode::kDeadlineExceeded);
  const ReadinessCheck check = check_of(**engine, "postgres");
  CHECK_FALSE(check.ok);
  CHECK_FALSE(check.required);
  CHECK_FALSE(check.detail.empty());
  CHECK((*engine)->status({}).ready());

  TestCluster::shared().start();
  hand_in(**engine, trace, 250, 300);
  const Status caught_up = (*engine)->wait_caught_up(CallContext::within(kPatience));
  REQUIRE_MESSAGE(caught_up.ok(), caught_up.to_string());
  const Totals totals = aggregate(trace);
  check_tables(options.sql.dsn, totals);
  check_features(**engine, trace, totals);
}

/// Files of the event log.
std::size_t segments(const std::string& state_dir) {
  const auto files = std::filesystem::directory_iterator(state_dir + "/event-log");
  return static_cast<std::size_t>(
      std::count_if(begin(files), end(files), [](const auto& file) { return file.path().extension() == ".events"; }));
}

TEST_CASE("what PostgreSQL has not got stays in the event log, also through a restart, and goes when it has it") {
  const Trace trace = small_trace();
  const TemporaryFolder folder;
  EngineOptions options;
  options.state_dir = folder.path() + "/state";
  options.state.free_bytes_min = 0;
  options.event_log_segment_bytes = 2'048;
  options.sql.dsn = TestCluster::shared().fresh_database();
  auto engine = Engine::open(options);
  REQUIRE_MESSAGE(engine.ok(), engine.status().to_string());
  hand_in(**engine, trace, 0, 100);
  REQUIRE((*engine)->wait_caught_up(CallContext::within(kPatience)).ok());
  TestCluster::shared().stop_immediate();
  hand_in(**engine, trace, 100, 300);
  const Watermark end = (*engine)->ingest({}, {})->reflected_at;
  REQUIRE((*engine)
              ->recommend(CallContext::within(kPatience),
                          {.user = UserId("u1"), .position = GeoPoint{0, 0}, .min_offset = end})
              .ok());
  // A start finds all of it in the features' files, and nobody yet who knows how far PostgreSQL is.
  engine->reset();
  engine = Engine::open(options);
  REQUIRE_MESSAGE(engine.ok(), engine.status().to_string());
  const std::vector<Place> places{{PlaceId("p"), "a place calls the chores, trimming too", {1, 1}, ""}};
  REQUIRE((*engine)->upsert_places({}, places).ok());
  TestCluster::shared().start();
  const Status caught_up = (*engine)->wait_caught_up(CallContext::within(std::chrono::minutes(1)));
  REQUIRE_MESSAGE(caught_up.ok(), caught_up.to_string());
  check_tables(options.sql.dsn, aggregate(trace));

  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  // What is written, and what is kept of the newest for corrections.
  while (segments(options.state_dir) > 3) {
    REQUIRE(std::chrono::steady_clock::now() < deadline);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

TEST_CASE("a lost state directory takes the schema over when told to, and gets the places into PostgreSQL again") {
  const std::string dsn = TestCluster::shared().fresh_database();
  for (const char* name : {"Old name", "New name"}) {
    const TemporaryFolder folder;  // a new state directory each time
    EngineOptions options;
    options.state_dir = folder.path() + "/state";
    options.state.free_bytes_min = 0;
    options.sql.dsn = dsn;
    if (name == std::string("New name")) {
      const Status refused = Engine::open(options).status();
      CHECK(refused.code() == StatusCode::kFailedPrecondition);
      CHECK_MESSAGE(refused.message().find("cairn sql adopt") != std::string::npos, refused.message());
      REQUIRE(adopt_postgres(options.sql).ok());
    }
    const auto engine = Engine::open(options);
    REQUIRE_MESSAGE(engine.ok(), engine.status().to_string());
    const std::vector<Place> places{{PlaceId("p"), name, {1, 1}, ""}};
    REQUIRE((*engine)->upsert_places({}, places).ok());
    const Status caught_up = (*engine)->wait_caught_up(CallContext::within(kPatience));
    REQUIRE_MESSAGE(caught_up.ok(), caught_up.to_string());
    PgClient client(dsn);
    CHECK(client.value("SELECT name FROM cairn.places") == name);
  }
}

}  // namespace
}  // namespace cairn::test

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "cairn/engine.h"
#include "tests/support/files_with.h"
#include "tests/support/postgres.h"
#include "tests/support/temporary_folder.h"

namespace cairn::test {
namespace {

namespace fs = std::filesystem;

constexpr auto kPatience = std::chrono::minutes(1);
constexpr const char* kAnn = "Ann-the-erased-4711";
constexpr std::int64_t kThen = 1'700'000'000'000;

std::string event(const std::string& user, const std::string& place, std::int64_t ms = kThen) {
  return R"({"user_id":")" + user + R"(","place_id":")" + place + R"(","type":"visit","ts":)" + std::to_string(ms) +
         R"(,"event_id":")" + user + place + std::to_string(ms) + "\"}";
}

std::string id_of(const std::string& user, const std::string& place, std::int64_t ms) {
  return user + place + std::to_string(ms);
}

std::string retraction(const std::string& event) { return event.substr(0, event.size() - 1) + R"(,"retract":true})"; }

std::string plain(const std::string& user) {
  return R"({"user_id":")" + user + R"(","place_id":"bar","type":"visit","ts":)" + std::to_string(kThen) + "}";
}

struct Fixture {
  TemporaryFolder folder;
  std::string dsn = TestCluster::shared().fresh_database();
  std::unique_ptr<Engine> engine;
  std::string source = "first";

  Fixture() {
    // Without ids: nothing but the mark tells that they come again.
    std::ofstream(folder / "events.ndjson") << plain(kAnn) << '\n' << plain("bob") << '\n';
    open();
  }
  void open() {
    engine.reset();
    EngineOptions options;
    options.state_dir = folder / "state";
    options.state.free_bytes_min = 0;
    options.sql.dsn = dsn;
    options.files = {{source, folder / "events.ndjson", true}};
    auto opened = Engine::open(options);
    REQUIRE_MESSAGE(opened.ok(), opened.status().to_string());
    engine = *std::move(opened);
  }
  void catch_up() const {
    const Status caught_up = engine->wait_caught_up(CallContext::within(kPatience));
    REQUIRE_MESSAGE(caught_up.ok(), caught_up.to_string());
  }
  void ingest(const std::vector<std::string>& events) const {
    const std::vector<std::string_view> views(events.begin(), events.end());
    REQUIRE(engine->ingest({}, views).ok());
  }
  /// Takes an event back; with `instead` another one counts. Returns: where what it said was found.
  std::string correct(const std::string& id, const std::string& original = "", const std::string& instead = "") const {
    const auto ack = engine->correct_event({}, {.event_id = id, .original = original, .replacement = instead});
    REQUIRE_MESSAGE(ack.ok(), ack.status().to_string());
    return ack->found_in;
  }
  void append(const std::string& line) const { std::ofstream(folder / "events.ndjson", std::ios::app) << line << '\n'; }
  [[nodiscard]] std::int64_t visits(const std::string& place) const {
    const auto answer = engine->get_features({}, {EntityKind::kPlace, {place}, {"place_visits"}, {}});
    REQUIRE_MESSAGE(answer.ok(), answer.status().to_string());
    std::int64_t count = 0;
    for (const FeatureEntry& entry : answer->entities.at(0).vectors.at(0).entries) count += entry.count;
    return count;
  }
  [[nodiscard]] std::string value(const std::string& query) const {
    PgClient client(dsn);
    client.query("SET search_path TO cairn, public");
    return client.value(query);
  }
  /// Rows of all tables, as a dump would write them, that hold the text.
  [[nodiscard]] std::vector<std::string> rows_with(const std::string& text) const {
    PgClient client(dsn);
    client.query("SET search_path TO cairn, public");
    std::vector<std::string> found;
    for (const auto& table : client.query("SELECT c.oid::regclass::text FROM pg_class c WHERE relkind = 'r' AND "
                                          "relnamespace = 'cairn'::regnamespace")) {
      for (const auto& row :
           client.query("SELECT t::text FROM " + *table[0] + " t WHERE strpos(t::text, '" + text + "') > 0")) {
        found.push_back(*table[0] + ": " + *row[0]);
      }
    }
    return found;
  }
};

TEST_CASE("an erased user is in no row of any table and in no file, the hours count on, and a replay changes nothing") {
  Fixture f;
  f.ingest({event(kAnn, "cafe", kThen + 1), event("bob", "cafe", kThen + 1)});
  f.catch_up();
  CHECK(f.rows_with(kAnn).size() == 2);
  CHECK(f.engine->export_user({}, UserId(kAnn))->events.size() == 3);  // one of them in the log as well
  const auto receipt = f.engine->erase_user({}, UserId(kAnn));
  REQUIRE_MESSAGE(receipt.ok(), receipt.status().to_string());
  CHECK(receipt->complete());
  CHECK(receipt->parts.back().where == "postgres");
  CHECK(receipt->parts.back().count == 2);
  for (int round = 0; round < 2; ++round) {
    CHECK(f.rows_with(kAnn) == std::vector<std::string>{});
    CHECK(f.engine->export_user({}, UserId(kAnn))->events.empty());
    CHECK(f.value("SELECT sum(events) FROM place_stats_hourly") == std::to_string(4 + round));
    CHECK(f.value("SELECT count(*) FROM user_interactions") == std::to_string(2 + round));
    f.engine.reset();
    CHECK(test::files_with(f.folder / "state", kAnn).empty());
    // The file is read again from its beginning.
    f.source = "again";
    f.open();
    f.catch_up();
  }
}

TEST_CASE("a user is erased from a database that is down as soon as it is up again, also by the next process") {
  Fixture f;
  f.catch_up();
  TestCluster::shared().stop_immediate();
  const auto receipt = f.engine->erase_user({}, UserId(kAnn));
  REQUIRE_MESSAGE(receipt.ok(), receipt.status().to_string());
  CHECK_FALSE(receipt->complete());
  CHECK(receipt->parts.at(0).done);
  CHECK_FALSE(receipt->parts.back().done);
  CHECK_FALSE(receipt->parts.back().detail.empty());
  CHECK(f.engine->status({}).erasures_pending == 1);
  CHECK(f.engine->export_user({}, UserId(kAnn)).status().code() == StatusCode::kUnavailable);
  f.open();
  CHECK(f.engine->status({}).erasures_pending == 1);
  TestCluster::shared().start();
  while (f.engine->status({}).erasures_pending > 0) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  CHECK(f.rows_with(kAnn) == std::vector<std::string>{});
  CHECK(f.engine->export_user({}, UserId(kAnn))->events.empty());
  f.engine.reset();
  CHECK(test::files_with(f.folder / "state", kAnn).empty());
}

TEST_CASE("of a user whose events were taken back and replaced nothing is left either, in rows or in files") {
  Fixture f;
  const std::string late = event(kAnn, "late", kThen + 70);
  f.ingest({event(kAnn, "cafe", kThen + 10), event(kAnn, "cafe", kThen + 20), event(kAnn, "cafe", kThen + 30),
            event(kAnn, "cafe", kThen + 40), event("bob", "cafe", kThen + 10)});
  f.append(event(kAnn, "cafe", kThen + 50));
  f.catch_up();
  // By its id; by its id and its contents, the newest, so that a time is inexact; replaced, with an id of its own and
  // one that is made of the old one; by a stream; one that came by a file, and is found in PostgreSQL.
  CHECK(f.correct(id_of(kAnn, "cafe", kThen + 10)) == "event_log");
  CHECK(f.correct(id_of(kAnn, "cafe", kThen + 40), event(kAnn, "cafe", kThen + 40)) == "caller");
  (void)f.correct(id_of(kAnn, "cafe", kThen + 20), "", event(kAnn, "library", kThen + 21));
  const std::string unnamed = R"({"user_id":")" + std::string(kAnn) + R"(","place_id":"library","type":"visit","ts":)" +
                              std::to_string(kThen + 31) + "}";
  (void)f.correct(id_of(kAnn, "cafe", kThen + 30), "", unnamed);
  CHECK(f.correct(id_of(kAnn, "cafe", kThen + 50)) == "postgres");
  f.append(retraction(event(kAnn, "library", kThen + 21)));
  // One that comes before its event, which then does not count, and one that cannot be used and is a dead letter.
  (void)f.correct(id_of(kAnn, "late", kThen + 70), late);
  f.catch_up();
  f.ingest({late});
  f.append(retraction(plain(kAnn)));
  f.catch_up();
  // One of ann, replaced; one of bob.
  CHECK(f.visits("library") == 1);
  CHECK(f.visits("cafe") == 1);
  CHECK(f.visits("late") == 0);
  CHECK(f.value("SELECT count(*) FROM user_interactions WHERE place_id = 'cafe'") == "1");
  CHECK_FALSE(f.rows_with(kAnn).empty());

  const auto receipt = f.engine->erase_user({}, UserId(kAnn));
  REQUIRE_MESSAGE(receipt.ok(), receipt.status().to_string());
  CHECK(receipt->complete());
  for (int round = 0; round < 2; ++round) {
    CHECK(f.rows_with(kAnn) == std::vector<std::string>{});
    CHECK(f.engine->export_user({}, UserId(kAnn))->events.empty());
    // What nobody is named by counts on: the visit to the library.
    CHECK(f.visits("library") == 1);
    CHECK(f.value("SELECT sum(events) FROM place_stats_hourly WHERE place_id = 'library'") == "1");
    // What is gone cannot be taken back any more.
    CHECK(
        f.engine->correct_event({}, {.event_id = id_of(kAnn, "library", kThen + 21), .original = {}, .replacement = {}})
            .status()
            .code() == StatusCode::kNotFound);
    f.engine.reset();
    for (const std::string& file : test::files_with(f.folder / "state", kAnn)) FAIL_CHECK(round, " ", file);
    // The file is read once more, with its retractions, and what of it cannot be used: a dead letter that names nobody.
    std::ofstream(f.folder / "events.ndjson") << plain(kAnn) << '\n'
                                              << plain("bob") << '\n'
                                              << event(kAnn, "cafe", kThen + 50) << '\n'
                                              << retraction(event(kAnn, "library", kThen + 21)) << '\n'
                                              << retraction(plain(kAnn)) << '\n';
    f.source = "again";
    f.open();
    f.catch_up();
  }
}

TEST_CASE(
    "a place whose events were taken back loses its history as others do, and a later retraction brings none back") {
  Fixture f;
  const std::vector<Place> cafe{{PlaceId("cafe"), "Cafe", {40.7, -74.0}, ""}};
  REQUIRE(f.engine->upsert_places({}, cafe).ok());
  f.ingest({event(kAnn, "cafe", kThen + 10), event(kAnn, "cafe", kThen + 20), event(kAnn, "cafe", kThen + 30)});
  f.catch_up();
  (void)f.correct(id_of(kAnn, "cafe", kThen + 30));
  (void)f.correct(id_of(kAnn, "cafe", kThen + 20), "", event(kAnn, "cafe", kThen + 21));
  f.catch_up();
  CHECK(f.visits("cafe") == 2);
  CHECK(f.value("SELECT sum(events) FROM place_stats_hourly WHERE place_id = 'cafe'") == "2");
  REQUIRE(f.engine->delete_places({}, std::vector{PlaceId("cafe")}, PlaceHistory::kErase).ok());
  f.catch_up();
  const auto nothing_is_left = [&] {
    CHECK(f.visits("cafe") == 0);
    CHECK(f.value("SELECT count(*) FROM place_stats_hourly WHERE place_id = 'cafe'") == "0");
    CHECK(f.engine->get_place({}, PlaceId("cafe")).status().code() == StatusCode::kNotFound);
  };
  nothing_is_left();
  // What users did stays theirs, and can be taken back still.
  CHECK(f.engine->export_user({}, UserId(kAnn))->events.size() > 0);
  CHECK(f.value("SELECT count(*) FROM user_interactions WHERE place_id = 'cafe'") == "2");
  (void)f.correct(id_of(kAnn, "cafe", kThen + 10));
  f.catch_up();
  nothing_is_left();
  CHECK(f.value("SELECT count(*) FROM user_interactions WHERE place_id = 'cafe'") == "1");
  f.engine.reset();
  f.open();
  f.catch_up();
  nothing_is_left();
  // Back again, it begins with nothing.
  REQUIRE(f.engine->upsert_places({}, cafe).ok());
  f.ingest({event("bob", "cafe", kThen + 90)});
  f.catch_up();
  CHECK(f.visits("cafe") == 1);
  CHECK(f.value("SELECT sum(events) FROM place_stats_hourly WHERE place_id = 'cafe'") == "1");
}

TEST_CASE("a deleted place says so in PostgreSQL, loses its hours where that is wanted, and comes back") {
  Fixture f;
  const std::vector<Place> bar{{PlaceId("bar"), "Bar", {40.7, -74.0}, ""}};
  const auto deleted = [&] { return f.value("SELECT deleted_at IS NOT NULL FROM places WHERE place_id = 'bar'"); };
  REQUIRE(f.engine->upsert_places({}, bar).ok());
  f.catch_up();
  CHECK(deleted() == "f");
  REQUIRE(f.engine->delete_places({}, std::vector{PlaceId("bar")}, PlaceHistory::kKeep).ok());
  f.catch_up();
  CHECK(deleted() == "t");
  CHECK(f.value("SELECT count(*) FROM place_stats_hourly") == "1");
  REQUIRE(f.engine->delete_places({}, std::vector{PlaceId("bar")}, PlaceHistory::kErase).ok());
  f.catch_up();
  CHECK(deleted() == "t");
  CHECK(f.value("SELECT count(*) FROM place_stats_hourly") == "0");
  CHECK(f.value("SELECT count(*) FROM user_interactions") == "2");
  REQUIRE(f.engine->upsert_places({}, bar).ok());
  f.catch_up();
  CHECK(deleted() == "f");
}

}  // namespace
}  // namespace cairn::test

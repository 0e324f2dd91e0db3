// An engine whose disk has failed, or that has met damage, says so while it runs, and answers what it can.

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "cairn/engine.h"
#include "features/row.h"
#include "storage/state_store.h"
#include "tests/support/disk_syncs.h"
#include "tests/support/temporary_folder.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

EngineOptions options_at(const std::string& path) {
  EngineOptions options;
  options.state_dir = path;
  options.state.free_bytes_min = 0;
  options.state.window = 5ms;
  return options;
}

std::unique_ptr<Engine> open(const EngineOptions& options) {
  auto engine = Engine::open(options);
  REQUIRE_MESSAGE(engine.ok(), engine.status().to_string());
  return *std::move(engine);
}

std::string user(int i) { return "a user with a name that takes some room in a block, number " + std::to_string(i); }

Status send(Engine& engine, int first, int count) {
  std::vector<std::string> texts;
  for (int i = first; i < first + count; ++i) {
    texts.push_back(R"({"user_id":")" + user(i) + R"(","place_id":"cafe","type":"visit","ts":1700000000000})");
  }
  const std::vector<std::string_view> events(texts.begin(), texts.end());
  return engine.ingest({}, events).status();
}

void wait(Engine& engine) {
  const Status caught_up = engine.wait_caught_up(CallContext::within(60s));
  REQUIRE_MESSAGE(caught_up.ok(), caught_up.to_string());
}

ReadinessCheck check_of(const Engine& engine, const std::string& name) {
  for (const ReadinessCheck& check : engine.status({}).checks) {
    if (check.name == name) return check;
  }
  FAIL("no check ", name);
  return {};
}

void wait_until_not_ready(const Engine& engine) {
  while (engine.status({}).ready()) std::this_thread::sleep_for(2ms);
}

TEST_CASE(
    "after a sync of the event log that failed once: not ready at once, nothing acknowledged, well after a restart") {
  const test::TemporaryFolder folder;
  test::DiskSyncs syncs;
  auto engine = open(options_at(folder / "state"));
  REQUIRE(send(*engine, 0, 10).ok());
  CHECK(engine->status({}).ready());
  syncs.fail_next(".events");
  CHECK(send(*engine, 10, 1).code() == StatusCode::kUnavailable);
  CHECK_FALSE(engine->status({}).ready());
  const ReadinessCheck check = check_of(*engine, "event_log");
  CHECK_FALSE(check.ok);
  CHECK(check.required);
  CHECK(check.detail.find(folder / "state/event-log/") != std::string::npos);
  CHECK(check.detail.find("check the disk and start again") != std::string::npos);
  CHECK(send(*engine, 11, 1).code() == StatusCode::kUnavailable);
  CHECK(engine->close().ok());
  engine.reset();

  engine = open(options_at(folder / "state"));
  CHECK(engine->status({}).ready());
  REQUIRE(send(*engine, 12, 1).ok());
  wait(*engine);
  const std::uint64_t applied = engine->status({}).events_applied;
  CHECK(applied >= 11);
  CHECK(applied <= 12);  // the one whose sync failed was written, and not acknowledged
}

TEST_CASE("after a sync of the store that failed once: not ready, every event is there after a restart") {
  const test::TemporaryFolder folder;
  test::DiskSyncs syncs;
  auto engine = open(options_at(folder / "state"));
  REQUIRE(send(*engine, 0, 10).ok());
  wait(*engine);
  syncs.fail_next("/state/state/0");  // the write-ahead log
  REQUIRE(send(*engine, 10, 10).ok());
  wait_until_not_ready(*engine);
  const ReadinessCheck check = check_of(*engine, "state");
  CHECK_FALSE(check.ok);
  CHECK(check.required);
  CHECK(check.detail.find("read-only") != std::string::npos);
  CHECK(check.detail.find("restart") != std::string::npos);
  static_cast<void>(engine->close());
  engine.reset();

  engine = open(options_at(folder / "state"));
  wait(*engine);
  CHECK(engine->status({}).events_applied == 20);
  CHECK(engine->status({}).ready());
}

TEST_CASE("a damaged block: its users are INVALID, all others are answered, and the engine says which file") {
  constexpr int kUsers = 2'000;
  const test::TemporaryFolder folder;
  {
    auto engine = open(options_at(folder / "state"));
    REQUIRE(send(*engine, 0, kUsers).ok());
    wait(*engine);
    REQUIRE(engine->close().ok());
  }
  fs::path table;
  for (const auto& file : fs::directory_iterator(folder / "state/state")) {
    if (file.path().extension() != ".sst") continue;
    if (table.empty() || file.file_size() > fs::file_size(table)) table = file.path();
  }
  REQUIRE_FALSE(table.empty());
  REQUIRE(examine_state(folder / "state").damaged.empty());
  {
    std::fstream file(table, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(fs::file_size(table) / 3));  // users stand first
    file.put('!');
    file.put('?');
  }
  auto engine = open(options_at(folder / "state"));
  CHECK(engine->status({}).ready());
  int invalid = 0;
  for (int first = 0; first < kUsers; first += 100) {
    FeatureRequest request{EntityKind::kUser, {}, {"user_history"}, {}};
    for (int i = first; i < first + 100; ++i) request.keys.push_back(user(i));
    const auto answer = engine->get_features({}, request);
    REQUIRE_MESSAGE(answer.ok(), answer.status().to_string());
    for (const auto& entity : answer->entities) {
      const FeatureVector& vector = entity.vectors.at(0);
      invalid += vector.status == FeatureStatus::kInvalid;
      if (vector.status == FeatureStatus::kInvalid) continue;
      CHECK(vector.status == FeatureStatus::kPresent);
      CHECK(vector.entries.size() == 1);
    }
  }
  CHECK(invalid > 0);
  CHECK(invalid < kUsers / 4);
  int without_row = 0;
  for (int i = 0; i < kUsers; ++i) {
    const auto answer = engine->recommend({}, {.user = UserId(user(i)), .position = GeoPoint{40.0, -74.0}});
    REQUIRE_MESSAGE(answer.ok(), answer.status().to_string());
    without_row += answer->degraded;
  }
  CHECK(without_row == invalid);
  const ReadinessCheck check = check_of(*engine, "state");
  CHECK_FALSE(check.ok);
  CHECK(check.detail.find(table.filename().string()) != std::string::npos);
  CHECK(check.detail.find("restore a checkpoint") != std::string::npos);
  const auto found = examine_state(folder / "state").damaged;
  REQUIRE_FALSE(found.empty());
  CHECK(found[0].what.find(table.filename().string()) != std::string::npos);
}

TEST_CASE("a stored row that makes no sense is INVALID, and the others of the request are answered") {
  const test::TemporaryFolder folder;
  {
    auto engine = open(options_at(folder / "state"));
    REQUIRE(send(*engine, 0, 3).ok());
    wait(*engine);
    REQUIRE(engine->close().ok());
  }
  {
    auto store = *storage::open_rocksdb_store(
        {.path = folder / "state/state", .merge = features::merge_encoded_rows, .free_bytes_min = 0});
    storage::WriteBatch batch;
    batch.put(storage::Family::kState, std::string("\x01\0\0", 3) + user(1), "no row");
    std::string place;
    REQUIRE(store
                ->scan(storage::Family::kState, "\x02",
                       [&](auto key, auto) {
                         place = key;
                         return false;
                       })
                .ok());
    batch.put(storage::Family::kState, place, "no row either");
    REQUIRE(store->write(batch, storage::Durability::kSynced).ok());
    REQUIRE(store->close().ok());
  }
  auto engine = open(options_at(folder / "state"));
  const auto users = engine->get_features({}, {EntityKind::kUser, {user(0), user(1), user(2)}, {"user_history"}, {}});
  REQUIRE(users.ok());
  CHECK(users->entities[0].vectors[0].status == FeatureStatus::kPresent);
  CHECK(users->entities[1].vectors[0].status == FeatureStatus::kInvalid);
  CHECK(users->entities[2].vectors[0].status == FeatureStatus::kPresent);
  const auto places = engine->get_features({}, {EntityKind::kPlace, {"cafe"}, {"place_visits"}, {}});
  REQUIRE(places.ok());
  CHECK(places->entities[0].vectors[0].status == FeatureStatus::kInvalid);
  for (int i = 0; i < 3; ++i) {
    RecommendRequest request{.user = UserId(user(i)), .position = GeoPoint{40.0, -74.0}};
    const auto answer = engine->recommend({}, request);
    REQUIRE_MESSAGE(answer.ok(), answer.status().to_string());
    CHECK(answer->degraded == (i == 1));
    // As for a user of whom nothing is known.
    CHECK((answer->freshness.tier == Tier::kNone) == (i == 1));
    request.position.reset();
    if (i != 1) continue;
    const auto nowhere = engine->recommend({}, request);
    CHECK(nowhere.status().code() == StatusCode::kInvalidArgument);
    CHECK(nowhere.status().message().find("is damaged") != std::string::npos);
  }
  CHECK(engine->status({}).invalid_rows >= 2);
  CHECK_FALSE(check_of(*engine, "rows").ok);
  REQUIRE(send(*engine, 1, 1).ok());  // cannot be added to a row that makes no sense
  wait(*engine);
  REQUIRE(engine->checkpoint({}, folder / "copy").ok());
  CHECK(engine->status({}).quarantined > 0);
  CHECK(engine->status({}).ready());  // two rows of many: degraded
  CHECK(examine_state(folder / "state").damaged.size() == 2);
  CHECK(examine_state(folder / "copy").damaged.size() == 2);  // and nothing of its log, which is another now
}

TEST_CASE("an event log that is removed or emptied while the engine runs is noticed by the next event") {
  for (const bool removed : {false, true}) {
    INFO("removed ", removed);
    const test::TemporaryFolder folder;
    auto engine = open(options_at(folder / "state"));
    REQUIRE(send(*engine, 0, 10).ok());
    wait(*engine);
    const std::string file = folder / "state/event-log/00000000000000000000.events";
    if (removed) {
      fs::remove_all(folder / "state/event-log");
    } else {
      fs::resize_file(file, 0);
    }
    CHECK(send(*engine, 10, 1).code() == StatusCode::kUnavailable);
    CHECK_FALSE(engine->status({}).ready());
    CHECK(check_of(*engine, "event_log").detail.find(file) != std::string::npos);
    CHECK(engine->close().ok());
    engine.reset();
    const auto again = Engine::open(options_at(folder / "state"));
    CHECK(again.status().code() == StatusCode::kDataLoss);
    EngineOptions accept = options_at(folder / "state");
    accept.accept_log_loss = true;
    engine = open(accept);
    REQUIRE(send(*engine, 11, 5).ok());
    wait(*engine);
    CHECK(engine->status({}).events_applied == 15);
    CHECK(engine->status({}).ready());
  }
}

TEST_CASE("others cannot look into the state directory, whatever the umask allows") {
  const test::TemporaryFolder folder;
  const ::mode_t before = ::umask(0);
  auto engine = open(options_at(folder / "deep/state"));
  ::umask(before);
  for (const char* name : {"deep", "deep/state", "deep/state/state", "deep/state/event-log"}) {
    CHECK_MESSAGE((fs::status(folder / name).permissions() & fs::perms::mask) == static_cast<fs::perms>(0750),
                  std::string(name));
  }
  CHECK((fs::status(folder / "deep/state/dead-letters.ndjson").permissions() & fs::perms::mask) ==
        static_cast<fs::perms>(0640));
}

}  // namespace
}  // namespace cairn

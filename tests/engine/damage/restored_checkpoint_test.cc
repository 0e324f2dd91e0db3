// A state directory from earlier beside a PostgreSQL that has gone on: every new event gets into both, once, and what
// only PostgreSQL has is said.

#include <doctest/doctest.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "cairn/engine.h"
#include "features/row.h"
#include "storage/state_store.h"
#include "tests/support/postgres.h"
#include "tests/support/temporary_folder.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

struct World {
  test::TemporaryFolder folder;
  std::string dsn = test::TestCluster::shared().fresh_database();
  int sent = 0;

  std::unique_ptr<Engine> open(const std::string& name, bool with_sql = true, bool accept_loss = false) const {
    EngineOptions options;
    options.state_dir = folder / name;
    options.state.free_bytes_min = 0;
    options.accept_log_loss = accept_loss;
    if (with_sql) options.sql.dsn = dsn;
    auto engine = Engine::open(options);
    REQUIRE_MESSAGE(engine.ok(), engine.status().to_string());
    return *std::move(engine);
  }
  void copy(const std::string& from, const std::string& to) const {
    fs::copy(folder / from, folder / to, fs::copy_options::recursive);
  }

  /// Each event is at a place of its own.
  void send(Engine& engine, int count) {
    for (int i = 0; i < count; ++i) {
      const std::string event =
          R"({"user_id":"ann","place_id":"place )" + std::to_string(sent++) + R"(","type":"visit","ts":1700000000000})";
      const std::vector<std::string_view> events{event};
      REQUIRE(engine.ingest({}, events).ok());
    }
  }
  static void wait(Engine& engine) {
    const Status caught_up = engine.wait_caught_up(CallContext::within(60s));
    REQUIRE_MESSAGE(caught_up.ok(), caught_up.to_string());
  }
  [[nodiscard]] std::string rows() const {
    return test::PgClient(dsn).value(
        "SELECT count(*) || ' of ' || count(DISTINCT place_id) FROM cairn.user_interactions");
  }
  static std::string detail(const Engine& engine, const std::string& name) {
    for (const ReadinessCheck& check : engine.status({}).checks) {
      if (check.name == name) return check.detail;
    }
    return "";
  }
};

TEST_CASE("a checkpoint restored beside a newer PostgreSQL: new events get into both stores, each once") {
  World world;
  {
    const auto engine = world.open("first");
    world.send(*engine, 20);
    World::wait(*engine);
    REQUIRE(engine->checkpoint({}, world.folder / "checkpoint").ok());
    world.copy("checkpoint", "restored again");
    world.send(*engine, 15);
    World::wait(*engine);
    CHECK(world.rows() == "35 of 35");
  }
  for (int start = 1; start <= 2; ++start) {
    INFO("start ", start);
    const auto engine = world.open("checkpoint");
    world.send(*engine, 10);
    World::wait(*engine);
    CHECK(engine->status({}).events_applied == 20u + 10u * static_cast<unsigned>(start));
    CHECK(world.rows() == std::to_string(35 + 10 * start) + " of " + std::to_string(35 + 10 * start));
    CHECK(World::detail(*engine, "postgres").find("PostgreSQL holds events up to offset") != std::string::npos);
  }
  const auto again = world.open("restored again");
  world.send(*again, 5);
  World::wait(*again);
  CHECK(again->status({}).events_applied == 25);
  CHECK(world.rows() == "60 of 60");
}

TEST_CASE("a checkpoint that is ahead of PostgreSQL brings it what it lacks") {
  World world;
  {
    const auto engine = world.open("first");
    world.send(*engine, 10);
    World::wait(*engine);
  }
  {
    const auto engine = world.open("first", /*with_sql=*/false);
    world.send(*engine, 10);
    World::wait(*engine);
    REQUIRE(engine->checkpoint({}, world.folder / "checkpoint").ok());
  }
  CHECK(world.rows() == "10 of 10");
  const auto engine = world.open("checkpoint");
  world.send(*engine, 5);
  World::wait(*engine);
  CHECK(world.rows() == "25 of 25");
  CHECK(World::detail(*engine, "postgres") == "writing");
}

TEST_CASE("a copy of files that is older than PostgreSQL is noticed, and goes on when it is told to") {
  World world;
  {
    const auto engine = world.open("first");
    world.send(*engine, 20);
    World::wait(*engine);
  }
  world.copy("first", "copied");
  {
    const auto engine = world.open("first");
    world.send(*engine, 15);
    World::wait(*engine);
  }
  {
    const auto engine = world.open("copied");
    while (World::detail(*engine, "postgres").find("is an older copy") == std::string::npos) {
      std::this_thread::sleep_for(5ms);
    }
  }
  const auto engine = world.open("copied", true, /*accept_loss=*/true);
  world.send(*engine, 5);
  World::wait(*engine);
  CHECK(engine->status({}).events_applied == 25);
  CHECK(world.rows() == "40 of 40");
  CHECK(World::detail(*engine, "postgres").find("PostgreSQL holds events up to offset") != std::string::npos);
}

TEST_CASE("a log that ends before what the features hold goes on after one start that accepts the loss") {
  for (const char* harm : {"cut", "emptied", "removed"}) {
    INFO("the log's file is ", std::string(harm));
    World world;
    {
      const auto engine = world.open("first");
      world.send(*engine, 20);
      World::wait(*engine);
    }
    const fs::path file = world.folder / "first/event-log/00000000000000000000.events";
    // Ahead of the features, as after a kill: the log that is lost ends behind them.
    world.copy("first", "killed");
    {
      const auto engine = world.open("first");
      world.send(*engine, 5);
      World::wait(*engine);
    }
    fs::remove_all(world.folder / "killed/event-log");
    world.copy("first/event-log", "killed/event-log");
    fs::remove_all(world.folder / "first");
    fs::rename(world.folder / "killed", world.folder / "first");
    if (std::string(harm) == "cut") fs::resize_file(file, fs::file_size(file) / 2);
    if (std::string(harm) == "emptied") fs::resize_file(file, 0);
    if (std::string(harm) == "removed") fs::remove(file);
    {
      const auto engine = world.open("first", true, /*accept_loss=*/true);
      world.send(*engine, 5);
      World::wait(*engine);
      CHECK(engine->status({}).events_applied == 25);  // the five that only PostgreSQL has are lost
    }
    const auto engine = world.open("first");
    world.send(*engine, 5);
    World::wait(*engine);
    CHECK(engine->status({}).events_applied == 30);
    CHECK(world.rows() == "35 of 35");
  }
}

TEST_CASE("features that are gone are built again from the log, and PostgreSQL counts nothing twice") {
  World world;
  {
    const auto engine = world.open("first");
    world.send(*engine, 20);
    World::wait(*engine);
  }
  fs::remove_all(world.folder / "first/state");
  SqlOptions sql;
  sql.dsn = world.dsn;
  REQUIRE(adopt_postgres(sql).ok());  // a state made anew is another owner of the schema
  const auto engine = world.open("first");
  world.send(*engine, 5);
  World::wait(*engine);
  CHECK(engine->status({}).events_applied == 25);
  CHECK(world.rows() == "25 of 25");
}

TEST_CASE("a directory of a Cairn whose logs had no identity goes on, in PostgreSQL under its old name") {
  World world;
  {
    const auto engine = world.open("first");
    world.send(*engine, 20);
    World::wait(*engine);
  }
  fs::remove(world.folder / "first/event-log/identity");
  fs::remove(world.folder / "first/event-log/acknowledged");
  {
    auto store = *storage::open_rocksdb_store(
        {.path = world.folder / "first/state", .merge = features::merge_encoded_rows, .free_bytes_min = 0});
    storage::WriteBatch batch;
    batch.remove(storage::Family::kMeta, "engine/log");
    REQUIRE(store->write(batch, storage::Durability::kSynced).ok());
    REQUIRE(store->close().ok());
  }
  const auto engine = world.open("first");
  world.send(*engine, 5);
  World::wait(*engine);
  CHECK(world.rows() == "25 of 25");
  CHECK(test::PgClient(world.dsn).value("SELECT count(*) FROM cairn.consumer_positions") == "1");
}

TEST_CASE("a checkpoint is not made inside of the state directory") {
  World world;
  const auto engine = world.open("first", false);
  for (const std::string& path :
       {world.folder / "first/copy", world.folder / "first/state/../deep", world.folder / "first"}) {
    const auto made = engine->checkpoint({}, path);
    CHECK_FALSE(made.ok());
    CHECK(made.status().code() == StatusCode::kInvalidArgument);
  }
  CHECK_FALSE(fs::exists(world.folder / "first/copy"));
}

}  // namespace
}  // namespace cairn

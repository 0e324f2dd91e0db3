// A disk that fails: what is acknowledged stays, writing ends until the store is opened again, reading goes on.

#include <doctest/doctest.h>

#include <chrono>
#include <thread>

#include "storage/rocksdb/rocksdb_store.h"
#include "tests/storage/faulty_disk.h"
#include "tests/storage/numbered_check.h"

namespace cairn::storage {
namespace {

/// Waits until `done()` holds, a minute at most: whoever waits for ever says nothing of what he waited for.
template <class Done>
bool in_time(Done done) {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (!done()) {
    if (std::chrono::steady_clock::now() > give_up) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

struct FaultyStore {
  TempDir dir;
  Faults faults;
  std::unique_ptr<rocksdb::Env> env = rocksdb::NewCompositeEnv(std::make_shared<FaultyDisk>(&faults));
  std::unique_ptr<StateStore> store = open();

  std::unique_ptr<StateStore> open() {
    auto opened = open_rocksdb_store(small_options(dir / "state"), {.env = env.get()});
    REQUIRE_MESSAGE(opened.ok(), opened.status().to_string());
    return std::move(opened).value();
  }

  // A row larger than the memtable: the next write starts a flush.
  void fill_memtable() {
    WriteBatch batch;
    batch.put(Family::kPlaces, "large", std::string(3u << 20, 'x'));
    must(store->write(batch, Durability::kBuffered));
    batch.clear();
    batch.put(Family::kPlaces, "small", "x");
    must(store->write(batch, Durability::kBuffered));
  }
};

TEST_CASE("after a log that could not be synced the store is read-only until it is opened again") {
  FaultyStore world;
  write_numbered(*world.store, 1, 20);
  world.faults.sync_log = true;
  const Status failed = world.store->write(numbered_batch(21), Durability::kSynced);
  CHECK(failed.code() == StatusCode::kUnavailable);
  CHECK(failed.message().find("injected failure") != std::string::npos);
  world.faults.sync_log = false;

  const Status still = world.store->write(numbered_batch(21), Durability::kBuffered);
  CHECK(still.code() == StatusCode::kUnavailable);
  CHECK(still.message().find("open the store again") != std::string::npos);
  CHECK(must_get(*world.store, Family::kIds, "id 20") == "20");
  const StateStoreStats stats = world.store->stats();
  CHECK(!stats.accepting_writes);
  CHECK(stats.detail == still.message());
  must(world.store->close());

  world.store = world.open();
  const int held = check_numbered(*world.store);
  CHECK(held >= 20);  // the batch whose sync failed is either whole or absent
  CHECK(held <= 21);
  write_numbered(*world.store, held + 1, 30, Durability::kSynced);
  CHECK(check_numbered(*world.store) == 30);
}

TEST_CASE("a flush that fails in the background makes the store read-only and loses nothing") {
  FaultyStore world;
  write_numbered(*world.store, 1, 20);
  world.faults.write_table = true;
  world.fill_memtable();
  REQUIRE(in_time([&] { return !world.store->stats().accepting_writes; }));
  CHECK(world.store->stats().detail.find("injected failure") != std::string::npos);
  CHECK(world.store->write(numbered_batch(21), Durability::kBuffered).code() == StatusCode::kUnavailable);
  CHECK(check_numbered(*world.store) == 20);
  world.faults.write_table = false;
  must(world.store->close());
  world.store = world.open();
  CHECK(check_numbered(*world.store) == 20);
  CHECK(must_get(*world.store, Family::kPlaces, "small") == "x");
}

TEST_CASE("a flush that finds the disk full shuts the gate until RocksDB has resumed") {
  FaultyStore world;
  write_numbered(*world.store, 1, 20);
  world.faults.table_full = true;
  world.fill_memtable();
  REQUIRE(in_time([&] { return !world.store->stats().accepting_writes; }));
  const Status refused = world.store->write(numbered_batch(21), Durability::kBuffered);
  INFO(refused.to_string());
  CHECK(refused.code() == StatusCode::kResourceExhausted);
  REQUIRE(refused.message().find("found the disk full") != std::string::npos);
  CHECK(check_numbered(*world.store) == 20);
  world.faults.table_full = false;
  // RocksDB looks for space every five seconds.
  REQUIRE(in_time([&] { return world.store->stats().accepting_writes; }));
  write_numbered(*world.store, 21, 40, Durability::kSynced);
  CHECK(check_numbered(*world.store) == 40);
}

TEST_CASE("a row that cannot be read is UNAVAILABLE, not absent") {
  FaultyStore world;
  // In a block of its own: what stands beside the format version is in memory once the store is open.
  const std::string row(100'000, 'p');
  WriteBatch batch;
  batch.put(Family::kPlaces, "place 1", row);
  batch.put(Family::kPlaces, "place 7", row);
  must(world.store->write(batch, Durability::kBuffered));
  must(world.store->close());
  world.store = world.open();
  world.faults.read_table = true;
  CHECK(world.store->get(Family::kPlaces, "place 7").status().code() == StatusCode::kUnavailable);
  std::vector<std::optional<std::string>> values;
  const std::vector<std::string> keys = {"place 7", "place 8"};
  CHECK(world.store->multi_get(Family::kPlaces, keys, &values).code() == StatusCode::kUnavailable);
  CHECK(world.store->scan(Family::kPlaces, "place", [](auto, auto) { return true; }).code() ==
        StatusCode::kUnavailable);
  world.faults.read_table = false;
  CHECK(must_get(*world.store, Family::kPlaces, "place 7") == row);
}

}  // namespace
}  // namespace cairn::storage

// Power that goes, and calls that fail once: what write() said was synced is there when the store is opened again, all
// of it up to some write and nothing of the next.

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>

#include "storage/rocksdb/rocksdb_store.h"
#include "tests/storage/numbered_check.h"
#include "tests/storage/unreliable_disk.h"
#include "tests/support/environment_number.h"

namespace cairn::storage {
namespace fs = std::filesystem;
namespace {

struct World {
  std::shared_ptr<UnreliableDisk> disk = std::make_shared<UnreliableDisk>();
  std::unique_ptr<rocksdb::Env> env = rocksdb::NewCompositeEnv(disk);

  Result<std::unique_ptr<StateStore>> open(const std::string& path) const {
    StateStoreOptions options = small_options(path);
    options.memtable_bytes = 64u << 10;
    return open_rocksdb_store(std::move(options), {.env = env.get()});
  }
};

/// A numbered batch and some bytes that fill memtables.
WriteBatch window(int n, std::mt19937& random) {
  WriteBatch batch = numbered_batch(n);
  std::string row(random() % 4000, '\0');
  for (char& byte : row) byte = static_cast<char>(random());
  batch.put(Family::kPlaces, "window " + std::to_string(n), row);
  return batch;
}

TEST_CASE("whenever the power goes, what was synced is there and what is there is a prefix") {
  const std::uint32_t seed = test::environment_number("CAIRN_TEST_SEED", 20271);
  INFO("seed ", seed, " (set CAIRN_TEST_SEED)");
  std::mt19937 random(seed);
  TempDir dir;
  int written = 0;
  int lost = 0;
  for (int round = 0; round < 200; ++round) {
    INFO("round ", round);
    const std::string state = dir / ("state " + std::to_string(round));
    const std::string image = dir / ("state " + std::to_string(round + 1));
    const World world;
    int synced = written;
    {
      auto opened = world.open(state);
      REQUIRE_MESSAGE(opened.ok(), opened.status().to_string());
      StateStore& store = **opened;
      REQUIRE(check_numbered(store) == written);
      for (std::uint32_t left = random() % 25; left > 0; --left) {
        const bool is_synced = random() % 3 != 0;
        must(store.write(window(++written, random), is_synced ? Durability::kSynced : Durability::kBuffered));
        if (is_synced) synced = written;
        if (random() % 20 == 0) {
          must(store.flush());
          synced = written;
        }
      }
      world.disk->lose_power(state, image, random);
    }
    auto store = open_small(image);
    const int held = check_numbered(*store);
    CHECK(held >= synced);
    CHECK(held <= written);
    lost += held < written;
    written = held;
    must(store->close());
    fs::remove_all(state);
  }
  MESSAGE("rounds that lost unsynced writes: ", lost);
  CHECK(lost > 10);
}

TEST_CASE("a write or sync that fails once: nothing is acknowledged after it, and what was before is there") {
  const std::uint32_t seed = test::environment_number("CAIRN_TEST_SEED", 20271);
  INFO("seed ", seed, " (set CAIRN_TEST_SEED)");
  std::mt19937 random(seed);
  int failures = 0;
  for (const auto call : {UnreliableDisk::Call::kSync, UnreliableDisk::Call::kWrite}) {
    for (int n = 1; n <= 60; n += 1 + static_cast<int>(random() % 4)) {
      INFO((call == UnreliableDisk::Call::kSync ? "sync " : "write "), n);
      TempDir dir;
      const World world;
      int acknowledged = 0;
      {
        auto opened = world.open(dir / "state");
        REQUIRE_MESSAGE(opened.ok(), opened.status().to_string());
        StateStore& store = **opened;
        world.disk->fail(call, n);
        for (int i = 1; i <= 60; ++i) {
          const Status status = store.write(window(i, random), Durability::kSynced);
          if (!status.ok()) {
            CHECK(status.code() == StatusCode::kUnavailable);
            break;
          }
          acknowledged = i;
        }
        if (world.disk->has_failed() && acknowledged < 60) {
          ++failures;
          CHECK(store.write(window(1000, random), Durability::kSynced).code() == StatusCode::kUnavailable);
          const StateStoreStats stats = store.stats();
          CHECK_FALSE(stats.accepting_writes);
          CHECK(stats.failure.find("injected") != std::string::npos);
        }
      }
      auto store = open_small(dir / "state");
      const int held = check_numbered(*store);
      CHECK(held >= acknowledged);
      CHECK(held <= acknowledged + 1);
      CHECK(store->stats().failure.empty());
    }
  }
  CHECK(failures > 15);
}

TEST_CASE("a read that fails once is an error to its caller, and the store is not well until it is opened again") {
  TempDir dir;
  const World world;
  {
    auto store = *world.open(dir / "state");
    std::mt19937 random(1);
    for (int n = 1; n <= 200; ++n) must(store->write(window(n, random), Durability::kBuffered));
    must(store->close());
  }
  auto store = *world.open(dir / "state");
  world.disk->fail(UnreliableDisk::Call::kRead, 1);
  Status failed;
  for (int n = 1; n <= 200 && failed.ok(); ++n) {
    failed = store->get(Family::kPlaces, "window " + std::to_string(n)).status();
  }
  CHECK(failed.code() == StatusCode::kUnavailable);
  CHECK(store->stats().failure.find("injected read failure") != std::string::npos);
  CHECK(store->stats().accepting_writes);
  CHECK(check_numbered(*store) == 200);
  must(store->close());
  CHECK((*world.open(dir / "state"))->stats().failure.empty());
}

TEST_CASE("a store that has lost a write which is only here is not opened, unless it is told to") {
  TempDir dir;
  {
    auto store = open_small(dir / "state");
    write_numbered(*store, 1, 10, Durability::kSynced);
    must(store->flush());
    WriteBatch places;
    places.put(Family::kPlaces, "cafe", "here");
    must(store->write(std::move(places), Durability::kOnlyHere));
    fs::copy(dir / "state", dir / "image");
  }
  std::string log;
  for (const auto& file : fs::directory_iterator(dir / "image")) {
    if (file.path().extension() == ".log" && file.file_size() > 0) log = file.path().string();
  }
  REQUIRE_FALSE(log.empty());
  fs::resize_file(log, fs::file_size(log) - 1);
  for (int again = 0; again < 2; ++again) {
    const auto refused = open_rocksdb_store(small_options(dir / "image"));
    REQUIRE_FALSE(refused.ok());
    INFO(refused.status().to_string());
    CHECK(refused.status().code() == StatusCode::kDataLoss);
    CHECK(refused.status().message().find(dir / "image") != std::string::npos);
    CHECK(refused.status().message().find("--accept-log-loss") != std::string::npos);
  }
  StateStoreOptions options = small_options(dir / "image");
  options.accept_loss = true;
  must((*open_rocksdb_store(options))->close());
  CHECK(check_numbered(*open_small(dir / "image")) == 10);
}

}  // namespace
}  // namespace cairn::storage

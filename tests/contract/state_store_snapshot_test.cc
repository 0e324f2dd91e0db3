// Reads at a snapshot, and how far what was written is in table files: what every StateStore promises.

#include <doctest/doctest.h>

#include <atomic>
#include <random>
#include <thread>

#include "tests/contract/state_store_twins.h"

namespace cairn::storage {
namespace {

using Values = std::vector<std::optional<std::string>>;

std::optional<std::string> must_get_at(const StateStore& store, const Snapshot& snapshot, Family family,
                                       std::string_view key) {
  auto value = store.get_at(snapshot, family, key);
  REQUIRE_MESSAGE(value.ok(), value.status().to_string());
  return std::move(value).value();
}

Values must_multi_get_at(const StateStore& store, const Snapshot& snapshot, Family family,
                         const std::vector<std::string>& keys) {
  Values values(7, "left over");
  must(store.multi_get_at(snapshot, family, keys, &values));
  return values;
}

TEST_CASE_TEMPLATE("a snapshot answers what the store held, whatever is written and flushed later", Twin, MemoryTwin,
                   RocksDbTwin) {
  Twin twin;
  StateStore& store = *twin.store;
  WriteBatch batch;
  batch.put(Family::kMeta, "position", "1");
  batch.put(Family::kIds, "gone", "1");
  batch.put(Family::kDedup, "bucket 1", "");
  batch.merge(Family::kState, "user", counter(2));
  must(store.write(batch, Durability::kBuffered));
  const auto snapshot = store.snapshot();
  REQUIRE(snapshot != nullptr);

  batch.clear();
  batch.put(Family::kMeta, "position", "2");
  batch.remove(Family::kIds, "gone");
  batch.remove_prefix(Family::kDedup, "bucket");
  batch.merge(Family::kState, "user", counter(40));
  batch.merge(Family::kState, "new", counter(1));
  must(store.write(batch, Durability::kBuffered));
  for (int flushes = 0; flushes < 2; ++flushes) {
    CHECK(must_get_at(store, *snapshot, Family::kMeta, "position") == "1");
    CHECK(must_get_at(store, *snapshot, Family::kIds, "gone") == "1");
    CHECK(must_get_at(store, *snapshot, Family::kDedup, "bucket 1") == "");
    CHECK(must_get_at(store, *snapshot, Family::kState, "user") == counter(2));
    CHECK(must_get_at(store, *snapshot, Family::kState, "new") == std::nullopt);
    CHECK(must_multi_get_at(store, *snapshot, Family::kState, {"user", "new", "", "user"}) ==
          Values{counter(2), std::nullopt, std::nullopt, counter(2)});
    CHECK(must_count(store, "user") == 42);
    CHECK(must_get(store, Family::kMeta, "position") == "2");
    CHECK(must_get(store, Family::kDedup, "bucket 1") == std::nullopt);
    must(store.flush());
  }
}

TEST_CASE_TEMPLATE("snapshots of many moments each answer their own, released in any order", Twin, MemoryTwin,
                   RocksDbTwin) {
  constexpr unsigned kSeed = 20250111;
  INFO("seed ", kSeed);
  std::mt19937 random(kSeed);
  Twin twin;
  std::vector<std::pair<int, std::shared_ptr<const Snapshot>>> held;
  for (int n = 1; n <= 400; ++n) {
    WriteBatch batch;
    batch.merge(Family::kState, "user", counter(1));
    batch.put(n % 3 == 0 ? Family::kIds : Family::kPlaces, "n", std::to_string(n));
    must(twin.store->write(batch, Durability::kBuffered));
    if (random() % 3 == 0) held.emplace_back(n, twin.store->snapshot());
    if (random() % 50 == 0) must(twin.store->flush());
    if (held.size() > 5) held.erase(held.begin() + static_cast<std::ptrdiff_t>(random() % held.size()));
    for (const auto& [at, snapshot] : held) {
      REQUIRE(must_get_at(*twin.store, *snapshot, Family::kState, "user") == counter(static_cast<std::uint64_t>(at)));
      const int third = at - at % 3;
      REQUIRE(must_get_at(*twin.store, *snapshot, Family::kIds, "n") ==
              (third == 0 ? std::nullopt : std::optional(std::to_string(third))));
    }
    REQUIRE(must_count(*twin.store, "user") == static_cast<std::uint64_t>(n));
  }
}

TEST_CASE_TEMPLATE("a snapshot may outlive the closing of its store and the store", Twin, MemoryTwin, RocksDbTwin) {
  Twin twin;
  WriteBatch batch;
  batch.put(Family::kIds, "key", "value");
  must(twin.store->write(batch, Durability::kBuffered));
  auto first = twin.store->snapshot();
  const auto second = twin.store->snapshot();
  must(twin.store->close());
  Values values;
  CHECK(twin.store->get_at(*first, Family::kIds, "key").status().code() == StatusCode::kUnavailable);
  CHECK(twin.store->multi_get_at(*first, Family::kIds, {}, &values).code() == StatusCode::kUnavailable);
  CHECK(twin.store->snapshot() == nullptr);
  CHECK(twin.store->flush().code() == StatusCode::kUnavailable);
  first.reset();
  twin.store.reset();
}

TEST_CASE_TEMPLATE("a snapshot never holds half a batch, and readers let go of theirs while the store closes", Twin,
                   MemoryTwin, RocksDbTwin) {
  Twin twin;
  StateStore& store = *twin.store;
  std::atomic<int> reads = 0;
  std::atomic<int> surprises = 0;
  std::vector<std::thread> readers;
  for (int t = 0; t < 3; ++t) {
    readers.emplace_back([&] {
      while (const auto snapshot = store.snapshot()) {
        const auto left = store.get_at(*snapshot, Family::kIds, "left");
        const auto right = store.get_at(*snapshot, Family::kPlaces, "right");
        if (left.ok() && right.ok() && *left != *right) ++surprises;
        ++reads;
      }
    });
  }
  for (int n = 1; n <= 300 || reads < 300; ++n) {
    WriteBatch batch;
    batch.put(Family::kIds, "left", std::to_string(n));
    batch.put(Family::kPlaces, "right", std::to_string(n));
    must(store.write(batch, Durability::kBuffered));
  }
  must(store.close());
  for (std::thread& reader : readers) reader.join();
  CHECK(surprises == 0);
}

TEST_CASE_TEMPLATE("every write has a larger number, and what a flush has put into files is never overstated", Twin,
                   MemoryTwin, RocksDbTwin) {
  Twin twin;
  StateStore& store = *twin.store;
  std::uint64_t before = store.last_write();
  CHECK(store.last_write_in_files() <= before);
  for (int n = 1; n <= 50; ++n) {
    WriteBatch batch;
    batch.put(Family::kMeta, "position", std::to_string(n));
    batch.merge(Family::kState, "user " + std::to_string(n % 7), counter(1));
    must(store.write(batch, n % 5 == 0 ? Durability::kSynced : Durability::kBuffered));
    const std::uint64_t written = store.last_write();
    CHECK(written > before);
    CHECK(store.last_write_in_files() <= before);  // nothing but flush() writes files of a few rows
    before = written;
    if (n % 10 == 0) {
      must(store.flush());
      CHECK(store.last_write_in_files() == written);
      CHECK(store.last_write() == written);
      must(store.flush());
      CHECK(store.last_write_in_files() == written);
    }
  }
  must(store.close());
  CHECK(store.last_write() >= before);
  CHECK(store.last_write_in_files() <= store.last_write());
}

}  // namespace
}  // namespace cairn::storage

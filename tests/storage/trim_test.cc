// Rows that shrink or go when a store rewrites its files.

#include <doctest/doctest.h>

#include <atomic>

#include "storage/rocksdb/trim_filter.h"
#include "tests/contract/state_store_twins.h"

namespace cairn::storage {
namespace {

/// Counters of one go, those above a hundred become a hundred.
TrimDecision trim_counters(std::string_view key, std::string_view value, std::string* trimmed) {
  if (key == "kept") return TrimDecision::kKeep;
  const auto count = read_counter(value);
  if (count == 1) return TrimDecision::kRemove;
  if (!count || *count <= 100) return TrimDecision::kKeep;
  *trimmed = counter(100);
  return TrimDecision::kChange;
}

std::unique_ptr<StateStore> open_trimming(const std::string& path) {
  StateStoreOptions options = small_options(path);
  options.trim = trim_counters;
  auto store = open_rocksdb_store(std::move(options));
  REQUIRE_MESSAGE(store.ok(), store.status().to_string());
  return std::move(store).value();
}

struct MemoryTrimmer {
  std::unique_ptr<StateStore> store = open_memory_store(add_counters, trim_counters);
};

struct RocksDbTrimmer {
  TempDir dir;
  std::unique_ptr<StateStore> store = open_trimming(dir / "state");
};

/// Four table files in level 0 make a compaction. Their keys stand around all others, so that it takes those in.
void compact_some(StateStore& store) {
  WriteBatch around;
  around.merge(Family::kState, "", counter(2));
  around.put(Family::kQuarantine, "zz", "");
  must(store.write(around, Durability::kBuffered));
  must(store.flush());
}

void write_rows(StateStore& store) {
  WriteBatch batch;
  for (const char* key : {"gone", "kept"}) batch.put(Family::kState, key, counter(1));
  batch.put(Family::kState, "large", counter(1000));
  batch.put(Family::kState, "small", counter(50));
  batch.put(Family::kIds, "gone", counter(1));
  batch.put(Family::kMeta, "large", counter(1000));
  must(store.write(batch, Durability::kBuffered));
}

TEST_CASE_TEMPLATE("rows of state are kept, changed or removed as the function says, and no others", Twin,
                   MemoryTrimmer, RocksDbTrimmer) {
  Twin twin;
  StateStore& store = *twin.store;
  write_rows(store);
  while (must_count(store, "gone") || must_count(store, "large") != 100) compact_some(store);
  CHECK(must_count(store, "kept") == 1);
  CHECK(must_count(store, "small") == 50);
  CHECK(must_get(store, Family::kIds, "gone") == counter(1));
  CHECK(must_get(store, Family::kMeta, "large") == counter(1000));

  WriteBatch later;
  later.merge(Family::kState, "gone", counter(7));
  later.merge(Family::kState, "large", counter(7));
  must(store.write(later, Durability::kBuffered));
  CHECK(must_count(store, "gone") == 7);
  CHECK(must_count(store, "large") == 107);
}

TEST_CASE_TEMPLATE("a row that was removed stays removed across further compactions", Twin, MemoryTrimmer,
                   RocksDbTrimmer) {
  Twin twin;
  // Versions of the row in many files, the last of which goes: none behind it may come back.
  for (const int count : {30, 20, 1}) {
    WriteBatch batch;
    batch.put(Family::kState, "gone", counter(static_cast<std::uint64_t>(count)));
    must(twin.store->write(batch, Durability::kBuffered));
    compact_some(*twin.store);
  }
  while (must_count(*twin.store, "gone")) compact_some(*twin.store);
  for (int files = 0; files < 12; ++files) {
    compact_some(*twin.store);
    REQUIRE(must_count(*twin.store, "gone") == std::nullopt);
  }
}

TEST_CASE("operands are never trimmed, and the function is asked about the caller's key") {
  std::atomic<int> calls = 0;
  const TrimFilter filter([&](std::string_view key, std::string_view value, std::string* trimmed) {
    ++calls;
    CHECK(key == "user");
    CHECK(value == "row");
    *trimmed = "left over";
    return TrimDecision::kKeep;
  });
  using Filter = rocksdb::CompactionFilter;
  std::string changed;
  std::string skip;
  const std::string key = std::string(1, '\0') + "user";
  const auto decide = [&](const std::string& stored, Filter::ValueType type) {
    return filter.FilterV2(0, stored, type, "row", &changed, &skip);
  };
  CHECK(decide(key, Filter::ValueType::kMergeOperand) == Filter::Decision::kKeep);
  CHECK(decide("\1user", Filter::ValueType::kValue) == Filter::Decision::kKeep);
  CHECK(calls == 0);
  CHECK(decide(key, Filter::ValueType::kValue) == Filter::Decision::kKeep);
  CHECK(calls == 1);
  CHECK(changed.empty());
}

TEST_CASE("a snapshot of the store in memory keeps what is trimmed after it") {
  MemoryTrimmer twin;
  write_rows(*twin.store);
  const auto snapshot = twin.store->snapshot();
  must(twin.store->flush());
  CHECK(twin.store->get_at(*snapshot, Family::kState, "gone").value() == counter(1));
  CHECK(must_count(*twin.store, "gone") == std::nullopt);
}

}  // namespace
}  // namespace cairn::storage

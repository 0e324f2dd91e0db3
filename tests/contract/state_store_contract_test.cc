// What every StateStore promises, checked on each of them.

#include <doctest/doctest.h>

#include <atomic>
#include <thread>

#include "tests/contract/state_store_twins.h"

namespace cairn::storage {
namespace {

using std::string_literals::operator""s;

TEST_CASE_TEMPLATE("a batch puts, merges and removes across families", Twin, MemoryTwin, RocksDbTwin) {
  Twin twin;
  StateStore& store = *twin.store;
  WriteBatch batch;
  batch.put(Family::kMeta, "offset", "7");
  batch.put(Family::kIds, "gone", "1");
  batch.merge(Family::kState, "user", counter(2));
  must(store.write(batch, Durability::kBuffered));
  batch.clear();
  batch.put(Family::kMeta, "offset", "8");
  batch.remove(Family::kIds, "gone");
  batch.merge(Family::kState, "user", counter(40));
  must(store.write(batch, Durability::kSynced));

  CHECK(must_get(store, Family::kMeta, "offset") == "8");
  CHECK(must_get(store, Family::kIds, "gone") == std::nullopt);
  CHECK(must_count(store, "user") == 42);
}

TEST_CASE_TEMPLATE("operations of one batch take effect in their order", Twin, MemoryTwin, RocksDbTwin) {
  Twin twin;
  WriteBatch batch;
  batch.put(Family::kDedup, "a1", "early");
  batch.put(Family::kDedup, "a2", "early");
  batch.remove_prefix(Family::kDedup, "a");
  batch.put(Family::kDedup, "a2", "late");
  batch.merge(Family::kState, "k", counter(5));
  batch.remove(Family::kState, "k");
  batch.merge(Family::kState, "k", counter(1));
  batch.put(Family::kState, "p", counter(10));
  batch.merge(Family::kState, "p", counter(1));
  must(twin.store->write(batch, Durability::kBuffered));

  CHECK(must_scan(*twin.store, Family::kDedup) == Pairs{{"a2", "late"}});
  CHECK(must_count(*twin.store, "k") == 1);
  CHECK(must_count(*twin.store, "p") == 11);
}

TEST_CASE_TEMPLATE("families are separate key spaces", Twin, MemoryTwin, RocksDbTwin) {
  Twin twin;
  WriteBatch batch;
  for (std::size_t i = 0; i < kFamilies; ++i) batch.put(static_cast<Family>(i), "key", std::to_string(i));
  batch.remove(Family::kPlaces, "key");
  must(twin.store->write(batch, Durability::kBuffered));
  for (std::size_t i = 0; i < kFamilies; ++i) {
    const auto family = static_cast<Family>(i);
    const auto expected = family == Family::kPlaces ? std::nullopt : std::optional(std::to_string(i));
    CHECK(must_get(*twin.store, family, "key") == expected);
  }
}

TEST_CASE_TEMPLATE("an empty batch, an empty key and an empty value are fine", Twin, MemoryTwin, RocksDbTwin) {
  Twin twin;
  WriteBatch batch;
  must(twin.store->write(batch, Durability::kBuffered));
  must(twin.store->write(batch, Durability::kSynced));
  batch.put(Family::kIds, "", "value of the empty key");
  batch.put(Family::kIds, "empty", "");
  batch.put(Family::kIds, "nul\0byte"s, "\0\xff"s);
  must(twin.store->write(batch, Durability::kBuffered));
  CHECK(must_get(*twin.store, Family::kIds, "") == "value of the empty key");
  CHECK(must_get(*twin.store, Family::kIds, "empty") == "");
  CHECK(must_get(*twin.store, Family::kIds, "nul\0byte"s) == "\0\xff"s);
  CHECK(must_scan(*twin.store, Family::kIds).size() == 3);
}

TEST_CASE_TEMPLATE("a key that is too long is refused and the rest of its batch with it", Twin, MemoryTwin,
                   RocksDbTwin) {
  Twin twin;
  WriteBatch batch;
  batch.put(Family::kIds, std::string(kKeyBytesMax, 'k'), "longest");
  must(twin.store->write(batch, Durability::kBuffered));
  batch.put(Family::kIds, "other", "1");
  batch.put(Family::kIds, std::string(kKeyBytesMax + 1, 'k'), "too long");
  const Status refused = twin.store->write(batch, Durability::kBuffered);
  CHECK(refused.code() == StatusCode::kInvalidArgument);
  CHECK(refused.message().find("4097") != std::string::npos);
  CHECK(must_get(*twin.store, Family::kIds, "other") == std::nullopt);
  CHECK(must_get(*twin.store, Family::kIds, std::string(kKeyBytesMax, 'k')) == "longest");
}

TEST_CASE_TEMPLATE("an operand that makes no sense is left out, counted once and kept in quarantine", Twin, MemoryTwin,
                   RocksDbTwin) {
  Twin twin;
  StateStore& store = *twin.store;
  WriteBatch batch;
  batch.merge(Family::kState, "user", counter(2));
  batch.merge(Family::kState, "user", "poison");
  batch.merge(Family::kState, "user", counter(3));
  batch.merge(Family::kState, "only", "poison");
  must(store.write(batch, Durability::kBuffered));

  for (int reads = 0; reads < 3; ++reads) CHECK(must_count(store, "user") == 5);
  CHECK(must_get(store, Family::kState, "only") == "");
  CHECK(store.stats().quarantined_operands == 2);
  const Pairs parked = must_scan(store, Family::kQuarantine);
  REQUIRE(parked.size() == 2);
  // Two keys in order, each with the eight bytes of FNV-1a 64 of "poison", computed outside of this program.
  CHECK(parked[0] == std::pair("only\x82\xb0\xb5\x84\x35\xf6\xcc\x91"s, "poison"s));
  CHECK(parked[1].first.substr(0, 4) == "user");
  CHECK(parked[1].second == "poison");

  batch.clear();
  batch.merge(Family::kState, "only", counter(9));
  batch.merge(Family::kState, "user", "poison");
  must(store.write(batch, Durability::kBuffered));
  CHECK(must_count(store, "only") == 9);
  CHECK(must_count(store, "user") == 5);
  CHECK(store.stats().quarantined_operands == 2);
  CHECK(must_scan(store, Family::kQuarantine).size() == 2);
}

TEST_CASE_TEMPLATE("a base that makes no sense is kept and what is merged to it is quarantined", Twin, MemoryTwin,
                   RocksDbTwin) {
  Twin twin;
  WriteBatch batch;
  batch.put(Family::kState, "user", "nonsense");
  batch.put(Family::kState, "user", "not a counter");
  batch.merge(Family::kState, "user", counter(1));
  batch.merge(Family::kState, "user", counter(2));
  must(twin.store->write(batch, Durability::kBuffered));
  CHECK(must_get(*twin.store, Family::kState, "user") == "not a counter");
  CHECK(twin.store->stats().quarantined_operands == 2);
  CHECK(must_scan(*twin.store, Family::kQuarantine, "user").size() == 2);
}

TEST_CASE_TEMPLATE("a scan visits exactly the keys with the prefix in the order of unsigned bytes", Twin, MemoryTwin,
                   RocksDbTwin) {
  Twin twin;
  const std::vector<std::string> ordered = {
      "",  "\0"s,      "a",    "a\0"s,     "a\x7f",    "a\x80",       "a\xff",       "a\xff\xff", "a\xff\xff\x01",
      "b", "\xfe\xff", "\xff", "\xff\x01", "\xff\xff", "\xff\xff\0"s, "\xff\xff\xff"};
  WriteBatch batch;
  for (auto key = ordered.rbegin(); key != ordered.rend(); ++key) batch.put(Family::kPlaces, *key, "of " + *key);
  must(twin.store->write(batch, Durability::kBuffered));

  for (const std::string& prefix : {""s, "a"s, "a\xff"s, "a\xff\xff"s, "\xfe"s, "\xff"s, "\xff\xff"s, "\xff\xff\xff"s,
                                    "\xff\xff\xff\xff"s, "c"s, "\0"s}) {
    Pairs expected;
    for (const std::string& key : ordered) {
      if (key.starts_with(prefix)) expected.emplace_back(key, "of " + key);
    }
    INFO("prefix of ", prefix.size(), " bytes");
    CHECK(must_scan(*twin.store, Family::kPlaces, prefix) == expected);
  }
}

TEST_CASE_TEMPLATE("removing a prefix removes exactly the keys with it", Twin, MemoryTwin, RocksDbTwin) {
  Twin twin;
  const std::vector<std::string> keys = {
      "a",    "a\xfe", "a\xff",   "a\xff\xff\xff", "b",
      "\xfe", "\xff",  "\xff\0"s, "\xff\xff",      "\xff\xff" + std::string(4094, '\xff')};
  for (const std::string& prefix : {"a"s, "a\xff"s, "b"s, "\xff"s, "\xff\xff"s, "\xff\xff\xff"s, "z"s}) {
    WriteBatch batch;
    for (const std::string& key : keys) batch.put(Family::kDedup, key, "");
    batch.put(Family::kIds, prefix, "of another family");
    must(twin.store->write(batch, Durability::kBuffered));
    batch.clear();
    batch.remove_prefix(Family::kDedup, prefix);
    must(twin.store->write(batch, Durability::kBuffered));
    Pairs expected;
    for (const std::string& key : keys) {
      if (!key.starts_with(prefix)) expected.emplace_back(key, "");
    }
    CHECK(must_scan(*twin.store, Family::kDedup) == expected);
    CHECK(must_get(*twin.store, Family::kIds, prefix) == "of another family");
  }
}

TEST_CASE_TEMPLATE("a scan ends when the visitor says so", Twin, MemoryTwin, RocksDbTwin) {
  Twin twin;
  WriteBatch batch;
  for (int i = 0; i < 10; ++i) batch.put(Family::kIds, std::to_string(i), "");
  must(twin.store->write(batch, Durability::kBuffered));
  int visits = 0;
  must(twin.store->scan(Family::kIds, "", [&](std::string_view, std::string_view) { return ++visits < 4; }));
  CHECK(visits == 4);
}

TEST_CASE_TEMPLATE("a scan sees one snapshot though its visitor reads and writes", Twin, MemoryTwin, RocksDbTwin) {
  Twin twin;
  StateStore& store = *twin.store;
  WriteBatch batch;
  for (const char* key : {"1", "3", "5"}) batch.put(Family::kIds, key, "before");
  must(store.write(batch, Durability::kBuffered));
  Pairs seen;
  must(store.scan(Family::kIds, "", [&](std::string_view key, std::string_view value) {
    seen.emplace_back(key, value);
    WriteBatch change;
    change.put(Family::kIds, "5", "after");
    change.put(Family::kIds, "4", "after");
    change.remove(Family::kIds, "3");
    must(store.write(change, Durability::kBuffered));
    CHECK(must_get(store, Family::kIds, "4") == "after");
    return true;
  }));
  CHECK(seen == Pairs{{"1", "before"}, {"3", "before"}, {"5", "before"}});
  CHECK(must_scan(store, Family::kIds) == Pairs{{"1", "before"}, {"4", "after"}, {"5", "after"}});
}

TEST_CASE_TEMPLATE("multi_get answers repeated and absent keys in the order asked", Twin, MemoryTwin, RocksDbTwin) {
  Twin twin;
  WriteBatch batch;
  batch.merge(Family::kState, "a", counter(1));
  batch.merge(Family::kState, "a", counter(1));
  batch.merge(Family::kState, "z", counter(26));
  batch.put(Family::kState, "empty", "");
  must(twin.store->write(batch, Durability::kBuffered));

  const std::vector<std::string> keys = {"z", "none", "a", "z", "", "a", "empty", "none", "z"};
  std::vector<std::optional<std::string>> values(3, "left over");
  must(twin.store->multi_get(Family::kState, keys, &values));
  const std::vector<std::optional<std::string>> expected = {
      counter(26), std::nullopt, counter(2), counter(26), std::nullopt, counter(2), "", std::nullopt, counter(26)};
  CHECK(values == expected);

  must(twin.store->multi_get(Family::kState, {}, &values));
  CHECK(values.empty());
}

TEST_CASE_TEMPLATE("a reader never sees half a batch", Twin, MemoryTwin, RocksDbTwin) {
  Twin twin;
  StateStore& store = *twin.store;
  constexpr int kBatches = 300;
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (int i = 1; i <= kBatches; ++i) {
      WriteBatch batch;
      batch.put(Family::kIds, "left", std::to_string(i));
      batch.put(Family::kIds, "right", std::to_string(i));
      must(store.write(batch, Durability::kBuffered));
    }
    done = true;
  });
  while (!done) {
    const Pairs rows = must_scan(store, Family::kIds);
    if (!rows.empty()) {
      REQUIRE(rows.size() == 2);
      REQUIRE(rows[0].second == rows[1].second);
    }
  }
  writer.join();
  CHECK(must_get(store, Family::kIds, "left") == std::to_string(kBatches));
}

TEST_CASE_TEMPLATE("writers of many threads lose no merge", Twin, MemoryTwin, RocksDbTwin) {
  Twin twin;
  constexpr int kThreads = 4;
  constexpr int kWrites = 200;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kWrites; ++i) {
        WriteBatch batch;
        batch.merge(Family::kState, "all", counter(1));
        batch.merge(Family::kState, "of " + std::to_string(t), counter(1));
        must(twin.store->write(batch, Durability::kBuffered));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(must_count(*twin.store, "all") == kThreads * kWrites);
  CHECK(must_count(*twin.store, "of 3") == kWrites);
}

TEST_CASE_TEMPLATE("a checkpoint makes a directory and refuses one that exists", Twin, MemoryTwin, RocksDbTwin) {
  Twin twin;
  WriteBatch batch;
  batch.put(Family::kIds, "key", "value");
  must(twin.store->write(batch, Durability::kBuffered));
  const std::string path = twin.dir / "backups/today";
  must(twin.store->checkpoint(path));
  CHECK(std::filesystem::is_directory(path));
  CHECK(!std::filesystem::is_empty(path));
  const Status again = twin.store->checkpoint(path);
  CHECK(again.code() == StatusCode::kAlreadyExists);
  CHECK(again.message().find(path) != std::string::npos);
}

TEST_CASE_TEMPLATE("a closed store answers every call with UNAVAILABLE", Twin, MemoryTwin, RocksDbTwin) {
  Twin twin;
  StateStore& store = *twin.store;
  CHECK(store.stats().accepting_writes);
  CHECK(store.stats().detail.empty());
  must(store.close());
  must(store.close());
  WriteBatch batch;
  batch.put(Family::kIds, "key", "value");
  std::vector<std::optional<std::string>> values;
  CHECK(store.write(batch, Durability::kBuffered).code() == StatusCode::kUnavailable);
  CHECK(store.get(Family::kIds, "key").status().code() == StatusCode::kUnavailable);
  CHECK(store.multi_get(Family::kIds, {}, &values).code() == StatusCode::kUnavailable);
  CHECK(store.scan(Family::kIds, "", [](auto, auto) { return true; }).code() == StatusCode::kUnavailable);
  CHECK(store.checkpoint(twin.dir / "late").code() == StatusCode::kUnavailable);
  CHECK(!store.stats().accepting_writes);
  CHECK(store.stats().detail.find("closed") != std::string::npos);
}

TEST_CASE_TEMPLATE("closing waits for calls under way and turns later ones away", Twin, MemoryTwin, RocksDbTwin) {
  Twin twin;
  StateStore& store = *twin.store;
  std::atomic<int> under_way = 0;
  std::atomic<int> surprises = 0;
  const auto expected = [](const Status& status) { return status.ok() || status.code() == StatusCode::kUnavailable; };
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      Status status;
      for (int i = 0; status.ok(); ++i) {
        WriteBatch batch;
        batch.merge(Family::kState, std::to_string(i % 50), counter(1));
        status = t == 0   ? store.write(batch, Durability::kBuffered)
                 : t == 1 ? store.get(Family::kState, "7").status()
                          : store.scan(Family::kState, "", [&](auto, auto) {
                              return store.get(Family::kState, "7").status().code() != StatusCode::kInternal;
                            });
        if (!expected(status)) ++surprises;
        ++under_way;
      }
    });
  }
  while (under_way < 200) std::this_thread::yield();
  must(store.close());
  for (std::thread& thread : threads) thread.join();
  CHECK(surprises == 0);
}

TEST_CASE_TEMPLATE("a purge leaves what was not removed, and what was put again", Twin, MemoryTwin, RocksDbTwin) {
  Twin twin;
  StateStore& store = *twin.store;
  WriteBatch batch;
  for (const char* key : {"a", "b", "c"}) batch.merge(Family::kState, key, counter(2));
  must(store.write(batch, Durability::kBuffered));
  must(store.flush());
  batch.clear();
  batch.remove(Family::kState, "a");
  batch.remove(Family::kState, "b");
  batch.put(Family::kState, "b", counter(7));
  must(store.write(batch, Durability::kBuffered));
  must(store.purge(Family::kState, std::vector<std::string>{"a", "b", "never"}));
  batch.clear();
  batch.merge(Family::kState, "b", counter(1));
  must(store.write(batch, Durability::kBuffered));
  CHECK(must_count(store, "a") == std::nullopt);
  CHECK(must_count(store, "b") == 8);
  CHECK(must_count(store, "c") == 2);
  must(store.close());
  CHECK(store.purge(Family::kState, std::vector<std::string>{"a"}).code() == StatusCode::kUnavailable);
}

}  // namespace
}  // namespace cairn::storage

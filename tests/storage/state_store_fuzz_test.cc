// Random batches against maps of the standard library, on both stores, the one on disk reopened in the middle.

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <random>
#include <set>

#include "tests/contract/state_store_twins.h"

namespace cairn::storage {
namespace {

/// What the stores should hold, computed as simply as it can be said.
struct Oracle {
  std::array<std::map<std::string, std::string>, kFamilies> rows;
  std::set<std::pair<std::string, std::string>> poison;  ///< entity key and operand

  void apply(const WriteBatch& batch) {
    for (const WriteBatch::Op& op : batch.ops()) {
      auto& family = rows[static_cast<std::size_t>(op.family)];
      if (op.kind == WriteBatch::Kind::kPut) family[std::string(op.key)] = op.value;
      if (op.kind == WriteBatch::Kind::kRemove) family.erase(std::string(op.key));
      if (op.kind == WriteBatch::Kind::kRemoveRange) {  // of a prefix: nothing else makes one
        std::erase_if(family, [&](const auto& row) { return row.first.starts_with(op.key); });
      }
      if (op.kind == WriteBatch::Kind::kMerge) add(family, op);
    }
  }

  void add(std::map<std::string, std::string>& family, const WriteBatch::Op& op) {
    std::string& value = family[std::string(op.key)];
    const auto operand = read_counter(op.value);
    if (!operand) {
      poison.emplace(op.key, op.value);
      return;
    }
    value = counter(read_counter(value).value_or(0) + *operand);
  }

  [[nodiscard]] std::vector<Pairs> dump() const {
    std::vector<Pairs> dump;
    for (const auto& family : rows) dump.emplace_back(family.begin(), family.end());
    return dump;
  }
};

class Fuzzer {
 public:
  explicit Fuzzer(unsigned seed) : random_(seed) {}

  std::size_t below(std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random_); }

  // Few bytes and short keys, so that keys meet, are prefixes of each other and end in 0xff.
  std::string key(std::size_t least) {
    constexpr char kBytes[] = {'\0', 'a', '\xfe', '\xff'};
    std::string key;
    for (std::size_t size = least + below(4 - least); size > 0; --size) key.push_back(kBytes[below(4)]);
    return key;
  }

  WriteBatch batch() {
    // The store itself writes kQuarantine, so the fuzzer does not.
    constexpr Family kWritten[] = {Family::kState, Family::kMeta, Family::kIds, Family::kPlaces, Family::kDedup};
    WriteBatch batch;
    for (std::size_t ops = below(6); ops > 0; --ops) {
      const Family family = kWritten[below(5)];
      const std::size_t dice = below(100);
      if (family == Family::kState && dice < 70) {
        batch.merge(family, key(0), dice < 5 ? "poison of " + key(0) : counter(below(1000)));
      } else if (dice < 80) {
        batch.put(family, key(0), family == Family::kState ? counter(below(1000)) : std::to_string(below(1000)));
      } else if (dice < 95) {
        batch.remove(family, key(0));
      } else {
        batch.remove_prefix(family == Family::kState ? Family::kDedup : family, key(1));
      }
    }
    return batch;
  }

 private:
  std::mt19937 random_;
};

void check_equal(const StateStore& store, const Oracle& oracle, Fuzzer& fuzzer) {
  auto dump = must_dump(store);
  dump[static_cast<std::size_t>(Family::kQuarantine)].clear();
  REQUIRE(dump == oracle.dump());

  const auto family = static_cast<Family>(fuzzer.below(5));
  const auto& rows = oracle.rows[static_cast<std::size_t>(family)];
  std::vector<std::string> keys;
  for (int i = 0; i < 40; ++i) keys.push_back(fuzzer.key(0));
  std::vector<std::optional<std::string>> values;
  must(store.multi_get(family, keys, &values));
  std::vector<std::optional<std::string>> expected;
  std::vector<std::optional<std::string>> one_by_one;
  for (const std::string& key : keys) {
    const auto found = rows.find(key);
    expected.push_back(found == rows.end() ? std::nullopt : std::optional(found->second));
    one_by_one.push_back(must_get(store, family, key));
  }
  REQUIRE(values == expected);
  REQUIRE(one_by_one == expected);
}

// A store that merges late may never see an operand that was overwritten or removed before, so what it has parked is a
// part of what was written.
void check_quarantine(const StateStore& store, const Oracle& oracle, bool all) {
  std::set<std::pair<std::string, std::string>> parked;
  for (const auto& [key, operand] : must_scan(store, Family::kQuarantine)) {
    REQUIRE(key.size() >= 8);
    parked.emplace(key.substr(0, key.size() - 8), operand);
    REQUIRE(oracle.poison.count({key.substr(0, key.size() - 8), operand}) == 1);
  }
  if (all) CHECK(parked == oracle.poison);
}

TEST_CASE("any batches leave the store in memory equal to the oracle") {
  for (const unsigned seed : {1u, 2u, 3u}) {
    INFO("seed ", seed);
    Fuzzer fuzzer(seed);
    Oracle oracle;
    MemoryTwin twin;
    for (int step = 0; step < 600; ++step) {
      const WriteBatch batch = fuzzer.batch();
      must(twin.store->write(batch, Durability::kBuffered));
      oracle.apply(batch);
      if (step % 25 == 0) check_equal(*twin.store, oracle, fuzzer);
    }
    check_equal(*twin.store, oracle, fuzzer);
    check_quarantine(*twin.store, oracle, true);
  }
}

// As a stream writes: thousands of operands in the order of their keys, ranges and single rows of other families
// between the windows, and now and then a window that is not in order.
TEST_CASE("sorted windows leave the store on disk equal to sums") {
  constexpr unsigned kSeed = 20250401;
  INFO("seed ", kSeed);
  Fuzzer fuzzer(kSeed);
  std::map<std::string, std::uint64_t> sums;
  TempDir dir;
  auto store = open_small(dir / "state");
  for (int window = 0; window < 40; ++window) {
    std::vector<std::pair<std::string, std::uint64_t>> rows;
    for (int i = 0; i < 3000; ++i) rows.emplace_back("user " + std::to_string(fuzzer.below(20'000)), fuzzer.below(99));
    if (window % 7 != 0) std::sort(rows.begin(), rows.end());
    WriteBatch batch;
    batch.remove_prefix(Family::kDedup, std::to_string(fuzzer.below(10)));
    for (const auto& [key, value] : rows) {
      batch.merge(Family::kState, key, counter(value));
      sums[key] += value;
      if (fuzzer.below(50) == 0) batch.remove_prefix(Family::kIds, key);
      if (fuzzer.below(50) == 0) batch.put(Family::kIds, key, "");
    }
    must(store->write(std::move(batch), Durability::kBuffered));
    if (window == 20) {
      store.reset();
      store = open_small(dir / "state");
    }
  }
  const Pairs rows = must_scan(*store, Family::kState);
  REQUIRE(rows.size() == sums.size());
  CHECK(std::equal(rows.begin(), rows.end(), sums.begin(), [](const auto& row, const auto& sum) {
    return row.first == sum.first && row.second == counter(sum.second);
  }));
}

TEST_CASE("any batches leave the store on disk equal to the oracle, also across reopening") {
  for (const unsigned seed : {1u, 2u, 3u}) {
    INFO("seed ", seed);
    Fuzzer fuzzer(seed);
    Oracle oracle;
    TempDir dir;
    auto store = open_small(dir / "state");
    for (int step = 0; step < 600; ++step) {
      INFO("step ", step);
      const WriteBatch batch = fuzzer.batch();
      must(store->write(batch, fuzzer.below(50) == 0 ? Durability::kSynced : Durability::kBuffered));
      oracle.apply(batch);
      if (fuzzer.below(100) == 0) {
        store.reset();
        store = open_small(dir / "state");
        check_equal(*store, oracle, fuzzer);
      }
      if (step % 25 == 0) check_equal(*store, oracle, fuzzer);
    }
    check_equal(*store, oracle, fuzzer);
    CHECK(store->stats().accepting_writes);
    check_quarantine(*store, oracle, false);
  }
}

}  // namespace
}  // namespace cairn::storage

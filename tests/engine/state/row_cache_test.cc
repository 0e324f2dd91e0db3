#include "engine/state/row_cache.h"

#include <doctest/doctest.h>

#include <atomic>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace {

using cairn::features::EntityDelta;
using cairn::features::Row;
using cairn::state::RowCache;

Row counting(std::int64_t count) {
  Row row;
  row.blocks.push_back(
      {.view = 1, .aggregate = cairn::Aggregate::kCount, .max_entries = 10, .entries = {{0, {.count = count}}}});
  return row;
}

std::int64_t count_of(const RowCache::RowPtr& row) { return row ? row->blocks.at(0).entries.at(0).value.count : 0; }

/// The store behind the cache: a map of counts.
class Store {
 public:
  RowCache::Load load() {
    return [this](std::string_view key) -> cairn::Result<RowCache::RowPtr> {
      const std::lock_guard lock(mutex_);
      ++loads;
      const auto found = counts_.find(key);
      if (found == counts_.end()) return RowCache::RowPtr();
      return RowCache::RowPtr(std::make_shared<Row>(counting(found->second)));
    };
  }
  void add(const std::string& key, std::int64_t count) {
    const std::lock_guard lock(mutex_);
    counts_[key] += count;
  }
  std::int64_t get(const std::string& key) {
    const std::lock_guard lock(mutex_);
    return counts_[key];
  }
  std::atomic<int> loads{0};

 private:
  std::mutex mutex_;
  std::map<std::string, std::int64_t, std::less<>> counts_;
};

void commit(RowCache& cache, Store& store, const std::string& key, std::int64_t count) {
  const std::vector<EntityDelta> deltas{{key, counting(count)}};
  cache.begin_update(deltas);
  store.add(key, count);
  cache.finish_update(deltas, true);
}

TEST_CASE("a row is loaded once and then updated in place") {
  RowCache cache(1 << 20);
  Store store;
  store.add("u", 5);
  CHECK_FALSE(cache.get("u", store.load())->hit);
  commit(cache, store, "u", 2);
  const auto found = cache.get("u", store.load());
  CHECK(found->hit);
  CHECK(count_of(found->row) == 7);
  CHECK(store.loads == 1);
}

TEST_CASE("an entity that was absent appears with its first delta") {
  RowCache cache(1 << 20);
  Store store;
  CHECK(cache.get("new", store.load())->row == nullptr);
  commit(cache, store, "new", 1);
  CHECK(count_of(cache.get("new", store.load())->row) == 1);
}

TEST_CASE("a load that overlaps a commit is not kept") {
  RowCache cache(1 << 20);
  Store store;
  const std::vector<EntityDelta> deltas{{"u", counting(1)}};
  // The load begins before the commit and reads the store after it: kept, it would take the delta twice.
  const auto slow = [&](std::string_view key) {
    cache.begin_update(deltas);
    store.add("u", 1);
    auto row = store.load()(key);
    cache.finish_update(deltas, true);
    return row;
  };
  CHECK(count_of(cache.get("u", slow)->row) == 1);
  CHECK(count_of(cache.get("u", store.load())->row) == 1);
  CHECK(store.loads == 2);
}

TEST_CASE("a failed write leaves the row as it was") {
  RowCache cache(1 << 20);
  Store store;
  store.add("u", 5);
  CHECK(count_of(cache.get("u", store.load())->row) == 5);
  const std::vector<EntityDelta> deltas{{"u", counting(1)}};
  cache.begin_update(deltas);
  cache.finish_update(deltas, false);
  CHECK(count_of(cache.get("u", store.load())->row) == 5);
}

TEST_CASE("the least recently used rows go when the room is used up") {
  RowCache cache(64 * 2000);  // about 2,000 bytes a shard
  Store store;
  for (int i = 0; i < 5000; ++i) {
    const std::string key = "k" + std::to_string(i);
    store.add(key, 1);
    CHECK(count_of(cache.get(key, store.load())->row) == 1);
  }
  CHECK(cache.stats().bytes <= 64 * 2000);
  CHECK(cache.stats().rows > 64);
  CHECK(cache.stats().rows < 1000);
}

TEST_CASE("under concurrent reads and commits no reader ever sees a count lost or taken twice") {
  const std::uint32_t seed = 11;
  INFO("seed ", seed);
  constexpr int kKeys = 16;
  RowCache cache(64 * 700);  // small enough to evict all the time
  Store store;
  std::atomic<bool> done{false};
  std::atomic<int> wrong{0};
  std::vector<std::thread> readers;
  for (int reader = 0; reader < 2; ++reader) {
    readers.emplace_back([&, reader] {
      std::mt19937 random(seed + 1 + static_cast<unsigned>(reader));
      std::vector<std::int64_t> last(kKeys);
      while (!done) {
        const auto k = static_cast<std::size_t>(random() % kKeys);
        const std::string key = "k" + std::to_string(k);
        const std::int64_t count = count_of(cache.get(key, store.load())->row);
        if (count < last[k] || count > store.get(key)) ++wrong;  // counts only grow, and never past the store
        last[k] = count;
      }
    });
  }
  std::mt19937 random(seed);
  for (int i = 0; i < 20'000; ++i) commit(cache, store, "k" + std::to_string(random() % kKeys), 1);
  done = true;
  for (std::thread& reader : readers) reader.join();
  CHECK(wrong == 0);
  for (int k = 0; k < kKeys; ++k) {
    const std::string key = "k" + std::to_string(k);
    CHECK(count_of(cache.get(key, store.load())->row) == store.get(key));
  }
}

}  // namespace

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

using cairn::features::Row;
using cairn::state::RowCache;

Row counting(std::int64_t count) {
  Row row;
  row.blocks.push_back(
      {.view = 1, .aggregate = cairn::Aggregate::kCount, .max_entries = 10, .entries = {{0, {.count = count}}}});
  return row;
}

std::int64_t count_of(const RowCache::RowPtr& row) { return row ? row->blocks.at(0).entries.at(0).value.count : 0; }

/// A store of counts behind the cache, with the moments that readers may stand at: each commit begins a new epoch.
class Store {
 public:
  RowCache::Load load(std::uint64_t epoch) {
    return [this, epoch](std::string_view key) -> cairn::Result<RowCache::RowPtr> {
      const std::lock_guard lock(mutex_);
      ++loads;
      return row_at(key, epoch);
    };
  }
  std::int64_t count(const std::string& key, std::uint64_t epoch) {
    const std::lock_guard lock(mutex_);
    return count_of(row_at(key, epoch));
  }
  void add(const std::string& key, std::int64_t count, std::uint64_t epoch) {
    const std::lock_guard lock(mutex_);
    counts_[key][epoch] += count;
  }
  std::atomic<int> loads{0};

 private:
  RowCache::RowPtr row_at(std::string_view key, std::uint64_t epoch) {
    const auto found = counts_.find(key);
    if (found == counts_.end()) return nullptr;
    std::int64_t sum = 0;
    for (const auto& [when, count] : found->second) sum += when <= epoch ? count : 0;
    return sum == 0 ? nullptr : std::make_shared<Row>(counting(sum));
  }
  std::mutex mutex_;
  std::map<std::string, std::map<std::uint64_t, std::int64_t>, std::less<>> counts_;
};

/// Adds to a row in the store and in the cache, as a window does.
void commit(RowCache& cache, Store& store, const std::string& key, std::int64_t count, std::uint64_t epoch) {
  store.add(key, count, epoch);
  RowCache::Update update{key, std::nullopt};
  if (const auto held = cache.peek(key, epoch - 1)) {
    update.row = std::make_shared<Row>(counting(count_of(*held) + count));
  }
  cache.advance(epoch, {&update, 1});
}

TEST_CASE("a row is loaded once and then updated in place") {
  RowCache cache(1 << 20);
  Store store;
  store.add("u", 5, 0);
  CHECK_FALSE(cache.get("u", 0, store.load(0))->hit);
  commit(cache, store, "u", 2, 1);
  const auto found = cache.get("u", 1, store.load(1));
  CHECK(found->hit);
  CHECK(count_of(found->row) == 7);
  CHECK(store.loads == 1);
}

TEST_CASE("an entity that was absent appears with its first delta") {
  RowCache cache(1 << 20);
  Store store;
  CHECK(cache.get("new", 0, store.load(0))->row == nullptr);
  commit(cache, store, "new", 1, 1);
  CHECK(count_of(cache.get("new", 1, store.load(1))->row) == 1);
}

TEST_CASE("a reader who stands at an earlier epoch is answered as of then") {
  RowCache cache(1 << 20);
  Store store;
  store.add("u", 5, 0);
  CHECK(count_of(cache.get("u", 0, store.load(0))->row) == 5);
  commit(cache, store, "u", 2, 1);
  CHECK(count_of(cache.get("u", 0, store.load(0))->row) == 5);
  CHECK(count_of(cache.get("u", 1, store.load(1))->row) == 7);
  CHECK_FALSE(cache.peek("u", 0));
}

TEST_CASE("a load that overlaps a commit is not kept") {
  RowCache cache(1 << 20);
  Store store;
  store.add("u", 5, 0);
  // The load begins before the commit and ends after it: kept, it would lack the commit for later readers.
  const auto slow = [&](std::string_view key) {
    auto row = store.load(0)(key);
    commit(cache, store, "u", 1, 1);
    return row;
  };
  CHECK(count_of(cache.get("u", 0, slow)->row) == 5);
  CHECK(count_of(cache.get("u", 1, store.load(1))->row) == 6);
  CHECK(store.loads == 2);
}

TEST_CASE("a row whose new content is not known is forgotten") {
  RowCache cache(1 << 20);
  Store store;
  store.add("u", 5, 0);
  CHECK(count_of(cache.get("u", 0, store.load(0))->row) == 5);
  store.add("u", 2, 1);
  const RowCache::Update unknown{"u", std::nullopt};
  cache.advance(1, {&unknown, 1});
  CHECK(count_of(cache.get("u", 1, store.load(1))->row) == 7);
}

TEST_CASE("a row that is read again and again stays while thousands come and go, within the room") {
  RowCache cache(64 * 4000);  // about 4,000 bytes a shard
  Store store;
  store.add("often", 7, 0);
  CHECK_FALSE(cache.get("often", 0, store.load(0))->hit);
  for (int i = 0; i < 5000; ++i) {
    const std::string key = "k" + std::to_string(i);
    store.add(key, 1, 0);
    CHECK(count_of(cache.get(key, 0, store.load(0))->row) == 1);
    const auto often = cache.get("often", 0, store.load(0));
    REQUIRE(often->hit);
    CHECK(count_of(often->row) == 7);
  }
  CHECK(store.loads == 5001);
  CHECK(cache.stats().bytes <= 64 * 4000);
  CHECK(cache.stats().rows > 64);
  CHECK(cache.stats().rows < 2000);
}

TEST_CASE("the second event of an entity that is not here asks for its row, and it is here without a read") {
  RowCache cache(1 << 20);
  Store store;
  store.add("u", 5, 1);
  CHECK_FALSE(cache.note_event("u"));
  CHECK(cache.note_event("u"));
  CHECK_FALSE(cache.note_event("another"));
  cache.advance(1, {});
  CHECK(cache.bring("u", 1, store.load(1)));
  CHECK(cache.bring("u", 1, store.load(1)));
  CHECK(store.loads == 1);
  CHECK(cache.stats().brought == 1);
  const auto found = cache.get("u", 1, store.load(1));
  CHECK(found->hit);
  CHECK(count_of(found->row) == 5);
  commit(cache, store, "u", 2, 2);
  CHECK(count_of(cache.get("u", 2, store.load(2))->row) == 7);
}

TEST_CASE("a row that was read before a window changed it is not brought in") {
  RowCache cache(1 << 20);
  Store store;
  store.add("u", 5, 0);
  const auto slow = [&](std::string_view key) {
    auto row = store.load(0)(key);
    commit(cache, store, "u", 1, 1);
    return row;
  };
  CHECK_FALSE(cache.bring("u", 0, slow));
  CHECK(count_of(cache.get("u", 1, store.load(1))->row) == 6);
}

TEST_CASE("without room nothing is asked for") {
  RowCache cache(0);
  CHECK_FALSE(cache.note_event("u"));
  CHECK_FALSE(cache.note_event("u"));
}

TEST_CASE("under concurrent reads, requests ahead and commits every reader sees the counts of his epoch") {
  const std::uint32_t seed = 11;
  INFO("seed ", seed);
  constexpr int kKeys = 16;
  RowCache cache(64 * 700);  // small enough to evict all the time
  Store store;
  std::atomic<std::uint64_t> published{0};
  std::atomic<bool> done{false};
  std::atomic<int> wrong{0};
  std::vector<std::thread> readers;
  for (int reader = 0; reader < 2; ++reader) {
    readers.emplace_back([&, reader] {
      std::mt19937 random(seed + 1 + static_cast<unsigned>(reader));
      while (!done) {
        const std::string key = "k" + std::to_string(random() % kKeys);
        const std::uint64_t epoch = published;
        if (count_of(cache.get(key, epoch, store.load(epoch))->row) != store.count(key, epoch)) ++wrong;
      }
    });
  }
  readers.emplace_back([&] {
    std::vector<std::string> keys;
    for (int i = 0; i <= kKeys; ++i) keys.push_back("k" + std::to_string(i));  // one of them is nobody's
    while (!done) cache.prefetch(keys);
  });
  std::mt19937 random(seed);
  for (std::uint64_t epoch = 1; epoch <= 2000; ++epoch) {
    commit(cache, store, "k" + std::to_string(random() % kKeys), 1, epoch);
    published = epoch;
  }
  done = true;
  for (std::thread& reader : readers) reader.join();
  CHECK(wrong == 0);
}

}  // namespace

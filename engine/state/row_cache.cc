#include "engine/state/row_cache.h"

#include <utility>
#include <vector>

#include "cairn/prefetch.h"

namespace cairn::state {

namespace {

/// The second event of an entity within a while is what brings its row in: the first is most entities' only one.
constexpr unsigned kEventsOfHot = 2;

/// Counts of entities are halved after so many: a quarter as many as there are counters, so that few share one.
constexpr std::uint32_t kHalvedEvery = std::uint32_t{1} << 16;

std::size_t item_bytes(std::string_view key, const RowCache::RowPtr& row) {
  constexpr std::size_t kOverhead = 160;  // list node, map node, control block
  return kOverhead + key.size() + (row ? row->memory_bytes() : 0);
}

}  // namespace

unsigned RowCache::EventCounts::add(std::size_t hash) {
  // Other bits than those that choose the shard, and the bucket within it.
  std::atomic<std::uint8_t>& counter = counts_[hash >> 13 & (kCounters - 1)];
  const std::uint8_t count = counter.load(std::memory_order_relaxed);
  // Two that count at once may count one: it is a hint.
  if (count < UINT8_MAX) counter.store(count + 1, std::memory_order_relaxed);
  if ((added_.fetch_add(1, std::memory_order_relaxed) + 1) % kHalvedEvery == 0) {
    for (std::atomic<std::uint8_t>& one : counts_) {
      one.store(one.load(std::memory_order_relaxed) / 2, std::memory_order_relaxed);
    }
  }
  return count + 1U;
}

RowCache::RowCache(std::size_t bytes_max) : shard_bytes_max_(bytes_max / kShards) {
  for (Shard& shard : shards_) {
    const MutexLock lock(shard.mutex);
    shard.items.emplace(shard_bytes_max_);
  }
}

Result<RowCache::Found> RowCache::get(std::string_view key, std::uint64_t epoch, const Load& load) {
  const std::size_t hash = S3Fifo<Item>::hash(key);
  Shard& shard = shards_[shard_of(hash)];
  {
    const MutexLock lock(shard.mutex);
    const Item* const found = shard.items->find(key, hash);
    if (found != nullptr && found->since <= epoch) {
      ++shard.hits;
      return Found{found->row, true};
    }
    ++shard.misses;
  }
  CAIRN_ASSIGN_OR_RETURN(RowPtr row, load(key));
  const MutexLock lock(shard.mutex);
  // Once the shard is at a later epoch, a window may have changed the row since it was loaded.
  if (shard.epoch == epoch && shard.items->peek(key) == nullptr) keep(shard, key, row, epoch);
  return Found{std::move(row), false};
}

void RowCache::prefetch(std::span<const std::string> keys) const {
  std::vector<std::size_t> hashes;
  hashes.reserve(keys.size());
  for (const std::string& key : keys) hashes.push_back(S3Fifo<Item>::hash(key));
  // What one step asks for is there when the next one looks.
  const auto each = [&](const auto& ask) {
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const Shard& shard = shards_[shard_of(hashes[i])];
      const MutexLock lock(shard.mutex);
      ask(*shard.items, i);
    }
  };
  each([&](const S3Fifo<Item>& items, std::size_t i) { items.prefetch_slot(hashes[i]); });
  each([&](const S3Fifo<Item>& items, std::size_t i) { items.prefetch_item(hashes[i]); });
  each([&](const S3Fifo<Item>& items, std::size_t i) {
    // Whoever gets it counts one more holder, in front of the row.
    constexpr std::size_t kCounts = 16;
    const Item* const found = items.peek(keys[i], hashes[i]);
    if (found != nullptr && found->row) prefetch_to_write(reinterpret_cast<const char*>(found->row.get()) - kCounts);
  });
}

bool RowCache::note_event(std::string_view key) {
  return shard_bytes_max_ > 0 && events_->add(std::hash<std::string_view>{}(key)) >= kEventsOfHot;
}

bool RowCache::bring(std::string_view key, std::uint64_t epoch, const Load& load) {
  Shard& shard = shards_[shard_of(key)];
  {
    const MutexLock lock(shard.mutex);
    if (shard.items->peek(key) != nullptr) return true;
  }
  Result<RowPtr> row = load(key);
  if (!row.ok()) return false;  // whoever reads it is told why
  const MutexLock lock(shard.mutex);
  if (shard.items->peek(key) != nullptr) return true;
  if (shard.epoch != epoch) return false;
  keep(shard, key, *std::move(row), epoch);
  ++shard.brought;
  return shard.items->peek(key) != nullptr;
}

std::optional<RowCache::RowPtr> RowCache::peek(std::string_view key, std::uint64_t epoch) const {
  const Shard& shard = shards_[shard_of(key)];
  const MutexLock lock(shard.mutex);
  const Item* const found = shard.items->peek(key);
  if (found == nullptr || found->since > epoch) return std::nullopt;
  return found->row;
}

void RowCache::advance(std::uint64_t epoch, std::span<const Update> updates) {
  // The epoch first: no row of the epoch before can be added behind the back of what follows.
  for (Shard& shard : shards_) {
    const MutexLock lock(shard.mutex);
    shard.epoch = epoch;
  }
  for (const Update& update : updates) {
    Shard& shard = shards_[shard_of(update.key)];
    const MutexLock lock(shard.mutex);
    replace(shard, update, epoch);
  }
}

void RowCache::replace(Shard& shard, const Update& update, std::uint64_t epoch) {
  if (shard.items->find(update.key) == nullptr) return;  // an event is a use
  if (!update.row) {
    shard.items->erase(update.key);
    return;
  }
  keep(shard, update.key, *update.row, epoch);
}

void RowCache::keep(Shard& shard, std::string_view key, RowPtr row, std::uint64_t since) {
  const std::size_t bytes = item_bytes(key, row);
  shard.items->put(key, {std::move(row), since}, bytes);
}

RowCache::Stats RowCache::stats() const {
  Stats total;
  for (const Shard& shard : shards_) {
    const MutexLock lock(shard.mutex);
    total.hits += shard.hits;
    total.misses += shard.misses;
    total.bytes += shard.items->bytes();
    total.rows += shard.items->size();
    total.brought += shard.brought;
  }
  return total;
}

}  // namespace cairn::state

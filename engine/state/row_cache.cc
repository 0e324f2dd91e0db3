#include "engine/state/row_cache.h"

#include <utility>

namespace cairn::state {

namespace {

std::size_t item_bytes(std::string_view key, const RowCache::RowPtr& row) {
  constexpr std::size_t kOverhead = 160;  // list node, map node, control block
  return kOverhead + key.size() + (row ? row->memory_bytes() : 0);
}

}  // namespace

Result<RowCache::Found> RowCache::get(std::string_view key, std::uint64_t epoch, const Load& load) {
  Shard& shard = shards_[shard_of(key)];
  {
    const MutexLock lock(shard.mutex);
    const auto found = shard.by_key.find(key);
    if (found != shard.by_key.end() && found->second->since <= epoch) {
      ++shard.hits;
      shard.items.splice(shard.items.begin(), shard.items, found->second);
      return Found{found->second->row, true};
    }
    ++shard.misses;
  }
  CAIRN_ASSIGN_OR_RETURN(RowPtr row, load(key));
  const MutexLock lock(shard.mutex);
  // Once the shard is at a later epoch, a window may have changed the row since it was loaded.
  if (shard.epoch == epoch && !shard.by_key.contains(key)) keep(shard, key, row, epoch);
  return Found{std::move(row), false};
}

std::optional<RowCache::RowPtr> RowCache::peek(std::string_view key, std::uint64_t epoch) const {
  const Shard& shard = shards_[shard_of(key)];
  const MutexLock lock(shard.mutex);
  const auto found = shard.by_key.find(key);
  if (found == shard.by_key.end() || found->second->since > epoch) return std::nullopt;
  return found->second->row;
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
  const auto found = shard.by_key.find(update.key);
  if (found == shard.by_key.end()) return;
  if (!update.row) return drop(shard, found->second);
  Item& item = *found->second;
  shard.bytes -= item.bytes;
  item.row = *update.row;
  item.since = epoch;
  item.bytes = item_bytes(item.key, item.row);
  shard.bytes += item.bytes;
  evict(shard);
}

void RowCache::keep(Shard& shard, std::string_view key, RowPtr row, std::uint64_t since) {
  const std::size_t bytes = item_bytes(key, row);
  shard.items.push_front({std::string(key), std::move(row), since, bytes});
  shard.by_key.emplace(shard.items.front().key, shard.items.begin());
  shard.bytes += bytes;
  evict(shard);
}

void RowCache::drop(Shard& shard, std::list<Item>::iterator item) {
  shard.bytes -= item->bytes;
  shard.by_key.erase(item->key);
  shard.items.erase(item);
}

void RowCache::evict(Shard& shard) {
  while (shard.bytes > shard_bytes_max_ && !shard.items.empty()) drop(shard, std::prev(shard.items.end()));
}

RowCache::Stats RowCache::stats() const {
  Stats total;
  for (const Shard& shard : shards_) {
    const MutexLock lock(shard.mutex);
    total.hits += shard.hits;
    total.misses += shard.misses;
    total.bytes += shard.bytes;
    total.rows += shard.items.size();
  }
  return total;
}

}  // namespace cairn::state

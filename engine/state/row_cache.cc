#include "engine/state/row_cache.h"

#include <utility>

namespace cairn::state {

namespace {

std::size_t item_bytes(std::string_view key, const RowCache::RowPtr& row) {
  constexpr std::size_t kOverhead = 160;  // list node, map node, control block
  return kOverhead + key.size() + (row ? row->memory_bytes() : 0);
}

}  // namespace

Result<RowCache::Found> RowCache::get(std::string_view key, const Load& load) {
  Shard& shard = shard_of(key);
  std::uint64_t ticket = 0;
  {
    const MutexLock lock(shard.mutex);
    if (const auto found = shard.by_key.find(key); found != shard.by_key.end()) {
      ++shard.hits;
      shard.items.splice(shard.items.begin(), shard.items, found->second);
      return Found{found->second->row, true};
    }
    ++shard.misses;
    if (!shard.updating.contains(key)) {
      ticket = shard.next_load++;
      shard.loading.insert_or_assign(std::string(key), ticket);
    }
  }
  Result<RowPtr> row = load(key);
  const MutexLock lock(shard.mutex);
  const auto mine = shard.loading.find(key);
  const bool still_mine = ticket != 0 && mine != shard.loading.end() && mine->second == ticket;
  if (still_mine) shard.loading.erase(mine);
  if (!row.ok()) return std::move(row).status();
  if (still_mine && !shard.by_key.contains(key)) keep(shard, key, *row);
  return Found{*std::move(row), false};
}

void RowCache::begin_update(std::span<const features::EntityDelta> deltas) {
  for (const features::EntityDelta& delta : deltas) {
    Shard& shard = shard_of(delta.key);
    const MutexLock lock(shard.mutex);
    shard.updating.insert(delta.key);
    shard.loading.erase(delta.key);
  }
}

void RowCache::finish_update(std::span<const features::EntityDelta> deltas, bool committed) {
  for (const features::EntityDelta& delta : deltas) {
    Shard& shard = shard_of(delta.key);
    const MutexLock lock(shard.mutex);
    shard.updating.erase(delta.key);
    if (!committed) continue;
    const auto found = shard.by_key.find(delta.key);
    if (found == shard.by_key.end()) continue;
    Item& item = *found->second;
    auto row = item.row ? std::make_shared<features::Row>(*item.row) : std::make_shared<features::Row>();
    features::merge_row(row.get(), delta.row);
    shard.bytes -= item.bytes;
    item.row = std::move(row);
    item.bytes = item_bytes(item.key, item.row);
    shard.bytes += item.bytes;
    evict(shard);
  }
}

void RowCache::keep(Shard& shard, std::string_view key, RowPtr row) {
  const std::size_t bytes = item_bytes(key, row);
  shard.items.push_front({std::string(key), std::move(row), bytes});
  shard.by_key.emplace(shard.items.front().key, shard.items.begin());
  shard.bytes += bytes;
  evict(shard);
}

void RowCache::evict(Shard& shard) {
  while (shard.bytes > shard_bytes_max_ && !shard.items.empty()) {
    const Item& last = shard.items.back();
    shard.bytes -= last.bytes;
    shard.by_key.erase(last.key);
    shard.items.pop_back();
  }
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

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "cairn/mutex.h"
#include "cairn/status.h"
#include "features/delta.h"
#include "features/row.h"

namespace cairn::state {

/// Decoded rows of features in memory, least recently used out first, updated in place when a write batch commits.
///
/// A row here always equals the stored one, or the stored one with the batch that is just being committed. What makes
/// it so: a batch announces its keys before it is written (`begin_update`); from then until `finish_update` a miss on
/// such a key is answered from the store and not kept, and a load that had begun before is not kept either. So no row
/// can miss a delta, and none can take one twice.
///
/// Threads: `get` from any; begin_update / finish_update from one writer at a time.
class RowCache {
 public:
  using RowPtr = std::shared_ptr<const features::Row>;  ///< null: the store has no row
  /// Reads a row from the store. Returns: null when there is none.
  using Load = std::function<Result<RowPtr>(std::string_view key)>;

  explicit RowCache(std::size_t bytes_max) : shard_bytes_max_(bytes_max / kShards) {}

  struct Found {
    RowPtr row;
    bool hit = false;
  };
  /// The row, from memory or by `load`. Returns: what `load` returned.
  [[nodiscard]] Result<Found> get(std::string_view key, const Load& load);

  /// Announces that the rows of `deltas` are about to change.
  void begin_update(std::span<const features::EntityDelta> deltas);
  /// Merges the deltas into the rows held (`committed`), or forgets the announcement (the write failed).
  void finish_update(std::span<const features::EntityDelta> deltas, bool committed);

  struct Stats {
    std::uint64_t hits = 0;
    std::uint64_t misses = 0;
    std::uint64_t bytes = 0;
    std::uint64_t rows = 0;
  };
  [[nodiscard]] Stats stats() const;

 private:
  static constexpr std::size_t kShards = 64;
  struct Item {
    std::string key;
    RowPtr row;
    std::size_t bytes;
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view s) const noexcept { return std::hash<std::string_view>{}(s); }
  };
  /// A part of the rows with a lock of its own, on cache lines of its own, so that readers of different rows seldom
  /// meet.
  struct alignas(64) Shard {
    mutable Mutex mutex;
    std::list<Item> items CAIRN_GUARDED_BY(mutex);  ///< most recently used first
    /// Views into items.
    std::unordered_map<std::string_view, std::list<Item>::iterator> by_key CAIRN_GUARDED_BY(mutex);
    std::unordered_set<std::string, Hash, std::equal_to<>> updating CAIRN_GUARDED_BY(mutex);
    /// Key to the load that may be kept.
    std::unordered_map<std::string, std::uint64_t, Hash, std::equal_to<>> loading CAIRN_GUARDED_BY(mutex);
    std::uint64_t next_load CAIRN_GUARDED_BY(mutex) = 1;
    std::uint64_t bytes CAIRN_GUARDED_BY(mutex) = 0;
    std::uint64_t hits CAIRN_GUARDED_BY(mutex) = 0;
    std::uint64_t misses CAIRN_GUARDED_BY(mutex) = 0;
  };

  [[nodiscard]] Shard& shard_of(std::string_view key) { return shards_[Hash{}(key) >> 7 & (kShards - 1)]; }
  void keep(Shard& shard, std::string_view key, RowPtr row) CAIRN_REQUIRES(shard.mutex);
  void evict(Shard& shard) CAIRN_REQUIRES(shard.mutex);

  const std::size_t shard_bytes_max_;
  std::array<Shard, kShards> shards_;
};

}  // namespace cairn::state

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "cairn/mutex.h"
#include "cairn/status.h"
#include "features/row.h"

namespace cairn::state {

/// Stored rows of features in memory, decoded, least recently used out first.
///
/// What is stored changes with every window that is written, and each such moment has a number, the epoch. A reader
/// asks for a row as it was stored at the epoch that he reads. A row here says since which epoch it stands like this;
/// it answers all readers of that epoch or later ones, since advance() replaces every row that a window changes before
/// a reader of the new epoch can come. A reader of an earlier epoch is answered by the store, at his snapshot.
///
/// Threads: any; advance() one at a time. Locks are held for one row.
class RowCache {
 public:
  using RowPtr = std::shared_ptr<const features::Row>;  ///< null: the store has no row
  /// Reads a row from the store, as it was at the reader's epoch. Returns: null when there is none.
  using Load = std::function<Result<RowPtr>(std::string_view key)>;

  explicit RowCache(std::size_t bytes_max) : shard_bytes_max_(bytes_max / kShards) {}

  struct Found {
    RowPtr row;
    bool hit = false;
  };
  /// The row as stored at `epoch`, from memory or by `load`. Returns: what `load` returned.
  [[nodiscard]] Result<Found> get(std::string_view key, std::uint64_t epoch, const Load& load);

  /// The row as stored at `epoch` if it is here; nullopt when it is not. Does not count as a use.
  [[nodiscard]] std::optional<RowPtr> peek(std::string_view key, std::uint64_t epoch) const;

  /// A row that a window has changed.
  struct Update {
    std::string_view key;
    std::optional<RowPtr> row;  ///< as it is stored now; nullopt: not known here, so that a row held must go
  };
  /// From now on rows are kept as stored at `epoch`. Requires: nobody reads that epoch yet.
  void advance(std::uint64_t epoch, std::span<const Update> updates);

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
    std::uint64_t since;  ///< epoch from which on the row is stored like this
    std::size_t bytes;
  };
  /// A part of the rows with a lock of its own, on cache lines of its own, so that readers of different rows seldom
  /// meet.
  struct alignas(64) Shard {
    mutable Mutex mutex;
    std::list<Item> items CAIRN_GUARDED_BY(mutex);  ///< most recently used first
    /// Views into items.
    std::unordered_map<std::string_view, std::list<Item>::iterator> by_key CAIRN_GUARDED_BY(mutex);
    std::uint64_t epoch CAIRN_GUARDED_BY(mutex) = 0;  ///< of which rows may be added
    std::uint64_t bytes CAIRN_GUARDED_BY(mutex) = 0;
    std::uint64_t hits CAIRN_GUARDED_BY(mutex) = 0;
    std::uint64_t misses CAIRN_GUARDED_BY(mutex) = 0;
  };

  [[nodiscard]] static std::size_t shard_of(std::string_view key) {
    return std::hash<std::string_view>{}(key) >> 7 & (kShards - 1);
  }
  void replace(Shard& shard, const Update& update, std::uint64_t epoch) CAIRN_REQUIRES(shard.mutex);
  void keep(Shard& shard, std::string_view key, RowPtr row, std::uint64_t since) CAIRN_REQUIRES(shard.mutex);
  void drop(Shard& shard, std::list<Item>::iterator item) CAIRN_REQUIRES(shard.mutex);
  void evict(Shard& shard) CAIRN_REQUIRES(shard.mutex);

  const std::size_t shard_bytes_max_;
  std::array<Shard, kShards> shards_;
};

}  // namespace cairn::state

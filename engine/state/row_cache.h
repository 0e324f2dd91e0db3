#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "cairn/mutex.h"
#include "cairn/s3_fifo.h"
#include "cairn/status.h"
#include "features/row.h"

namespace cairn::state {

/// Stored rows of features in memory, decoded. What stays when room is short is S3Fifo's choice, where an event of the
/// entity counts as a use as a read does. Rows come in when they are read, and when an entity that is not here has a
/// second event within a while: who is active will be asked about soon (bench/rows_bench.cc measures both).
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

  explicit RowCache(std::size_t bytes_max);

  struct Found {
    RowPtr row;
    bool hit = false;
  };
  /// The row as stored at `epoch`, from memory or by `load`. Returns: what `load` returned.
  [[nodiscard]] Result<Found> get(std::string_view key, std::uint64_t epoch, const Load& load);

  /// Asks for the memory that get() of these keys waits for: of many that are asked for one after another, most of the
  /// time is waiting.
  void prefetch(std::span<const std::string> keys) const;

  /// Notes an event of an entity whose row is not here. Returns: whether the row should be brought in.
  [[nodiscard]] bool note_event(std::string_view key);
  /// Brings in the row as stored at `epoch`, which nobody reads yet. Returns: whether it is here now.
  bool bring(std::string_view key, std::uint64_t epoch, const Load& load);

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
    std::uint64_t brought = 0;  ///< by events
  };
  [[nodiscard]] Stats stats() const;

 private:
  static constexpr std::size_t kShards = 64;
  struct Item {
    RowPtr row;
    std::uint64_t since = 0;  ///< epoch from which on the row is stored like this
  };
  /// A part of the rows with a lock of its own, on cache lines of its own, so that readers of different rows seldom
  /// meet.
  struct alignas(64) Shard {
    mutable Mutex mutex;
    std::optional<S3Fifo<Item>> items CAIRN_GUARDED_BY(mutex);  ///< always there
    std::uint64_t epoch CAIRN_GUARDED_BY(mutex) = 0;            ///< of which rows may be added
    std::uint64_t hits CAIRN_GUARDED_BY(mutex) = 0;
    std::uint64_t misses CAIRN_GUARDED_BY(mutex) = 0;
    std::uint64_t brought CAIRN_GUARDED_BY(mutex) = 0;
  };

  /// How often entities had events, by hash: two that share a counter count together, and a row is brought in too soon.
  /// All are halved from time to time, so that what is long past does not count (TinyLFU: Einziger et al., ACM TOS
  /// 2017).
  class EventCounts {
   public:
    /// Returns: the count, this one included.
    unsigned add(std::size_t hash);

   private:
    static constexpr std::size_t kCounters = std::size_t{1} << 18;
    std::array<std::atomic<std::uint8_t>, kCounters> counts_{};
    std::atomic<std::uint32_t> added_{0};
  };

  [[nodiscard]] static std::size_t shard_of(std::size_t hash) noexcept { return hash >> 7 & (kShards - 1); }
  [[nodiscard]] static std::size_t shard_of(std::string_view key) noexcept { return shard_of(S3Fifo<Item>::hash(key)); }
  void replace(Shard& shard, const Update& update, std::uint64_t epoch) CAIRN_REQUIRES(shard.mutex);
  static void keep(Shard& shard, std::string_view key, RowPtr row, std::uint64_t since) CAIRN_REQUIRES(shard.mutex);

  const std::size_t shard_bytes_max_;
  std::array<Shard, kShards> shards_;
  std::unique_ptr<EventCounts> events_ = std::make_unique<EventCounts>();
};

}  // namespace cairn::state

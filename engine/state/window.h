#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "cairn/mutex.h"
#include "features/delta_row.h"
#include "features/event_changes.h"
#include "features/name_table.h"
#include "features/segments.h"

namespace cairn::state {

/// The rows' changes of a window of the streams, by the keys of the rows, added up in memory. Readers see them at once.
///
/// Keys are spread over shards by their hash, and each shard has one writer at a time: so several threads may add, each
/// to shards of its own.
///
/// Threads: add() one a shard; everything else any, also meanwhile. A reader takes the lock of the one row that it
/// copies, which its writer holds for the time of one event.
class Window {
 public:
  static constexpr std::size_t kShards = 64;

  /// Of a row's key. The upper bits choose the shard.
  [[nodiscard]] static std::uint64_t hash(std::string_view key) noexcept { return features::NameTable::hash(key); }
  [[nodiscard]] static std::size_t shard_of(std::uint64_t hash) noexcept { return hash >> 58; }

  void prefetch(std::uint64_t hash) const noexcept { shards_[shard_of(hash)].keys.prefetch(hash); }

  /// Adds the changes to the row of `key`.
  void add(std::string_view key, std::uint64_t hash, std::span<const features::Change> changes);

  /// Forgets the changes of the row. Requires: nobody adds meanwhile.
  void clear(std::string_view key, std::uint64_t hash);

  /// Appends a copy of the row's changes. Returns: whether there are any.
  bool copy(std::string_view key, std::uint64_t hash, std::vector<features::DeltaRow::Flat>* changes) const;

  /// Rows that have changed.
  [[nodiscard]] std::size_t rows() const noexcept;
  /// What they take, about.
  [[nodiscard]] std::size_t memory_bytes() const noexcept;

  /// Calls `visit` for every row of a shard. Requires: nobody adds any more.
  void for_each(std::size_t shard,
                const std::function<void(std::string_view key, const features::DeltaRow& changes)>& visit) const;

 private:
  struct Row {
    mutable SpinMutex mutex;
    features::DeltaRow changes CAIRN_GUARDED_BY(mutex);
  };
  /// On cache lines of its own, because shards are written by different threads.
  struct alignas(64) Shard {
    features::NameTable keys;
    features::Segments<Row> rows;  ///< by the number of the key
    std::atomic<std::size_t> bytes{0};
  };

  std::array<Shard, kShards> shards_;
};

}  // namespace cairn::state

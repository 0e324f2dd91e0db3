#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "engine/state/pending_window.h"
#include "engine/state/row_cache.h"
#include "features/dictionary.h"
#include "storage/state_store.h"

namespace cairn::state {

/// Writes full windows: rows, new numbers, event ids, counters and positions in one batch, sorted by key.
///
/// A row that is whole in memory and not much larger than its changes is put as a whole, so that neither a reader nor a
/// compaction has to merge it; of any other row the changes are written.
///
/// One thread.
class WindowWriter {
 public:
  /// All must outlive this.
  WindowWriter(storage::StateStore& store, storage::Durability durability, features::Dictionary& places,
               features::Dictionary& categories, RowCache& cache)
      : store_(store), durability_(durability), places_(places), categories_(categories), cache_(cache) {}

  /// Stores `version.full`: all of it or nothing. Returns: what the store returned.
  Status write(const ReadVersion& version);

  /// Brings the row cache to the epoch in which the window that was written last is stored.
  void advance(std::uint64_t epoch);

  /// Brings rows into the row cache of entities that were not there and had events again, as stored at `version`, while
  /// `go_on` says so. What is left over is forgotten.
  void bring_hot_rows(const ReadVersion& version, const std::function<bool()>& go_on);

 private:
  /// A row's record in the batch.
  struct Record {
    std::string_view key;   ///< in the window
    std::size_t begin = 0;  ///< of the value in its shard's bytes
    std::size_t size = 0;
    std::uint32_t shard = 0;
    bool whole = false;
  };
  /// What one thread has encoded of a shard.
  struct Encoded {
    std::vector<Record> records;
    std::vector<RowCache::Update> updates;
    std::vector<std::string_view> hot;  ///< keys to bring in
    std::string bytes;
  };
  static constexpr std::size_t kHotRowsMax = 1024;  ///< that are brought in for one window

  void encode(const ReadVersion& version, std::uint32_t shard, Encoded* encoded) const;
  void add_rows(std::vector<Encoded>& shards, storage::WriteBatch* batch);
  void add_the_rest(const PendingWindow& window, storage::WriteBatch* batch) const;

  storage::StateStore& store_;
  const storage::Durability durability_;
  features::Dictionary& places_;
  features::Dictionary& categories_;
  RowCache& cache_;
  std::shared_ptr<const PendingWindow> window_;  ///< written last; `updates_` look into it
  std::vector<RowCache::Update> updates_;
  std::vector<std::string> hot_;
};

}  // namespace cairn::state

#pragma once

#include <rocksdb/compaction_filter.h>

#include <string>

#include "storage/state_store.h"

namespace cairn::storage {

/// RocksDB's view of a TrimFunction. RocksDB calls it in compactions only, not in flushes, and turns a row that goes
/// into a tombstone, so no older version of it comes back.
///
/// Threads: all methods from any thread.
class TrimFilter final : public rocksdb::CompactionFilter {
 public:
  /// Requires: `trim` is not empty.
  explicit TrimFilter(TrimFunction trim);

  Decision FilterV2(int level, const rocksdb::Slice& key, ValueType type, const rocksdb::Slice& value,
                    std::string* new_value, std::string* skip_until) const noexcept override;
  const char* Name() const override { return "cairn.trim"; }

 private:
  const TrimFunction trim_;
};

}  // namespace cairn::storage

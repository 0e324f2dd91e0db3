#pragma once

#include <rocksdb/db.h>

#include <memory>
#include <unordered_set>

#include "cairn/mutex.h"
#include "storage/state_store.h"

namespace cairn::storage {

/// The snapshots that callers hold of one database. RocksDB wants every snapshot released before it is destroyed, and
/// callers may hold theirs for longer: so close() releases what is left, and a snapshot that goes later finds nothing
/// to do.
///
/// Threads: any. `db` is borrowed until close().
class Snapshots : public std::enable_shared_from_this<Snapshots> {
 public:
  explicit Snapshots(rocksdb::DB* db) : db_(db) {}

  /// Requires: not closed.
  [[nodiscard]] std::shared_ptr<const Snapshot> take();

  /// RocksDB's own, for ReadOptions. Requires: taken here, and not closed before the read has ended.
  [[nodiscard]] const rocksdb::Snapshot* native(const Snapshot& snapshot) const;

  /// Releases every snapshot. Requires: no read at one is under way or will begin.
  void close();

 private:
  class Held;
  void release(const rocksdb::Snapshot* snapshot);

  Mutex mutex_;
  rocksdb::DB* db_ CAIRN_GUARDED_BY(mutex_);
  std::unordered_set<const rocksdb::Snapshot*> held_ CAIRN_GUARDED_BY(mutex_);
};

}  // namespace cairn::storage

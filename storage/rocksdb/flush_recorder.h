#pragma once

#include <rocksdb/db.h>
#include <rocksdb/listener.h>

#include <memory>
#include <utility>

#include "cairn/mutex.h"
#include "storage/last_flush_mark.h"
#include "storage/rocksdb/flushed_mark.h"

namespace cairn::storage {

/// Writes down what RocksDB's files were each time that a flush or compaction has ended.
///
/// Threads: any.
class FlushRecorder final : public rocksdb::EventListener {
 public:
  /// `flushed` stands before this among the listeners, so that it is told first.
  FlushRecorder(LastFlushMark mark, std::shared_ptr<const FlushedMark> flushed)
      : flushed_(std::move(flushed)), mark_(std::move(mark)) {}

  void record(rocksdb::DB& db) CAIRN_EXCLUDES(mutex_);

  void OnFlushCompleted(rocksdb::DB* db, const rocksdb::FlushJobInfo&) override { record(*db); }
  void OnCompactionCompleted(rocksdb::DB* db, const rocksdb::CompactionJobInfo&) override { record(*db); }

 private:
  const std::shared_ptr<const FlushedMark> flushed_;
  Mutex mutex_;  ///< one record at a time: none may overwrite a later one
  LastFlushMark mark_ CAIRN_GUARDED_BY(mutex_);
};

}  // namespace cairn::storage

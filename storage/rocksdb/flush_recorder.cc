#include "storage/rocksdb/flush_recorder.h"

#include <cstdint>
#include <string>
#include <vector>

#include "storage/rocksdb/file_names.h"

namespace cairn::storage {

void FlushRecorder::record(rocksdb::DB& db) {
  const MutexLock lock(mutex_);
  LastFlush flush;
  // Before the MANIFEST is asked about: what is in table files now, it names then.
  flush.last_write = flushed_->sequence();
  std::vector<std::string> files;
  // RocksDB sets the length when it has synced the MANIFEST, and not before.
  if (!db.GetLiveFiles(files, &flush.manifest_bytes, /*flush_memtable=*/false).ok()) return;
  for (const std::string& file : files) {
    if (const auto number = manifest_number(file)) flush.manifest = *number;
  }
  // What cannot be written claims less than is there; the next flush tries again.
  static_cast<void>(mark_.set(flush));
}

}  // namespace cairn::storage

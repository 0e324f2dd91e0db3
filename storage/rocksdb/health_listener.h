#pragma once

#include <rocksdb/listener.h>

#include <optional>
#include <string>

#include "cairn/log.h"
#include "cairn/mutex.h"
#include "cairn/status.h"
#include "storage/disk_gate.h"

namespace cairn::storage {

/// Knows whether the store may still be written. The first I/O error ends that until the store is opened again: after a
/// failed write RocksDB cannot tell what reached the disk, and going on after a failed read in a compaction can lose
/// data (RocksDB HISTORY 8.7). A flush or compaction that found the disk full is the exception: nothing is lost,
/// RocksDB resumes by itself once space was freed, and the gate is held shut until then.
///
/// Threads: all methods from any thread. `gate` is borrowed for the object's life.
class HealthListener final : public rocksdb::EventListener {
 public:
  HealthListener(DiskGate* gate, Logger log);

  /// Ends writing, for good; the first reason stays.
  void fail(const std::string& reason);

  /// Returns: why the store has become read-only, nullopt while it has not.
  [[nodiscard]] std::optional<std::string> failure() const;

  /// A read has failed: with damage, or because the disk did not answer. Writing goes on, and the first such reason
  /// stays until the store is opened again. Returns: `read` as it came.
  Status note_read(Status read);
  /// Returns: what a read has met; empty: nothing.
  [[nodiscard]] std::string read_failure() const;

  void OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* error) override;
  void OnErrorRecoveryEnd(const rocksdb::BackgroundErrorRecoveryInfo& info) override;

 private:
  DiskGate* const gate_;
  const Logger log_;
  mutable Mutex mutex_;
  std::optional<std::string> failure_ CAIRN_GUARDED_BY(mutex_);
  std::string read_failure_ CAIRN_GUARDED_BY(mutex_);
};

}  // namespace cairn::storage

#include "storage/rocksdb/health_listener.h"

#include <utility>

namespace cairn::storage {
namespace {

bool is_resumed_by_rocksdb(rocksdb::BackgroundErrorReason reason, const rocksdb::Status& error) {
  using Reason = rocksdb::BackgroundErrorReason;
  // RocksDB speaks of a flush without a log also when the log has only just been switched.
  return error.IsNoSpace() &&
         (reason == Reason::kFlush || reason == Reason::kFlushNoWAL || reason == Reason::kCompaction);
}

}  // namespace

HealthListener::HealthListener(DiskGate* gate, Logger log) : gate_(gate), log_(std::move(log)) {}

void HealthListener::fail(const std::string& reason) {
  {
    const MutexLock lock(mutex_);
    // Later errors are mostly consequences of the first.
    if (failure_) return;
    failure_ = "the state store is read-only after an error: " + reason +
               "; check the disk, then restart or open the store again";
  }
  log_.error("storage.failed", "the state store has become read-only", {{"reason", reason}});
}

std::optional<std::string> HealthListener::failure() const {
  const MutexLock lock(mutex_);
  return failure_;
}

Status HealthListener::note_read(Status read) {
  if (read.ok()) return read;
  {
    const MutexLock lock(mutex_);
    if (!read_failure_.empty()) return read;
    read_failure_ = "a read of the state store has failed: " + read.message();
  }
  log_.error("storage.read_failed", "a read of the state store has failed", {{"reason", read.message()}});
  return read;
}

std::string HealthListener::read_failure() const {
  const MutexLock lock(mutex_);
  return read_failure_;
}

void HealthListener::OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* error) {
  const std::string text = error->ToString();
  if (!is_resumed_by_rocksdb(reason, *error)) return fail(text);
  gate_->hold("a background flush or compaction found the disk full (" + text +
              "); free space there, writing then resumes by itself within seconds");
  log_.error("storage.disk_full", "a background flush or compaction found the disk full", {{"error", text}});
}

void HealthListener::OnErrorRecoveryEnd(const rocksdb::BackgroundErrorRecoveryInfo& info) {
  // The recovery itself may have failed: then the disk is still full, and the gate stays shut.
  if (!info.new_bg_error.ok()) return;
  gate_->release();
  log_.info("storage.resumed", "the disk has space again and background work has resumed");
}

}  // namespace cairn::storage

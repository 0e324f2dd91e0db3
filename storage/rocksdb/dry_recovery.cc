#include "storage/rocksdb/dry_recovery.h"

#include <utility>

#include "storage/rocksdb/file_names.h"
#include "storage/rocksdb/log_records.h"
#include "storage/rocksdb/silent_logger.h"
#include "storage/rocksdb/status_translation.h"

namespace cairn::storage {
namespace {

/// The log in which the replay ended; empty when there is none.
std::string last_log_of(const std::string& path, const LogContinuity& replay) {
  if (!replay.last_log().empty()) return replay.last_log();
  const auto logs = log_files(path);
  const auto first = logs.lower_bound(replay.first_log());
  return first == logs.end() ? "" : first->second;
}

std::string end_of(const std::string& path, const LogContinuity& replay) {
  const std::string log = last_log_of(path, replay);
  const auto extent = read_log_extent(log);
  if (!extent) return "its write-ahead log, a *.log file, is missing";
  const std::string at = " at byte " + std::to_string(extent->whole_bytes);
  return extent->damaged ? log + " is damaged" + at : "its write-ahead log ends with " + log + at;
}

}  // namespace

Result<Recovered> recover_to_read(const std::string& path, rocksdb::Options options) {
  Recovered recovered;
  recovered.continuity = std::make_unique<LogContinuity>(Logger());
  options.listeners.clear();
  options.info_log = std::make_shared<SilentLogger>();
  options.wal_filter = recovered.continuity.get();
  rocksdb::DB* raw = nullptr;
  const rocksdb::Status opened = rocksdb::DB::OpenForReadOnly(options, path, &raw);
  recovered.db.reset(raw);
  if (!opened.ok()) return open_failure(opened, path);
  recovered.last_write = recovered.db->GetLatestSequenceNumber();
  recovered.end = end_of(path, *recovered.continuity);
  return recovered;
}

}  // namespace cairn::storage

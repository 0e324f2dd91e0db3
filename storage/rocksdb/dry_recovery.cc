#include "storage/rocksdb/dry_recovery.h"

#include <iterator>
#include <map>
#include <optional>
#include <utility>

#include "storage/rocksdb/file_names.h"
#include "storage/rocksdb/log_records.h"
#include "storage/rocksdb/silent_logger.h"
#include "storage/rocksdb/status_translation.h"

namespace cairn::storage {
namespace {

using Logs = std::map<std::uint64_t, std::string>;

/// Says in which log the replay ended, and notes what it left out.
void note_end(const Logs& logs, const LogContinuity& replay, Recovered* recovered) {
  const auto last = logs.lower_bound(replay.last_log().value_or(replay.first_log()));
  const auto extent = last == logs.end() ? std::nullopt : read_log_extent(last->second);
  if (!extent) {
    recovered->end = "its write-ahead log, a *.log file, is missing";
    return;
  }
  const std::string at = " at byte " + std::to_string(extent->whole_bytes);
  recovered->end =
      extent->damaged ? last->second + " is damaged" + at : "its write-ahead log ends with " + last->second + at;
  // A log whose first record was not taken was not gone on with.
  for (auto log = replay.last_log() ? std::next(last) : last; log != logs.end(); ++log) {
    const auto rest = read_log_extent(log->second);
    if (!rest || rest->whole_bytes == 0) continue;
    recovered->left_out = log->second;
    return;
  }
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
  note_end(log_files(path), *recovered.continuity, &recovered);
  return recovered;
}

}  // namespace cairn::storage

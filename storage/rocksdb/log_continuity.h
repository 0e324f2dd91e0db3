#pragma once

#include <rocksdb/wal_filter.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "cairn/log.h"

namespace cairn::storage {

/// The number of a batch's first operation, which RocksDB has filled in: of a record of the log, or after Write().
[[nodiscard]] std::uint64_t sequence_of(const rocksdb::WriteBatch& batch);

/// Watches the replay of the write-ahead log while a store is opened, and ends it at the first gap, so that what is
/// recovered is a prefix of what was written. RocksDB ends it at a damaged record; a log that is missing, or cut
/// between two records, it does not notice, and would go on with the log behind.
///
/// Records follow one another when each begins with the sequence number behind the last one's. Where the first must
/// stand is known too: in the log that the MANIFEST names, or it is the mark that each opening of a store writes first,
/// before which everything is in table files.
///
/// Threads: one, that which opens. One object per opening.
class LogContinuity final : public rocksdb::WalFilter {
 public:
  explicit LogContinuity(Logger log) : log_(log) {}

  /// True for the mark: the format version, put alone. Whichever version it is, so that a store of another version is
  /// not cut before it is refused.
  [[nodiscard]] static bool is_mark(const rocksdb::WriteBatch& batch);

  void ColumnFamilyLogNumberMap(const std::map<std::uint32_t, std::uint64_t>& first_logs,
                                const std::map<std::string, std::uint32_t>& names) override;
  WalProcessingOption LogRecordFound(unsigned long long log_number, const std::string& log_file_name,
                                     const rocksdb::WriteBatch& batch, rocksdb::WriteBatch* new_batch,
                                     bool* batch_changed) override;
  const char* Name() const override { return "cairn.log_continuity"; }

  // After the replay:
  /// The number of the log that the last record taken stands in; nothing when none was.
  [[nodiscard]] std::optional<std::uint64_t> last_log() const noexcept { return last_log_; }
  /// That of the log in which the MANIFEST says that unflushed writes begin.
  [[nodiscard]] std::uint64_t first_log() const noexcept { return first_log_; }

 private:
  [[nodiscard]] bool follows(std::uint64_t log_number, std::uint64_t sequence, const rocksdb::WriteBatch& batch) const;

  const Logger log_;
  std::uint64_t first_log_ = 0;
  std::optional<std::uint64_t> next_;  ///< sequence number expected; none before the first record
  std::optional<std::uint64_t> last_log_;
};

}  // namespace cairn::storage

#include "storage/rocksdb/log_continuity.h"

#include <rocksdb/write_batch.h>

#include <string_view>

#include "storage/format_version.h"
#include "storage/write_batch.h"

namespace cairn::storage {

std::uint64_t sequence_of(const rocksdb::WriteBatch& batch) {
  std::uint64_t sequence = 0;
  for (std::size_t i = 0; i < sizeof sequence; ++i) {
    sequence |= static_cast<std::uint64_t>(static_cast<unsigned char>(batch.Data()[i])) << (8 * i);
  }
  return sequence;
}

bool LogContinuity::is_mark(const rocksdb::WriteBatch& batch) {
  WriteBatch mark;
  mark.put(Family::kMeta, kFormatVersionKey, "");
  constexpr std::size_t kSequenceBytes = 8;
  const auto expected = std::string_view(mark.bytes()).substr(kSequenceBytes, mark.bytes().size() - kSequenceBytes - 1);
  return std::string_view(batch.Data()).substr(kSequenceBytes).starts_with(expected);
}

void LogContinuity::ColumnFamilyLogNumberMap(const std::map<std::uint32_t, std::uint64_t>& first_logs,
                                             const std::map<std::string, std::uint32_t>&) {
  for (const auto& [family, log] : first_logs) first_log_ = log;  // there is one family
}

rocksdb::WalFilter::WalProcessingOption LogContinuity::LogRecordFound(unsigned long long log_number,
                                                                      const std::string& log_file_name,
                                                                      const rocksdb::WriteBatch& batch,
                                                                      rocksdb::WriteBatch*, bool*) {
  const std::uint64_t sequence = sequence_of(batch);
  if (!follows(log_number, sequence, batch)) {
    log_.warning("storage.log_gap",
                 "the write-ahead log has a gap; what follows it is left out and must be read again from the position "
                 "in the store",
                 {{"before", log_file_name}});
    return WalProcessingOption::kStopReplay;
  }
  next_ = sequence + batch.Count();
  last_log_ = log_number;
  return WalProcessingOption::kContinueProcessing;
}

bool LogContinuity::follows(std::uint64_t log_number, std::uint64_t sequence, const rocksdb::WriteBatch& batch) const {
  // Written when everything older was in table files already. Its number need not follow: numbers that were lost with
  // the end of an older log are not always given again.
  if (is_mark(batch)) return true;
  if (next_) return sequence == *next_;
  // RocksDB itself begins the first log after a recovery with a batch of no operations.
  return log_number == first_log_ || batch.Count() == 0;
}

}  // namespace cairn::storage

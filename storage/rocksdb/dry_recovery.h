#pragma once

#include <rocksdb/db.h>
#include <rocksdb/options.h>

#include <cstdint>
#include <memory>
#include <string>

#include "cairn/status.h"
#include "storage/rocksdb/log_continuity.h"

namespace cairn::storage {

/// What an opening of the database would find, found without changing anything in its directory.
struct Recovered {
  std::unique_ptr<LogContinuity> continuity;  ///< watched the replay of the log
  std::unique_ptr<rocksdb::DB> db;            ///< to be read
  std::uint64_t last_write = 0;               ///< RocksDB's newest sequence number
  std::string end;                            ///< which log the replay ended in and at which byte, for people
  std::string left_out;  ///< the first log with whole records that the replay did not come to; empty: none
};

/// Opens the database to read only, and replays its log into memory by the same rules as an opening does.
/// Returns: DATA_LOSS naming the damaged or missing file, UNAVAILABLE.
[[nodiscard]] Result<Recovered> recover_to_read(const std::string& path, rocksdb::Options options);

}  // namespace cairn::storage

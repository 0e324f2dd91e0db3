#pragma once

#include <rocksdb/db.h>
#include <rocksdb/options.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "cairn/log.h"
#include "cairn/status.h"
#include "storage/rocksdb/flush_recorder.h"
#include "storage/rocksdb/flushed_mark.h"
#include "storage/rocksdb/log_continuity.h"

namespace cairn::storage {

/// How to open a directory.
struct DatabaseOptions {
  std::string path;
  rocksdb::DBOptions db;
  rocksdb::ColumnFamilyOptions family;
  std::shared_ptr<FlushedMark> flushed;     ///< told what is in table files
  std::shared_ptr<FlushRecorder> recorder;  ///< told when the database is open
  std::uint64_t only_here = 0;              ///< the last write that must not be missing
  bool accept_loss = false;                 ///< open although writes are missing
  /// Told the number of the last write that can be recovered and, where it is known, which log ends there; before
  /// anything is changed, and again before anything is written.
  std::function<Status(std::uint64_t last_write, const std::string& end)> check_recovered;
  Logger log;
};

/// A RocksDB with our rows, open. Every family is in its one column family, so that rows and the source position that
/// they reflect share memtables, files and fate. Owns it; destroying it closes it.
///
/// Threads: as rocksdb::DB: all but destruction from any.
class Database {
 public:
  /// Opens what is there, or makes a new store in an empty directory. Requires: the directory exists and is ours.
  /// Returns: DATA_LOSS naming the damaged or missing file, FAILED_PRECONDITION for another format version or another
  /// program's database, RESOURCE_EXHAUSTED, UNAVAILABLE.
  [[nodiscard]] static Result<std::unique_ptr<Database>> open(const DatabaseOptions& options);

  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  [[nodiscard]] rocksdb::DB& db() const noexcept { return *db_; }
  /// Writes the memtables to disk and waits for it.
  [[nodiscard]] Status flush();

  /// Rewrites the table files that may hold the key. Requires: nothing of it is in the memtables only.
  [[nodiscard]] Status compact(const std::string& key) const;

  /// Whether anything is there of the key from up to this write beside one plain value: earlier ones, or a mark that it
  /// was removed. Returns: UNAVAILABLE.
  [[nodiscard]] Result<bool> has_remains(const std::string& key, std::uint64_t up_to) const;

  /// RocksDB's newest sequence number: it counts the operations written.
  [[nodiscard]] std::uint64_t last_write() const noexcept;

  /// Ends flushes and compactions, unfinished ones without effect, and starts no more. The log still takes writes.
  void stop_background_work() const;

  /// Bytes of rows that no flush has written yet.
  [[nodiscard]] std::uint64_t memtable_bytes() const;

  /// A copy that stands alone, in a directory that must not exist, checked by opening it.
  [[nodiscard]] Status checkpoint(const std::string& path) const;

 private:
  explicit Database(DatabaseOptions options);
  [[nodiscard]] Status settle_format_version() const;
  [[nodiscard]] Status mark_beginning() const;
  [[nodiscard]] bool is_empty() const;
  [[nodiscard]] bool memtables_are_empty() const;
  [[nodiscard]] Status verify_copy(const std::string& path) const;

  const DatabaseOptions options_;
  LogContinuity continuity_;  ///< watches the replay in open(); RocksDB keeps a pointer to it
  std::unique_ptr<rocksdb::DB> db_;
};

}  // namespace cairn::storage

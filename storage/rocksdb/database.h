#pragma once

#include <rocksdb/db.h>
#include <rocksdb/options.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cairn/status.h"
#include "storage/rocksdb/flushed_mark.h"
#include "storage/write_batch.h"

namespace cairn::storage {

/// How to open a directory: the options of the whole and of each family.
struct DatabaseOptions {
  std::string path;
  rocksdb::DBOptions db;
  std::vector<rocksdb::ColumnFamilyDescriptor> families;  ///< as family_descriptors() orders them
  std::shared_ptr<FlushedMark> flushed;                   ///< told what is in table files
};

/// A RocksDB with our families, open. Owns it; destroying it closes it.
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
  [[nodiscard]] rocksdb::ColumnFamilyHandle* handle(Family family) const noexcept {
    return handles_[static_cast<std::size_t>(family) + 1];
  }

  /// Writes every memtable to disk, one family after the other.
  [[nodiscard]] Status flush();

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
  [[nodiscard]] Status check_family_numbers() const;
  [[nodiscard]] Status settle_format_version() const;
  [[nodiscard]] bool is_empty() const;
  [[nodiscard]] bool memtables_are_empty() const;
  [[nodiscard]] Status verify_copy(const std::string& path) const;

  const DatabaseOptions options_;
  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;  ///< owned through db_; "default" first
};

}  // namespace cairn::storage

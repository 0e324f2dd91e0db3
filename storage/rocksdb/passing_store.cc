#include "storage/passing_store.h"

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>

#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

#include "cairn/mutex.h"
#include "storage/disk_gate.h"
#include "storage/rocksdb/silent_logger.h"
#include "storage/rocksdb/status_translation.h"

namespace cairn::storage {

namespace {

rocksdb::CompressionType type_of(Compression compression) {
  switch (compression) {
    case Compression::kNone:
      return rocksdb::kNoCompression;
    case Compression::kSnappy:
      return rocksdb::kSnappyCompression;
    case Compression::kLz4:
      break;
  }
  return rocksdb::kLZ4Compression;
}

rocksdb::Options options_of(const PassingStoreOptions& options) {
  rocksdb::Options db;
  db.create_if_missing = true;
  db.info_log = std::make_shared<SilentLogger>();
  db.max_background_jobs = 2;
  db.stats_persist_period_sec = 0;
  db.avoid_flush_during_shutdown = true;  // nobody reads it again
  db.write_buffer_size = options.memtable_bytes;
  // Files are never merged, only removed, the oldest first: a value is written once.
  db.compaction_style = rocksdb::kCompactionStyleFIFO;
  db.compaction_options_fifo.max_table_files_size = options.bytes_max;
  db.compaction_options_fifo.allow_compaction = false;
  db.ttl = static_cast<std::uint64_t>(options.lifetime.count());
  db.max_open_files = -1;  // FIFO needs all of them open to see their ages
  // There are as many files in level 0 as there are: they are no backlog.
  db.level0_slowdown_writes_trigger = 1 << 30;
  db.level0_stop_writes_trigger = 1 << 30;
  db.compression = type_of(options.compression);
  rocksdb::BlockBasedTableOptions table;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));  // most files do not have the key
  table.block_cache = rocksdb::NewLRUCache(4u << 20);            // what is read goes to memory as a whole
  table.block_size = 16u << 10;
  db.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return db;
}

/// A new database in an emptied directory.
Result<std::unique_ptr<rocksdb::DB>> open_empty(const PassingStoreOptions& options) {
  CAIRN_RETURN_IF_ERROR(PassingStore::remove(options.path));
  std::error_code error;
  std::filesystem::create_directories(options.path, error);
  // Nobody else has a business there.
  using Permissions = std::filesystem::perms;
  if (!error)
    std::filesystem::permissions(options.path,
                                 Permissions::owner_all | Permissions::group_read | Permissions::group_exec, error);
  if (error) return unavailable(options.path + ": " + error.message());
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status = rocksdb::DB::Open(options_of(options), options.path, &db);
  if (!status.ok()) return from_rocksdb(status).with_context(options.path);
  return std::unique_ptr<rocksdb::DB>(db);
}

class RocksPassingStore final : public PassingStore {
 public:
  RocksPassingStore(std::unique_ptr<rocksdb::DB> db, const PassingStoreOptions& options)
      : options_(options),
        gate_({.path = options.path, .free_bytes_min = options.free_bytes_min}),
        db_(std::move(db)) {}

  Result<std::optional<std::string>> get(std::string_view key) override {
    const ReaderLock lock(mutex_);
    if (!db_) return lost();
    std::string value;
    const rocksdb::Status status = db_->Get({}, slice(key), &value);
    if (status.IsNotFound()) return std::optional<std::string>();
    if (!status.ok()) return from_rocksdb(status);
    return std::optional(std::move(value));
  }

  Status put(std::string_view key, std::string_view value) override {
    const ReaderLock lock(mutex_);
    if (!db_) return lost();
    CAIRN_RETURN_IF_ERROR(gate_.admit(key.size() + value.size()));
    rocksdb::WriteOptions write;
    write.disableWAL = true;
    const rocksdb::Status status = db_->Put(write, slice(key), slice(value));
    return status.ok() ? ok_status() : from_rocksdb(status);
  }

  Status clear() override {
    const WriterLock lock(mutex_);
    db_.reset();
    CAIRN_ASSIGN_OR_RETURN(db_, open_empty(options_));
    return ok_status();
  }

  Status flush() override {
    const ReaderLock lock(mutex_);
    if (!db_) return lost();
    const rocksdb::Status status = db_->Flush({});
    return status.ok() ? ok_status() : from_rocksdb(status);
  }

  PassingStoreStats stats() const override {
    const ReaderLock lock(mutex_);
    const auto number = [&](const std::string& property) CAIRN_REQUIRES_SHARED(mutex_) {
      std::uint64_t value = 0;
      if (db_) db_->GetIntProperty(property, &value);
      return value;
    };
    using Properties = rocksdb::DB::Properties;
    // What is put is found before it is in a file. A table in memory that is empty takes some bytes, too.
    const bool waits = number(Properties::kNumEntriesActiveMemTable) + number(Properties::kNumEntriesImmMemTables) > 0;
    return {number(Properties::kTotalSstFilesSize) + (waits ? number(Properties::kCurSizeAllMemTables) : 0)};
  }

 private:
  static rocksdb::Slice slice(std::string_view text) { return {text.data(), text.size()}; }
  static Status lost() { return unavailable("the store was cleared and could not be opened again"); }

  const PassingStoreOptions options_;
  DiskGate gate_;
  mutable SharedMutex mutex_;
  std::unique_ptr<rocksdb::DB> db_ CAIRN_GUARDED_BY(mutex_);  ///< null after a clear() that failed
};

}  // namespace

Status PassingStore::remove(const std::string& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  return error ? unavailable(path + ": cannot be removed: " + error.message()) : ok_status();
}

Result<std::unique_ptr<PassingStore>> PassingStore::open(const PassingStoreOptions& options) {
  if (options.path.empty()) return invalid_argument("a store needs a path");
  CAIRN_ASSIGN_OR_RETURN(auto db, open_empty(options));
  return std::unique_ptr<PassingStore>(std::make_unique<RocksPassingStore>(std::move(db), options));
}

}  // namespace cairn::storage

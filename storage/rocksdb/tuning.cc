#include "storage/rocksdb/tuning.h"

#include <rocksdb/cache.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>

#include <utility>

namespace cairn::storage {
namespace {

/// Where an insert into a memtable may begin at the place of the last one: among the rows of state. Only they have it,
/// because RocksDB 7.8 (MemTable::Add) uses one hint for a memtable's rows and for its range tombstones, which are in
/// another list: a removed prefix in the same domain would spoil both. Nobody removes a prefix of kState
/// (WriteBatch::remove_prefix).
class StateRows final : public rocksdb::SliceTransform {
 public:
  const char* Name() const override { return "cairn.state_rows"; }
  rocksdb::Slice Transform(const rocksdb::Slice& key) const override { return {key.data(), 1}; }
  bool InDomain(const rocksdb::Slice& key) const override {
    return !key.empty() && key[0] == family_byte(Family::kState);
  }
};

// Rows are read by key, most look-ups of ids and of seen events find nothing: blooms, a hash index inside the block,
// and blocks small enough that a miss in the cache reads little.
rocksdb::BlockBasedTableOptions table_options(const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.block_size = 8u << 10;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.whole_key_filtering = true;
  table.data_block_index_type = rocksdb::BlockBasedTableOptions::kDataBlockBinaryAndHash;
  // Index and filters count against the cache, so block_cache_bytes is the bound on what reading keeps in memory.
  table.cache_index_and_filter_blocks = true;
  table.cache_index_and_filter_blocks_with_high_priority = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.checksum = rocksdb::kXXH3;
  table.format_version = 5;
  return table;
}

}  // namespace

rocksdb::DBOptions database_options(std::vector<std::shared_ptr<rocksdb::EventListener>> listeners, rocksdb::Env* env) {
  rocksdb::DBOptions db;
  if (env != nullptr) db.env = env;
  db.listeners = std::move(listeners);
  db.paranoid_checks = true;
  db.verify_sst_unique_id_in_manifest = true;
  // After a damaged record the log is cut there, without a word: what follows must be read from the source again, from
  // the position that stands in the same store. The modes that refuse would refuse after every power loss.
  db.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;

  // Three jobs make one flush thread and two compactions; parallel flushes can delete each other's files
  // (rocksdb #11865).
  db.max_background_jobs = 3;
  // Hinted inserts come from one thread at a time; the windows have one writer anyway.
  db.allow_concurrent_memtable_write = false;
  db.compaction_readahead_size = 2u << 20;
  db.bytes_per_sync = 1u << 20;
  db.stats_persist_period_sec = 0;
  db.info_log_level = rocksdb::INFO_LEVEL;  // the default depends on how the including code was compiled
  db.max_log_file_size = 16u << 20;
  db.keep_log_file_num = 4;

  // Defaults that must stay, each for a defect of 7.8. What is absent on purpose: a rate limiter (its race may stop
  // granting), a row cache (may answer NotFound on a hit), blob files, dictionary compression, async_io.
  db.wal_compression = rocksdb::kNoCompression;  // compressed logs may fail recovery
  db.recycle_log_file_num = 0;                   // reused logs may replay stale records
  db.manual_wal_flush = false;                   // rocksdb #12995
  db.atomic_flush = false;                       // rocksdb #11872
  db.track_and_verify_wals_in_manifest = false;  // rocksdb #10892
  db.row_cache = nullptr;
  db.rate_limiter = nullptr;
  return db;
}

rocksdb::ColumnFamilyOptions family_options(const StateStoreOptions& options,
                                            std::shared_ptr<rocksdb::MergeOperator> merge,
                                            const rocksdb::CompactionFilter* trim) {
  rocksdb::ColumnFamilyOptions family;
  family.table_factory.reset(
      rocksdb::NewBlockBasedTableFactory(table_options(rocksdb::NewLRUCache(options.block_cache_bytes))));
  family.merge_operator = std::move(merge);
  family.compaction_filter = trim;
  // Rows that nobody writes any more are trimmed only where something makes RocksDB rewrite their file.
  family.periodic_compaction_seconds = trim != nullptr ? 30 * 24 * 3600 : 0;
  family.write_buffer_size = options.memtable_bytes;
  // A window arrives sorted, so an insert begins where the last one ended instead of at the top of the skip list: 1.50
  // us of CPU a row instead of 2.42, for windows of 100,000 rows of 80 bytes.
  family.memtable_insert_with_hint_prefix_extractor = std::make_shared<StateRows>();
  family.max_write_buffer_number = 3;
  family.compression = rocksdb::kLZ4Compression;
  family.bottommost_compression = rocksdb::kLZ4Compression;
  family.level_compaction_dynamic_level_bytes = true;
  // The memtable's bloom costs 0.3 us a row written and saves 2 us (of 3) each time a key is looked up that is not in
  // the memtable: most new ids and seen events, and every row that no recent window has touched.
  family.memtable_whole_key_filtering = true;
  family.memtable_prefix_bloom_size_ratio = 0.02;
  return family;
}

}  // namespace cairn::storage

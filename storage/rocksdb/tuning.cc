#include "storage/rocksdb/tuning.h"

#include <rocksdb/cache.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>

#include <algorithm>
#include <array>
#include <utility>

namespace cairn::storage {
namespace {

constexpr std::array<const char*, kFamilies> kNames = {"state", "meta", "ids", "places", "dedup", "quarantine"};

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

// kState takes nearly all bytes; ids and seen events a share; the others hardly any.
std::size_t memtable_bytes(Family family, std::size_t state_bytes) {
  switch (family) {
    case Family::kState:
      return state_bytes;
    case Family::kIds:
    case Family::kDedup:
      return std::max<std::size_t>(state_bytes / 4, 1u << 20);
    case Family::kMeta:
    case Family::kPlaces:
    case Family::kQuarantine:
      break;
  }
  return std::max<std::size_t>(state_bytes / 16, 1u << 20);
}

rocksdb::ColumnFamilyOptions base_options(const std::shared_ptr<rocksdb::TableFactory>& table) {
  rocksdb::ColumnFamilyOptions family;
  family.table_factory = table;
  family.compression = rocksdb::kLZ4Compression;
  family.bottommost_compression = rocksdb::kLZ4Compression;
  family.level_compaction_dynamic_level_bytes = true;
  family.max_write_buffer_number = 3;
  family.memtable_whole_key_filtering = true;
  family.memtable_prefix_bloom_size_ratio = 0.02;
  return family;
}

}  // namespace

const char* family_name(Family family) { return kNames[static_cast<std::size_t>(family)]; }

rocksdb::DBOptions database_options(const StateStoreOptions& options, std::shared_ptr<rocksdb::EventListener> listener,
                                    rocksdb::Env* env) {
  rocksdb::DBOptions db;
  if (env != nullptr) db.env = env;
  db.listeners.push_back(std::move(listener));
  db.create_missing_column_families = true;  // a crash while the store was being made leaves some out
  db.paranoid_checks = true;
  db.verify_sst_unique_id_in_manifest = true;
  // After a damaged record the log is cut there, without a word: what follows must be read from the source again, from
  // the position that stands in the same store. The modes that refuse would refuse after every power loss.
  db.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  db.max_total_wal_size = 4 * std::max<std::uint64_t>(options.memtable_bytes, 1u << 20);

  // Three jobs make one flush thread and two compactions; parallel flushes can delete each other's files
  // (rocksdb #11865).
  db.max_background_jobs = 3;
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

std::vector<rocksdb::ColumnFamilyDescriptor> family_descriptors(const StateStoreOptions& options,
                                                                std::shared_ptr<rocksdb::MergeOperator> merge) {
  const std::shared_ptr<rocksdb::TableFactory> table(
      rocksdb::NewBlockBasedTableFactory(table_options(rocksdb::NewLRUCache(options.block_cache_bytes))));
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  descriptors.emplace_back(rocksdb::kDefaultColumnFamilyName, base_options(table));
  for (std::size_t i = 0; i < kFamilies; ++i) {
    const auto family = static_cast<Family>(i);
    rocksdb::ColumnFamilyOptions tuned = base_options(table);
    tuned.write_buffer_size = memtable_bytes(family, options.memtable_bytes);
    if (family == Family::kState) tuned.merge_operator = merge;
    descriptors.emplace_back(family_name(family), tuned);
  }
  return descriptors;
}

}  // namespace cairn::storage

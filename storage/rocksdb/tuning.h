#pragma once

#include <rocksdb/db.h>
#include <rocksdb/options.h>

#include <memory>
#include <vector>

#include "storage/state_store.h"

namespace cairn::storage {

/// RocksDB's name of a family. The "default" family, which RocksDB insists on, stays empty.
[[nodiscard]] const char* family_name(Family family);

/// Options of the database as a whole. `env` may be null: the system's own.
[[nodiscard]] rocksdb::DBOptions database_options(const StateStoreOptions& options,
                                                  std::shared_ptr<rocksdb::EventListener> listener, rocksdb::Env* env);

/// The "default" family, then ours in the order of Family.
[[nodiscard]] std::vector<rocksdb::ColumnFamilyDescriptor> family_descriptors(
    const StateStoreOptions& options, std::shared_ptr<rocksdb::MergeOperator> merge);

}  // namespace cairn::storage

#pragma once

#include <rocksdb/db.h>
#include <rocksdb/options.h>

#include <memory>
#include <vector>

#include "storage/state_store.h"

namespace cairn::storage {

/// Options of the database as a whole. `env` may be null: the system's own.
[[nodiscard]] rocksdb::DBOptions database_options(std::vector<std::shared_ptr<rocksdb::EventListener>> listeners,
                                                  rocksdb::Env* env);

/// Options of the one column family that holds everything. `trim` is borrowed and may be null.
[[nodiscard]] rocksdb::ColumnFamilyOptions family_options(const StateStoreOptions& options,
                                                          std::shared_ptr<rocksdb::MergeOperator> merge,
                                                          const rocksdb::CompactionFilter* trim);

}  // namespace cairn::storage

#pragma once

#include <rocksdb/db.h>

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "storage/write_batch.h"

namespace cairn::storage {

/// StateStore::get() on a database.
[[nodiscard]] Result<std::optional<std::string>> read_row(rocksdb::DB& db, const rocksdb::ReadOptions& options,
                                                          Family family, std::string_view key);

/// StateStore::multi_get() on a database.
[[nodiscard]] Status read_rows(rocksdb::DB& db, const rocksdb::ReadOptions& options, Family family,
                               std::span<const std::string> keys, std::vector<std::optional<std::string>>* values);

}  // namespace cairn::storage

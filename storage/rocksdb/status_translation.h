#pragma once

#include <rocksdb/status.h>

#include <string>

#include "cairn/status.h"

namespace cairn::storage {

/// What a RocksDB status means to a caller of StateStore. OK and NotFound are not failures and must not come here
/// unless OK: corruption is DATA_LOSS, a full disk RESOURCE_EXHAUSTED, everything else UNAVAILABLE.
[[nodiscard]] Status from_rocksdb(const rocksdb::Status& status);

/// Why the store in `path` could not be opened: damage also covers a file that is named and not there, and the message
/// names a file and the remedy.
[[nodiscard]] Status open_failure(const rocksdb::Status& status, const std::string& path);

}  // namespace cairn::storage

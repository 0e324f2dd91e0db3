#pragma once

#include <optional>
#include <string>

namespace cairn::storage {

/// Reads a file of RocksDB's write-ahead log, or a MANIFEST, which has the same format, record by record.
/// Returns: what is damaged, with file and byte; nothing when every record is whole. A last record that is cut off is
/// none: a crash leaves such a one, and so does a write under way.
[[nodiscard]] std::optional<std::string> find_damaged_record(const std::string& file);

}  // namespace cairn::storage

#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace cairn::storage {

/// How far a file of RocksDB's write-ahead log is whole, or a MANIFEST, which has the same format.
struct LogExtent {
  std::uint64_t whole_bytes = 0;  ///< from the beginning, every record is whole up to here
  std::uint64_t file_bytes = 0;
  bool damaged = false;  ///< whole records stand behind: what stands at `whole_bytes` was whole once
};

/// Reads a file record by record. A last record that is cut off is no damage: a crash leaves such a one, and so does a
/// write under way.
/// Returns: nothing when the file is not there.
[[nodiscard]] std::optional<LogExtent> read_log_extent(const std::string& file);

/// Returns: what is damaged, with file and byte; nothing when every record is whole.
[[nodiscard]] std::optional<std::string> find_damaged_record(const std::string& file);

}  // namespace cairn::storage

#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "cairn/status.h"

namespace cairn::storage {

/// What RocksDB's files were when the last flush or compaction had ended, and was on the disk.
struct LastFlush {
  std::uint64_t manifest = 0;        ///< the number in the name of the MANIFEST
  std::uint64_t manifest_bytes = 0;  ///< how long it was
  std::uint64_t last_write = 0;      ///< this write and all before it are in table files
  friend bool operator==(const LastFlush&, const LastFlush&) = default;
};

/// A file of its own beside the database (format.md): a MANIFEST that is shorter than it was, or an older one, is told
/// by it. Written after RocksDB has synced its files, without a sync of its own, so that it never claims more than was
/// there; what a power failure takes of it makes it claim less.
///
/// Threads: one at a time.
class LastFlushMark {
 public:
  /// Opens the file, or makes it. Returns: UNAVAILABLE.
  [[nodiscard]] static Result<LastFlushMark> open(const std::string& directory);
  /// What the file says, without opening it to write. Returns: nothing when there is none, or it was never written;
  /// DATA_LOSS when it cannot be read.
  [[nodiscard]] static Result<std::optional<LastFlush>> read(const std::string& directory);
  [[nodiscard]] static std::string path(const std::string& directory) { return directory + "/LASTFLUSH"; }

  LastFlushMark(LastFlushMark&& other) noexcept;
  LastFlushMark& operator=(LastFlushMark&& other) noexcept;
  ~LastFlushMark();

  /// Returns: UNAVAILABLE.
  [[nodiscard]] Status set(const LastFlush& flush);

 private:
  explicit LastFlushMark(int fd) : fd_(fd) {}

  int fd_ = -1;
};

}  // namespace cairn::storage

#pragma once

#include <string>

#include "cairn/status.h"

namespace cairn::storage {

/// Holds a directory for one store. The file OWNER in it is locked with flock(2) and says which process holds it since
/// when; the lock ends with the process, the text stays behind and means nothing without the lock.
///
/// RocksDB locks its directory too, but cannot say who holds it.
class DirectoryOwner {
 public:
  /// Requires: the directory exists.
  /// Returns: FAILED_PRECONDITION when it is held (by this process too) or cannot be written.
  [[nodiscard]] static Result<DirectoryOwner> acquire(const std::string& directory);
  /// Whether acquire() would be refused because another process has the directory, without a change to it.
  /// Returns: OK; FAILED_PRECONDITION, as acquire().
  [[nodiscard]] static Status check_free(const std::string& directory);

  DirectoryOwner(DirectoryOwner&& other) noexcept;
  DirectoryOwner& operator=(DirectoryOwner&& other) noexcept;
  ~DirectoryOwner();

 private:
  explicit DirectoryOwner(int fd) noexcept : fd_(fd) {}
  int fd_;
};

}  // namespace cairn::storage

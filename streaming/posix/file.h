#pragma once

#include <cstdint>
#include <ctime>
#include <span>
#include <string>
#include <string_view>

#include "cairn/status.h"

namespace cairn::streaming::posix {

/// A failed system call as a Status, "what 'path': reason; remedy". ENOENT is NOT_FOUND, a full disk or quota
/// RESOURCE_EXHAUSTED, everything else UNAVAILABLE, because a disk can be mended while the process runs. Where a right
/// is missing it says whose the file is and who we are.
[[nodiscard]] Status io_error(std::string_view what, const std::string& path, int error);

/// Identifies an existing file under whatever name. A new file may get it once the old one is removed.
struct FileId {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  friend bool operator==(const FileId&, const FileId&) = default;
};

struct FileInfo {
  FileId id;
  std::int64_t size = 0;
  std::timespec modified{};
  bool regular = false;
  std::uint64_t links = 0;  ///< names that the file has; 0: it was removed while it is open
};

/// Returns: NOT_FOUND, UNAVAILABLE.
[[nodiscard]] Result<FileInfo> file_info(const std::string& path);

/// An open file descriptor, closed with the object. Retries what a signal interrupts. The path is for messages only.
class File {
 public:
  File() = default;
  ~File();
  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;

  /// open(2) with O_CLOEXEC added. A file that is made can be read by its owner's group and by nobody else.
  [[nodiscard]] static Result<File> open(const std::string& path, int flags, int mode = 0640);

  [[nodiscard]] bool is_open() const noexcept { return fd_ >= 0; }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

  [[nodiscard]] Result<FileInfo> info() const;
  /// Reads until `to` is full or the file ends. Returns: the bytes read; UNAVAILABLE.
  [[nodiscard]] Result<std::size_t> read_at(std::span<char> to, std::int64_t offset) const;
  /// Writes all of `bytes`; some may have been written when it fails.
  [[nodiscard]] Status write_at(std::string_view bytes, std::int64_t offset);
  [[nodiscard]] Status truncate(std::int64_t size);
  /// fdatasync(2): contents and size are on the disk.
  [[nodiscard]] Status sync();
  /// Takes the exclusive lock flock(2). Returns: UNAVAILABLE when another process holds it.
  [[nodiscard]] Status lock();
  /// Bytes that an unprivileged process may still write on this file's file system.
  [[nodiscard]] Result<std::uint64_t> free_bytes() const;

 private:
  File(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}

  int fd_ = -1;
  std::string path_;
};

/// Makes the directory and its parents where they are missing, each open to its owner and readable for his group, and
/// puts their names on the disk.
[[nodiscard]] Status make_directories(const std::string& path);

/// Replaces the file, or makes it: after a crash it holds the old bytes or the new ones. Writes `path`.new on the way.
[[nodiscard]] Status replace_file(const std::string& path, std::string_view bytes);

/// The file's bytes. Returns: NOT_FOUND, UNAVAILABLE.
[[nodiscard]] Result<std::string> read_file(const std::string& path);

/// Puts names created in or removed from `directory` on the disk.
[[nodiscard]] Status sync_directory(const std::string& directory);

/// The directory that holds `path`: "." when `path` names none.
[[nodiscard]] std::string directory_of(const std::string& path);

}  // namespace cairn::streaming::posix

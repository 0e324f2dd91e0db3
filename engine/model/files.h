#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "cairn/status.h"

namespace cairn::model {

// Files of a model directory. Every failure names the path.

/// A regular file that is read once from its beginning. One thread.
class InputFile {
 public:
  /// Returns: NOT_FOUND, FAILED_PRECONDITION when it is no regular file, UNAVAILABLE.
  [[nodiscard]] static Result<InputFile> open(const std::string& path);
  InputFile(InputFile&& other) noexcept : path_(std::move(other.path_)), fd_(other.fd_), bytes_(other.bytes_) {
    other.fd_ = -1;
  }
  InputFile& operator=(InputFile&&) = delete;
  ~InputFile();

  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }
  /// Fills `out`.
  /// Returns: DATA_LOSS when the file ends before, UNAVAILABLE.
  [[nodiscard]] Status read(std::span<std::byte> out);

 private:
  InputFile(std::string path, int fd, std::uint64_t bytes) : path_(std::move(path)), fd_(fd), bytes_(bytes) {}

  std::string path_;
  int fd_ = -1;
  std::uint64_t bytes_ = 0;
};

/// A file that is written from its beginning; what it held is gone. One thread.
class OutputFile {
 public:
  /// Returns: UNAVAILABLE.
  [[nodiscard]] static Result<OutputFile> create(const std::string& path);
  OutputFile(OutputFile&& other) noexcept : path_(std::move(other.path_)), fd_(other.fd_) { other.fd_ = -1; }
  OutputFile& operator=(OutputFile&&) = delete;
  ~OutputFile();

  [[nodiscard]] Status write(std::span<const std::byte> bytes);
  /// Brings everything to disk and closes.
  [[nodiscard]] Status finish();

 private:
  OutputFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

  std::string path_;
  int fd_ = -1;
};

/// The whole of a file of at most `bytes_max`.
/// Returns: OUT_OF_RANGE for a longer one; what InputFile returns.
[[nodiscard]] Result<std::string> read_text(const std::string& path, std::size_t bytes_max);

/// Gives `path` this content in one step: readers find the old content or the new, also after a crash.
/// Returns: UNAVAILABLE.
[[nodiscard]] Status replace_text(const std::string& path, std::string_view text);

/// Brings names in a folder to disk.
[[nodiscard]] Status sync_folder(const std::string& folder);

}  // namespace cairn::model

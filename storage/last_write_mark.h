#pragma once

#include <cstdint>
#include <string>

#include "cairn/status.h"

namespace cairn::storage {

/// The number of the last write that no source can bring again, in a file of its own (format.md): a store that ends
/// before it has lost something for good. Written after the write, without a sync of its own, so that it never names
/// more than was there; what a power failure takes of it makes it name less.
///
/// Threads: one at a time.
class LastWriteMark {
 public:
  /// Opens the file, or makes it with the number 0. Returns: DATA_LOSS when it cannot be read, UNAVAILABLE.
  [[nodiscard]] static Result<LastWriteMark> open(const std::string& directory);
  /// The number in the file, which need not be there: 0 then. Returns: DATA_LOSS when it cannot be read.
  [[nodiscard]] static Result<std::uint64_t> read(const std::string& directory);
  [[nodiscard]] static std::string path(const std::string& directory) { return directory + "/LASTWRITE"; }

  LastWriteMark(LastWriteMark&& other) noexcept;
  LastWriteMark& operator=(LastWriteMark&& other) noexcept;
  ~LastWriteMark();

  [[nodiscard]] std::uint64_t number() const noexcept { return number_; }
  /// Returns: UNAVAILABLE, RESOURCE_EXHAUSTED.
  [[nodiscard]] Status set(std::uint64_t number);

 private:
  explicit LastWriteMark(int fd) : fd_(fd) {}

  int fd_ = -1;
  std::uint64_t number_ = 0;
};

/// What is lost of a store that ends at `last_write` although `acknowledged` was named by its mark; `end` says where it
/// ends.
[[nodiscard]] std::string lost_write_text(const std::string& directory, std::uint64_t last_write,
                                          std::uint64_t acknowledged, const std::string& end);

}  // namespace cairn::storage

#pragma once

#include <cstdint>
#include <string>

#include "cairn/log.h"

namespace cairn::upkeep {

/// A file of no use but its size. It is given up when the disk has no room to open the state directory with: an engine
/// that can be read, and says why it takes nothing, is better than one that does not start. It is made again when there
/// is room for it.
///
/// One thread at a time.
class Ballast {
 public:
  /// `free_bytes_min`: StateOptions::free_bytes_min; the store opens with a quarter of it. 0: no ballast is kept.
  Ballast(std::string path, std::uint64_t free_bytes_min, Logger log);

  /// Removes the file when the disk is so full that opening would be refused. Call before that.
  void give_up_when_full();
  /// Makes the file when it is not there and the disk has plenty of room beside it.
  void keep();

  /// Logs when the disk has become too full for events to be taken, and when it has room again.
  void tell_of_room();

  [[nodiscard]] std::uint64_t bytes() const noexcept { return free_bytes_min_ / 4 + free_bytes_min_ / 32; }

 private:
  const std::string path_;
  const std::uint64_t free_bytes_min_;
  const Logger log_;
  bool there_ = false;  ///< known to be; asking costs a system call a second otherwise
  bool full_ = false;   ///< and said to be
};

}  // namespace cairn::upkeep

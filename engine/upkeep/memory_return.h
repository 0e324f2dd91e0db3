#pragma once

#include <cstdint>

namespace cairn::upkeep {

/// Gives memory that a burst of events has left behind back to the system. The allocator keeps what was freed, for the
/// next burst; one request of a megabyte can leave two hundred times that.
///
/// Threads: one.
class MemoryReturn {
 public:
  /// A chore of each round. `events`: how many were dealt with since the process began. Gives back in the first round in
  /// which there were no new ones, so that a stream under way pays nothing.
  void round(std::uint64_t events);

 private:
  std::uint64_t events_ = 0;
  bool worked_ = false;
};

}  // namespace cairn::upkeep

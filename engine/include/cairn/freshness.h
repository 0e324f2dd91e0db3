#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/clock.h"
#include "cairn/source_position.h"

namespace cairn {

/// What answered. Tiers are of answers and of snapshots of features; from the nearest to the furthest.
enum class Tier : std::uint8_t {
  kNone,      ///< nothing: the user is unknown
  kMemory,    ///< L1: this process
  kDisk,      ///< L2: RocksDB
  kDatabase,  ///< L3: PostgreSQL
};

/// The names that answers, metrics and logs use.
[[nodiscard]] constexpr std::string_view to_string(Tier tier) noexcept {
  constexpr std::string_view kNames[] = {"NONE", "L1", "L2", "L3"};
  return kNames[static_cast<std::size_t>(tier)];
}

/// Which state an answer reflects.
struct Freshness {
  std::vector<Watermark> watermarks;  ///< every record before these positions is reflected
  std::vector<Watermark> durable;     ///< every record before these is on disk; what lies between is pending, and after
                                      ///< a crash it is read from its source once more
  EventTime newest_event;             ///< largest event time applied; epoch when none
  Tier tier = Tier::kMemory;          ///< the furthest tier that had to be asked for the rows behind the answer
};

/// What to do when the features have not reached the position that a caller asks for.
enum class OnStale : std::uint8_t {
  kWait,     ///< until the call's deadline
  kDegrade,  ///< answer with what is there, and say so
  kFail,     ///< FAILED_PRECONDITION
};

}  // namespace cairn

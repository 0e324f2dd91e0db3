#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "cairn/clock.h"
#include "cairn/status.h"
#include "engine/state/corrections.h"

namespace cairn::state {

/// Totals since the state directory was made. Stored in the same batch as what they count.
struct Counters {
  std::uint64_t applied = 0;   ///< interactions in the features
  std::uint64_t rejected = 0;  ///< records in the dead letters
  std::uint64_t repeated = 0;  ///< left out by event_id
  std::int64_t newest_event_ms = 0;
  Corrections corrections;  ///< in a record of their own

  [[nodiscard]] std::string encode() const;
  /// Returns: DATA_LOSS.
  [[nodiscard]] static Result<Counters> decode(std::string_view bytes);
};

}  // namespace cairn::state

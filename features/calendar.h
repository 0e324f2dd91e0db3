#pragma once

#include <cstdint>

#include "cairn/clock.h"

namespace cairn::features {

/// The tile an event belongs to: whole hours since the epoch, rounded down.
[[nodiscard]] constexpr std::int64_t hour_tile(EventTime time) noexcept {
  return std::chrono::floor<std::chrono::hours>(time).time_since_epoch().count();
}

/// Hour of the week in UTC, 0 = Monday 00:00 to 167. Right for times before 1970 too.
[[nodiscard]] constexpr int hour_of_week(EventTime time) noexcept {
  constexpr std::int64_t kEpochHour = 72;  // 1970-01-01 was a Thursday
  constexpr std::int64_t kWeek = 168;
  return static_cast<int>((hour_tile(time) % kWeek + kWeek + kEpochHour) % kWeek);
}

}  // namespace cairn::features

#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "cairn/clock.h"

/// How the sentences of reasons say distances, times and numbers.
namespace cairn::ranking {

/// "420 m away", "1.3 km away"
[[nodiscard]] std::string distance_phrase(double meters);
/// "5 min ago", "3 h ago", "12 days ago"
[[nodiscard]] std::string ago_phrase(double hours);
/// "1 visit", "12 visits"
[[nodiscard]] std::string counted_phrase(std::int64_t count, const char* noun);
/// "once", "12 times"
[[nodiscard]] std::string times_phrase(std::int64_t count);
/// "Mon 09 h UTC", or, where clocks are ahead of it, "Mon 10 h UTC+01:00".
[[nodiscard]] std::string hour_phrase(EventTime time, std::chrono::minutes ahead = std::chrono::minutes(0));

}  // namespace cairn::ranking

#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "cairn/clock.h"

namespace cairn::serving::json {

/// The instants that RFC 3339 can write: years 0000 to 9999.
inline constexpr std::int64_t kTimeMsMin = -62'167'219'200'000;
inline constexpr std::int64_t kTimeMsMax = 253'402'300'799'999;

/// RFC 3339 with any offset ("2024-05-01T14:00:00.5+02:00"). Digits past the millisecond are dropped; a leap second
/// (":60") is the second after it. Empty for anything else.
[[nodiscard]] std::optional<EventTime> parse_time(std::string_view text);

/// RFC 3339 in UTC, milliseconds only where there are any: "2024-05-01T12:00:00Z". Times outside the years 0000 to 9999
/// are brought to the nearest end.
[[nodiscard]] std::string format_time(EventTime time);

}  // namespace cairn::serving::json

#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace cairn::streaming {

/// The contract's fields, in the order in which they are judged.
enum Field : std::size_t { kUserId, kPlaceId, kType, kTs, kValue, kLat, kLon, kEventId, kRetract, kFields };

inline constexpr std::array<std::string_view, kFields> kFieldNames = {
    "user_id", "place_id", "type", "ts", "value", "lat", "lon", "event_id", "retract"};

}  // namespace cairn::streaming

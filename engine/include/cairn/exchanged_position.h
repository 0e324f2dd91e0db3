#pragma once

#include "cairn/geo.h"

namespace cairn {

/// What to put behind a message about a position that is none: where it would be one the other way round, longitude may
/// have come first, as in GeoJSON. Else empty.
[[nodiscard]] inline const char* exchanged_hint(GeoPoint p) noexcept {
  return !valid_position(p) && valid_position({p.lon, p.lat}) ? "; are lat and lon exchanged?" : "";
}

}  // namespace cairn

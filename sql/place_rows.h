#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cairn/place.h"
#include "cairn/status.h"

namespace cairn::sql {

// What decides about places without a database. Pure; every place mirror asks here.

/// Checks ids, positions, texts and the version.
/// Returns: INVALID_ARGUMENT naming the first bad place.
[[nodiscard]] Status check_places(std::span<const Place> places, std::uint64_t version);

/// Sorted by id, each id once: the last given. Views into `places`.
[[nodiscard]] std::vector<const Place*> last_of_each(std::span<const Place> places);

}  // namespace cairn::sql

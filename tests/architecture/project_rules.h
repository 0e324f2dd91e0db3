#pragma once

#include "tests/architecture/include_rules.h"

namespace cairn::architecture {

/// DESIGN's arrows and this project's list of foreign libraries. A new arrow or library is a decision: it is made here,
/// with its reason, and nowhere else.
[[nodiscard]] Rules project_rules();

}  // namespace cairn::architecture

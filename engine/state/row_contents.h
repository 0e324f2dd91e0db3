#pragma once

#include "engine/state/feature_state.h"
#include "engine/state/keyed_hash.h"
#include "features/row.h"

namespace cairn::state {

/// A hash of what a row says, by names and not by the numbers that this state directory has given them, so that it is
/// the same wherever the same events were applied. A decayed sum counts with 20 bits, as its last ones depend on the
/// order in which it was added up. About 60 ns an entry.
[[nodiscard]] Bits128 hash_of_contents(const FeatureState& state, const features::Row& row);

}  // namespace cairn::state

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/ranking/retrieve/place_index.h"

namespace cairn::ranking {

/// The `limit` best candidates, best first, as positions in `candidates`: larger scores first; of equal scores the
/// nearer place, of equally near ones the smaller place id. That order has no ties, so the answer does not depend on
/// the order of rows. A score that is not a number is never chosen.
///
/// `scores` has the shape of `candidates`. Cost: linear in the candidates, also when all scores are equal.
[[nodiscard]] std::vector<std::uint32_t> best_candidates(const PlaceIndex& index,
                                                         std::span<const PlaceIndex::Near> candidates,
                                                         std::span<const float> scores, std::size_t limit);

}  // namespace cairn::ranking

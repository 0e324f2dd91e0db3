#pragma once

#include <span>
#include <vector>

#include "cairn/recommendation.h"
#include "engine/ranking/score/facts.h"

namespace cairn::ranking {

/// Why a candidate stands where it does: the ranking features that move its score, the largest contribution by
/// magnitude first, at most five. `weights` are those that the score was made with, one a feature. `network` is what the
/// ranker's network added to it, and is one of the reasons, by that name.
[[nodiscard]] std::vector<Reason> reasons_for(const CandidateFacts& candidate, std::span<const double> weights,
                                              float network = 0.0F);

}  // namespace cairn::ranking

#pragma once

#include <span>
#include <string>
#include <vector>

#include "cairn/recommendation.h"
#include "engine/ranking/explain/sentences.h"
#include "engine/ranking/score/facts.h"

namespace cairn::ranking {

/// Why a candidate stands where it does. Ranking features that say the same are one reason.
struct Explanation {
  std::vector<Reason> reasons;  ///< what adds to its score, the most first
  std::vector<Reason> against;  ///< what takes from it, the most first
  std::string because;          ///< the first of `reasons`, as a sentence
};

/// How much of it is wanted.
enum class ReasonsWanted : std::uint8_t {
  kFor,  ///< the first five that speak for it
  kAll,  ///< all, so that all contributions together are the score
};

/// `weights` are those that the score was made with, one a ranking feature; those of own features are known. `network`
/// is what the ranker's network added to it, and is one of the reasons, by that name.
[[nodiscard]] Explanation explain(const CandidateFacts& candidate, std::span<const double> weights, float network,
                                  ReasonsWanted wanted, const Language& language);

}  // namespace cairn::ranking

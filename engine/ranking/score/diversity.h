#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/ranking/model_scores.h"
#include "engine/ranking/retrieve/place_index.h"

namespace cairn::ranking {

/// How much an answer is spread, and over how many of the best.
struct DiversityOptions {
  double diversity = 0.0;            ///< 0: by score alone, to 1: by difference alone
  std::size_t pool = 0;              ///< so many of the best are chosen from
  std::size_t limit = 0;             ///< so many are chosen
  std::size_t max_per_category = 0;  ///< of one category among those chosen; 0: any number
};

/// Puts in front of `best` what an answer has that is not many times the same, by maximal marginal relevance (Carbonell
/// and Goldstein, SIGIR 1998). Of the first `pool` of `best` it chooses `limit`, one after another: always the one with
/// the largest
///
///     (1 - diversity) · relevance - diversity · (the largest similarity to one chosen before; 0 for the first)
///
/// of those whose category has room. Relevance is the score on a scale from 0, the least of the pool, to 1, the
/// largest. Of equal ones the better by score is chosen. Those of the pool that are not chosen follow in the order they
/// had, and what stands behind the pool stays.
///
/// Where the model has one set of vectors and both places are items of it, their similarity is the cosine of their
/// vectors: places are alike when the same users go to them. Otherwise half of it is to be of the same category, and
/// half to be near, exp(-distance / 500 m) / 2. Places without a category are of none together.
///
/// `model`: null where none is in force. `best` holds positions in `candidates`, best first; `scores` has the shape of
/// `candidates`. Cost: pool · limit products of vectors.
void diversify(const PlaceIndex& index, const ModelScores* model, std::span<const PlaceIndex::Near> candidates,
               std::span<const float> scores, const DiversityOptions& options, std::span<std::uint32_t> best);

}  // namespace cairn::ranking

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "cairn/status.h"
#include "engine/ranking/model_scores.h"
#include "engine/ranking/retrieve/place_index.h"

namespace cairn::ranking {

/// Orders the first `pool` of `best` anew by what their scores may be at most, where the question asks the model for
/// upper bounds (AskedModel::has_bounds()), and does nothing elsewhere. In `scores` they then have what the model's
/// bounds add to them, by its weight. A place that is not among the `pool` best by score gains nothing: a bound costs
/// dim², which is too much for every candidate.
///
/// `model` may be null. `best` holds positions in `candidates`, best first; `scores` has the shape of `candidates`.
/// Returns: what AskedModel::gains() returns.
[[nodiscard]] Status raise_to_bounds(const PlaceIndex& index, const AskedModel* model, double weight,
                                     std::span<const PlaceIndex::Near> candidates, std::size_t pool,
                                     std::span<std::uint32_t> best, std::vector<float>* scores);

}  // namespace cairn::ranking

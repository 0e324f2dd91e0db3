#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cairn/clock.h"
#include "engine/ranking/ranker_model.h"
#include "engine/ranking/retrieve/place_index.h"

namespace cairn::ranking {

/// One visit of a user's history.
struct Visit {
  std::uint64_t place = 0;  ///< dictionary id
  std::int64_t ms = 0;
  std::uint32_t row = gpu::kNoRow;
};

/// How much each visit of a history counts at one moment: a number a visit in each column.
struct VisitWeights {
  std::span<const double> habit;           ///< exp() of the habit kernel (HabitCoefficients)
  std::span<const double> monthly;         ///< 2^(-age / 30 d)
  std::span<const double> recent;          ///< 2^(-age / 7 d)
  std::span<const double> same_hour;       ///< by hour of day and kind of day, times monthly
  std::span<const double> same_week_hour;  ///< by hour of the week

  std::vector<double> numbers;  ///< what the columns view
};

/// Weighs visits, which ascend by time, as of `time`. A visit after `time`, such as in a question about the past,
/// counts as if it were at it. All exponentials and logarithms of a kind are computed at once (gpu/elementary.h).
/// Requires: there is a visit.
[[nodiscard]] VisitWeights weigh_visits(const HabitCoefficients& coefficients, std::span<const Visit> visits,
                                        const PlaceIndex& index, EventTime time);

}  // namespace cairn::ranking

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

/// How much each visit of a history counts at one moment: a number a visit in each column. It can be moved, and not
/// copied.
struct VisitWeights {
  VisitWeights() = default;
  VisitWeights(VisitWeights&&) noexcept = default;
  VisitWeights& operator=(VisitWeights&&) noexcept = default;

  std::span<const double> habit;           ///< exp() of the habit kernel (HabitCoefficients)
  std::span<const double> monthly;         ///< 2^(-age / 30 d)
  std::span<const double> recent;          ///< 2^(-age / 7 d)
  std::span<const double> same_hour;       ///< by hour of day and kind of day, times monthly
  std::span<const double> same_week_hour;  ///< by hour of the week

  // What the habit kernel is made of (format.md has the formulas).
  std::span<const double> log_age;     ///< ln(1 + days since the visit)
  std::span<const double> hour_close;  ///< bells over hours of day between the visit and now
  std::span<const double> hour_wide;
  std::span<const double> hour;
  std::span<const double> same_gap;     ///< likeness of the gap before the visit and the one since the last visit
  std::span<const double> near_start;   ///< how near the place before it is to the last place; 1 for the same place
  std::span<const double> same_start;   ///< 1 when the place before it is the last place
  std::span<const double> same_second;  ///< 1 when the two before it are the last two
  std::span<const double> same_day;     ///< 1 on the same day of the week
  std::span<const double> same_kind;    ///< 1 when both are on workdays, or both at a weekend

  std::vector<double> numbers;  ///< what the columns view
};

/// Weighs visits, which ascend by time, as of `time`. A visit after `time`, such as in a question about the past,
/// counts as if it were at it. All exponentials and logarithms of a kind are computed at once (gpu/elementary.h).
/// Requires: there is a visit.
[[nodiscard]] VisitWeights weigh_visits(const HabitCoefficients& coefficients, std::span<const Visit> visits,
                                        const PlaceIndex& index, EventTime time);

}  // namespace cairn::ranking

#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "cairn/clock.h"
#include "engine/ranking/ranker_model.h"
#include "engine/ranking/retrieve/place_index.h"
#include "features/row.h"
#include "features/schema.h"

namespace cairn::ranking {

/// A place in the user's history, with what ranking wants to know of the visits, computed for one moment.
struct VisitedPlace {
  std::uint32_t row = gpu::kNoRow;
  std::uint64_t place = 0;  ///< dictionary id
  std::int64_t visits = 0;
  std::int64_t newest_ms = 0;
  double habit = 0.0;           ///< sum over the visits of exp(kernel): HabitCoefficients
  double recent = 0.0;          ///< sum of 2^(-age / 7 d)
  double same_hour = 0.0;       ///< sum of a kernel over hour of day, kind of day and age
  double same_week_hour = 0.0;  ///< sum of a kernel over hour of week
};

/// A user's row read for one question: what their history says about the moment asked for.
struct UserProfile {
  bool known = false;                 ///< the user has a row
  std::vector<VisitedPlace> visited;  ///< ascending by row; those without a row (gpu::kNoRow) last
  double recent_total = 0.0;          ///< the sums over all visits of the fields above
  double same_hour_total = 0.0;
  double same_week_hour_total = 0.0;
  double monthly_total = 0.0;  ///< sum over all visits of 2^(-age / 30 d)
  std::optional<std::uint64_t> last_place;
  std::uint32_t last_row = gpu::kNoRow;
  std::int64_t last_ms = 0;
  double hours_since_last = 0.0;                         ///< since the last visit; only with last_place
  std::unordered_map<std::uint64_t, double> categories;  ///< decayed affinity by category
  std::unordered_map<std::uint64_t, double> cells;       ///< by PlaceIndex::cell
  double cells_total = 0.0;
  std::unordered_map<std::uint64_t, double> interest;   ///< by place
  std::unordered_map<std::uint64_t, double> dismissed;  ///< by place

  /// The visited place of a row, or null.
  [[nodiscard]] const VisitedPlace* find_row(std::uint32_t row) const noexcept;
};

/// Reads `row` (null: user unknown) as of `time`. Events after `time` count as if they were at it.
[[nodiscard]] UserProfile read_user_profile(const features::Schema& schema, const features::Row* row,
                                            const PlaceIndex& index, const HabitCoefficients& kernel, EventTime time);

}  // namespace cairn::ranking

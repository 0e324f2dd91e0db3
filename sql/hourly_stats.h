#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "cairn/interaction.h"

namespace cairn::sql {

/// Interactions with a place in one hour, of one type: a row of place_stats_hourly, or what is to be added to it.
/// Counts, sums, minima and maxima merge in any order to the same bits; that is why the sum is not a double.
struct HourlyStat {
  std::string_view place;         ///< into the interactions it was made from
  std::chrono::sys_seconds hour;  ///< start of the hour, UTC
  std::string_view type;          ///< into the InteractionTypes
  std::int64_t events = 0;        ///< with and without a value
  std::int64_t value_count = 0;   ///< interactions that carry a value
  __int128 value_sum_micros = 0;  ///< sum of value_micros()
  double value_min = 0.0;         ///< meaningless when value_count is 0
  double value_max = 0.0;         ///< likewise
  /// There are a minimum and a maximum to be taken up: what is taken out of an hour has none.
  bool has_bounds = false;
};

/// The value in millionths, rounded half away from zero; values beyond ±9.2e12 count as that.
[[nodiscard]] std::int64_t value_micros(double value) noexcept;

/// Aggregates the interactions `included` points to (indexes), less those that are taken out again, sorted by place,
/// hour and type name as bytes: the one order in which every writer takes row locks.
[[nodiscard]] std::vector<HourlyStat> aggregate_hourly(std::span<const Interaction> interactions,
                                                       std::span<const std::size_t> included,
                                                       const InteractionTypes& types,
                                                       std::span<const Interaction> taken_out = {});

}  // namespace cairn::sql

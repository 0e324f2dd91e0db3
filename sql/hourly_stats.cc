#include "sql/hourly_stats.h"

#include <algorithm>
#include <cmath>
#include <tuple>

namespace cairn::sql {
namespace {

HourlyStat stat_of(const Interaction& interaction, const InteractionTypes& types) {
  HourlyStat stat{.place = interaction.place.str(),
                  .hour = std::chrono::floor<std::chrono::hours>(interaction.time),
                  .type = types.name(interaction.type),
                  .events = 1};
  if (interaction.value) {
    stat.value_count = 1;
    stat.value_sum_micros = value_micros(*interaction.value);
    stat.value_min = stat.value_max = *interaction.value;
    stat.has_bounds = true;
  }
  return stat;
}

/// What brings the sums back to before the interaction; a minimum and a maximum are not brought back by adding.
HourlyStat inverse_of(const Interaction& interaction, const InteractionTypes& types) {
  HourlyStat stat = stat_of(interaction, types);
  stat.events = -stat.events;
  stat.value_count = -stat.value_count;
  stat.value_sum_micros = -stat.value_sum_micros;
  stat.has_bounds = false;
  return stat;
}

auto key(const HourlyStat& stat) { return std::tie(stat.place, stat.hour, stat.type); }

void add(const HourlyStat& delta, HourlyStat* stat) {
  // A minimum of no values is none, not zero.
  if (delta.has_bounds) {
    stat->value_min = stat->has_bounds ? std::min(stat->value_min, delta.value_min) : delta.value_min;
    stat->value_max = stat->has_bounds ? std::max(stat->value_max, delta.value_max) : delta.value_max;
    stat->has_bounds = true;
  }
  stat->events += delta.events;
  stat->value_count += delta.value_count;
  stat->value_sum_micros += delta.value_sum_micros;
}

}  // namespace

std::int64_t value_micros(double value) noexcept {
  // llround of a value beyond int64 is undefined, so the value is bounded first.
  constexpr double kMicrosMax = 9.2e18;  // below 2^63
  return std::llround(std::clamp(value * 1e6, -kMicrosMax, kMicrosMax));
}

std::vector<HourlyStat> aggregate_hourly(std::span<const Interaction> interactions,
                                         std::span<const std::size_t> included, const InteractionTypes& types,
                                         std::span<const Interaction> taken_out) {
  std::vector<HourlyStat> stats;
  stats.reserve(included.size() + taken_out.size());
  for (const std::size_t index : included) stats.push_back(stat_of(interactions[index], types));
  for (const Interaction& interaction : taken_out) stats.push_back(inverse_of(interaction, types));
  std::sort(stats.begin(), stats.end(), [](const auto& a, const auto& b) { return key(a) < key(b); });

  // Equal keys stand together after sorting: the first of them takes up the others, in place.
  std::size_t kept = 0;
  for (std::size_t i = 0; i < stats.size(); ++i) {
    if (kept > 0 && key(stats[kept - 1]) == key(stats[i])) {
      add(stats[i], &stats[kept - 1]);
    } else {
      stats[kept++] = stats[i];
    }
  }
  stats.resize(kept);
  return stats;
}

}  // namespace cairn::sql

#pragma once

#include <cstdint>
#include <iterator>
#include <limits>
#include <random>
#include <string_view>
#include <vector>

#include "features/calendar.h"
#include "features/decay.h"
#include "features/row.h"
#include "features/value.h"

namespace cairn::features::testing {

/// Numbers of every magnitude, so that every length of varint and both ends of the range occur.
inline std::int64_t any_int64(std::mt19937_64& random) {
  switch (random() % 8) {
    case 0:
      return std::numeric_limits<std::int64_t>::min();
    case 1:
      return std::numeric_limits<std::int64_t>::max();
    default:
      return static_cast<std::int64_t>(random()) >> (random() % 64);
  }
}

inline Value random_value(std::mt19937_64& random, Aggregate aggregate) {
  Value value;
  value.count = any_int64(random) & std::numeric_limits<std::int64_t>::max();
  value.newest_ms = any_int64(random);
  if (aggregate == Aggregate::kDecayedSum) {
    value.mantissa = std::uniform_real_distribution<double>(-1.0, 1.0)(random);
    value.exponent = any_int64(random);
  } else if (aggregate != Aggregate::kCount) {
    value.micros = any_int64(random);
  }
  return value;
}

/// A valid row with up to eight views, one of each aggregate, of up to eight entries: made by merging single entries.
inline Row random_row(std::mt19937_64& random) {
  Row row;
  for (std::uint64_t i = random() % 24; i > 0; --i) {
    const auto aggregate = static_cast<Aggregate>(random() % 8 + 1);
    const auto view = static_cast<std::uint32_t>(aggregate) * 536'870'911u;
    const Entry entry{.dimension = static_cast<std::uint64_t>(any_int64(random)),
                      .value = random_value(random, aggregate)};
    merge_row(&row, {{{.view = view, .aggregate = aggregate, .max_entries = 8, .entries = {entry}}}});
  }
  return row;
}

/// What the rows of usual views are made of, so that every short spelling occurs, and each beside its exceptions.
struct UsualViews {
  std::int64_t unit_ms;  ///< every event time is a multiple
  std::int64_t newest_ms;
  std::int64_t spread_ms;  ///< how long before the newest event the others may lie
  bool weights_one;
};

inline std::uint64_t usual_dimension(std::mt19937_64& random, std::uint64_t how, std::int64_t time_ms) {
  switch (how) {
    case 0:
      return 0;
    case 1:
      return static_cast<std::uint64_t>(hour_tile(event_time_from_ms(time_ms)));
    case 2:
      return static_cast<std::uint64_t>(hour_of_week(event_time_from_ms(time_ms)));
    case 3:
      return random() % 20;
    default:
      return random() % 1'000'000;
  }
}

inline double usual_weight(std::mt19937_64& random, const UsualViews& views) {
  constexpr double kWeights[] = {1.0, 0.2, 0.5, 2.0, 0.25, -1.5, 0.0, 0.123456, 1e7, 1.0 / 3.0};
  return views.weights_one ? 1.0 : kWeights[random() % std::size(kWeights)];
}

inline ViewBlock usual_event(std::mt19937_64& random, const UsualViews& views, std::uint32_t view) {
  // What a view is does not change from event to event, so it follows from its number.
  constexpr std::int64_t kHalfLives[] = {2'592'000'000, 0, 3'600'000, 12'345};
  constexpr std::int64_t kTtls[] = {0, 86'400'000, 1'500};
  constexpr std::uint32_t kBounds[] = {1024, 0, 40, 512};
  ViewBlock block{.view = view, .aggregate = static_cast<Aggregate>(view % 8 + 1)};
  block.max_entries = kBounds[view / 8 % 4];
  block.ttl_ms = kTtls[view / 8 % 3];
  const bool decays = block.aggregate == Aggregate::kDecayedSum;
  if (decays) block.half_life_ms = kHalfLives[view / 8 % 4];
  const auto back = static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(views.spread_ms + 1));
  const std::int64_t time_ms = views.newest_ms - back / views.unit_ms * views.unit_ms;
  Value value{.count = 1, .newest_ms = time_ms};
  const double weight = usual_weight(random, views);
  if (decays) {
    const std::int64_t half_life_ms = block.half_life_ms == 0 ? 777 : block.half_life_ms;
    const DecayedSum sum = decayed(weight, decay_time(time_ms, half_life_ms));
    value.mantissa = sum.mantissa;
    value.exponent = sum.exponent;
  } else if (block.aggregate != Aggregate::kCount) {
    value.micros = to_micros(weight);
  }
  block.entries.push_back({.dimension = usual_dimension(random, view / 8 % 5, time_ms), .value = value});
  return block;
}

/// Up to 60 events in up to five of forty views, as an accumulator would sum them.
inline Row usual_row(std::mt19937_64& random) {
  constexpr std::int64_t kUnits[] = {1, 1'000, 60'000, 86'400'000};
  UsualViews views{.unit_ms = kUnits[random() % 4], .newest_ms = 0, .spread_ms = 0, .weights_one = random() % 2 == 0};
  views.newest_ms = static_cast<std::int64_t>(random() % 2'000'000'000'000) / views.unit_ms * views.unit_ms;
  if (random() % 8 == 0) views.newest_ms = -views.newest_ms;
  if (random() % 4 != 0) views.spread_ms = static_cast<std::int64_t>(random() >> (20 + random() % 40));
  const std::uint64_t first = random() % 36;
  Row row;
  for (std::uint64_t events = std::uint64_t{1} << random() % 7; events > 1; --events) {
    const auto view = static_cast<std::uint32_t>(first + random() % 5);
    merge_row(&row, {{usual_event(random, views, view)}});
  }
  return row;
}

/// One of either kind.
inline Row some_row(std::mt19937_64& random) { return random() % 2 == 0 ? usual_row(random) : random_row(random); }

}  // namespace cairn::features::testing

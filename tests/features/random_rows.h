#pragma once

#include <cstdint>
#include <limits>
#include <random>
#include <string_view>
#include <vector>

#include "features/row.h"

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

}  // namespace cairn::features::testing

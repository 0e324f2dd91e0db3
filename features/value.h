#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "cairn/feature_view.h"
#include "features/row.h"

namespace cairn::features {

[[nodiscard]] constexpr std::int64_t saturating_add(std::int64_t a, std::int64_t b) noexcept {
  std::int64_t sum = 0;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return b < 0 ? std::numeric_limits<std::int64_t>::min() : std::numeric_limits<std::int64_t>::max();
}

[[nodiscard]] constexpr std::int64_t saturating_subtract(std::int64_t a, std::int64_t b) noexcept {
  std::int64_t difference = 0;
  if (!__builtin_sub_overflow(a, b, &difference)) return difference;
  return b > 0 ? std::numeric_limits<std::int64_t>::min() : std::numeric_limits<std::int64_t>::max();
}

/// A weight in fixed point, rounded half away from zero; saturates. Requires: `weight` not NaN.
[[nodiscard]] std::int64_t to_micros(double weight) noexcept;

/// Whether `aggregate` names one of the aggregates there are: numbers from disk and from configurations may not.
[[nodiscard]] bool known(Aggregate aggregate) noexcept;

/// The monoid's operation: `*into` becomes `*into` + `other`.
void combine(Aggregate aggregate, const Value& other, Value* into) noexcept;

/// The order of a block's entries: <0, 0, >0 as `a` stands before, at or behind `b`. Entries that compare as 0 are the
/// same entry, and their values combine.
[[nodiscard]] inline int compare_keys(Aggregate aggregate, const Entry& a, const Entry& b) noexcept {
  const auto compare = [](auto x, auto y) { return x < y ? -1 : (y < x ? 1 : 0); };
  if (aggregate != Aggregate::kSequence) return compare(a.dimension, b.dimension);
  if (a.value.newest_ms != b.value.newest_ms) return compare(a.value.newest_ms, b.value.newest_ms);
  if (a.dimension != b.dimension) return compare(a.dimension, b.dimension);
  return compare(a.value.micros, b.value.micros);
}

/// Drops entries until `max_entries` are left (0: all may stay); those with the newest events stay, the larger
/// dimension among equals. Requires: ascending, distinct. Keeps the order.
void keep_newest(Aggregate aggregate, std::uint32_t max_entries, std::vector<Entry>* entries);

/// Brings entries of any order, repeats included, into a block's order. Equal ones combine in the order they came.
void sort_and_combine(Aggregate aggregate, std::vector<Entry>* entries);

}  // namespace cairn::features

#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "tests/contract/state_store_twins.h"
#include "tests/storage/numbered_batch.h"

namespace cairn::storage {

/// Checks that the store holds exactly the batches 1 to N of numbered_batch() for some N, each whole.
/// Returns: N.
inline int check_numbered(const StateStore& store) {
  const int n = std::stoi(must_get(store, Family::kMeta, "position").value_or("0"));
  INFO("position ", n);
  CHECK(must_count(store, "total").value_or(0) == static_cast<std::uint64_t>(n));
  for (int rest = 0; rest < kCounters; ++rest) {
    const int expected = n / kCounters + (rest != 0 && rest <= n % kCounters ? 1 : 0);
    CHECK(must_count(store, "rest " + std::to_string(rest)).value_or(0) == static_cast<std::uint64_t>(expected));
  }
  // As many distinct ids as there are numbers up to n, none above: all of them.
  const Pairs ids = must_scan(store, Family::kIds, "id ");
  CHECK(ids.size() == static_cast<std::size_t>(n));
  const bool right = std::all_of(ids.begin(), ids.end(), [n](const auto& row) {
    const int id = std::stoi(row.second);
    return row.first == "id " + row.second && id >= 1 && id <= n;
  });
  CHECK(right);
  return n;
}

inline void write_numbered(StateStore& store, int first, int last, Durability durability = Durability::kBuffered) {
  for (int n = first; n <= last; ++n) must(store.write(numbered_batch(n), durability));
}

}  // namespace cairn::storage

#pragma once

#include <string>

#include "tests/contract/toy_merge.h"

namespace cairn::storage {

inline constexpr int kCounters = 16;

/// Batch number n of a run: the position n, the id n, and one added to the counter "total" and to that of n %
/// kCounters. After batches 1 to N every key of the store follows from N.
inline WriteBatch numbered_batch(int n) {
  WriteBatch batch;
  batch.put(Family::kIds, "id " + std::to_string(n), std::to_string(n));
  batch.merge(Family::kState, "total", counter(1));
  batch.merge(Family::kState, "rest " + std::to_string(n % kCounters), counter(1));
  batch.put(Family::kMeta, "position", std::to_string(n));
  return batch;
}

}  // namespace cairn::storage

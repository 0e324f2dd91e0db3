#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "cairn/status.h"
#include "engine/learning/interactions.h"
#include "engine/model/model.h"
#include "gpu/backend.h"

namespace cairn::learning {

/// How well a model ranks what users did later, averaged over the users of the test.
struct HeldOutMetrics {
  double recall_at_20 = 0.0;
  double recall_at_50 = 0.0;
  double ndcg_at_20 = 0.0;
  double ndcg_at_100 = 0.0;
};

struct HeldOutReport {
  HeldOutMetrics metrics = {};
  std::size_t users = 0;       ///< with at least one test item; averages are over them
  std::size_t cold_users = 0;  ///< of these, with no history in train: answered by popularity
  std::size_t test_pairs = 0;
  std::size_t unknown_pairs = 0;  ///< of these, whose item the model does not have: misses
};

/// The metrics of one user. `ranked` are distinct items, best first; `relevant`, ascending, those that count, and
/// `relevant_total` how many there are in all, found or not (at least 1). Recall@K = hits / relevant_total; NDCG@K has
/// binary gain, the discount log2(rank + 1), and an ideal list of min(K, relevant_total) (as in LightGCN, He et al.,
/// SIGIR 2020).
[[nodiscard]] HeldOutMetrics held_out_metrics(std::span<const std::uint32_t> ranked,
                                              std::span<const std::uint32_t> relevant, std::size_t relevant_total);

struct HeldOutOptions {
  gpu::Backend* backend = nullptr;  ///< borrowed; null: this machine's processors
  std::size_t threads = 0;          ///< 0: every processor
  /// Called now and then, with users.
  std::function<void(std::size_t done, std::size_t total)> progress = {};
};

/// Ranks all of the model's items but those of the user's history in `train`, for every user of `test` with items
/// there, and measures where the test's stand. Of equal scores the lower row is better.
/// Returns: INVALID_ARGUMENT when no user has test items; what ItemRanker returns.
[[nodiscard]] Result<HeldOutReport> measure_held_out(const model::Model& model, const Interactions& train,
                                                     const Interactions& test, const HeldOutOptions& options);

}  // namespace cairn::learning

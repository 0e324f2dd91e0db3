#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "cairn/status.h"
#include "engine/learning/ranker/question_log.h"
#include "engine/ranking/ranker_model.h"

namespace cairn::learning {

struct LinearFitOptions {
  std::size_t epochs = 6;
  float rate = 0.01F;  ///< of the first step; it falls to 0
  float pull = 1e-5F;  ///< towards where the numbers began: ridge regression around them
  std::uint64_t seed = 1;
  std::size_t threads = 0;
  std::function<bool(std::size_t done, std::size_t total)> progress = {};  ///< false: give up
};

struct LinearFit {
  ranking::RankerModel ranker = {};
  double loss_before = 0.0;  ///< mean negative logarithm of the likelihood of what came true, on the measured questions
  double loss_after = 0.0;
};

/// Fits the weights of `start` and the coefficients of its habit kernel to what came true, by conditional logit
/// (McFadden, 1974) over each question's candidates, of which those that were drawn count for what they stand for. A
/// weight of 0 stays 0: its feature takes no part. Shapes stay as well. Of all epochs the one is kept that foresees the
/// questions best that begin at `measured`, which the others do not learn from; where none is better than `start`, that
/// is what comes back. The same log and seed give the same numbers, for any number of threads. Returns: CANCELLED.
[[nodiscard]] Result<LinearFit> fit_linear(const QuestionLog& log, std::size_t measured,
                                           const ranking::RankerModel& start, const LinearFitOptions& options);

}  // namespace cairn::learning

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "cairn/status.h"
#include "engine/learning/ranker/question_log.h"
#include "engine/ranking/ranker_network.h"

namespace cairn::learning {

/// How well questions were foreseen.
struct Foresight {
  double loss = 0.0;  ///< mean negative logarithm of the likelihood of what came true
  double acc_at_1 = 0.0;
  double mrr = 0.0;
};

struct NetworkFitOptions {
  std::size_t epochs = 10;  ///< at most; of them the best is kept
  std::size_t hidden = 64;  ///< outputs of each of the two hidden layers
  std::size_t visit_hidden = 32;
  std::size_t heads = 8;
  /// That are trained from different draws and averaged: what they err in differs, and cancels.
  std::size_t members = 3;
  float rate = 4e-3F;  ///< of the first step; it falls to 0
  float decay = 3e-4F;
  std::uint64_t seed = 1;
  std::size_t threads = 0;
  std::function<bool(std::size_t done, std::size_t total)> progress = {};  ///< false: give up
  std::function<void(std::size_t epoch, const Foresight&)> measured = {};
};

struct NetworkFit {
  ranking::RankerNetwork network = {};
  std::size_t epochs = 0;  ///< after which it was best; 0: never better than without a network
  Foresight before = {};   ///< by the linear scores alone, on the measured questions
  Foresight after = {};
};

/// Trains a network that corrects the linear scores of `log`: softmax over each question's candidates, Adam. A first
/// one is not told of the questions from `measured` on. They say after how many epochs it is best, and how good it then
/// is. The members of the one that comes back are trained for so many epochs on all questions. The same log, options
/// and kernels (gpu::dense_backend) give the same network, for any number of threads. Returns: CANCELLED.
[[nodiscard]] Result<NetworkFit> fit_network(const QuestionLog& log, std::size_t measured,
                                             const NetworkFitOptions& options);

}  // namespace cairn::learning

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "cairn/interaction.h"
#include "cairn/place.h"
#include "cairn/status.h"
#include "engine/learning/ranker/fit_network.h"
#include "engine/learning/ranker/question_log.h"
#include "engine/ranking/ranker_model.h"

namespace cairn::learning {

/// A stream that a ranker learns from.
struct Stream {
  std::span<const Place> places = {};
  std::span<const Interaction> interactions = {};  ///< in time order
};

struct RankerTrainOptions {
  Objective objective = Objective::kNext;
  /// Of each stream, interactions in this first share only warm up: little is known then, and questions would teach
  /// that.
  float warm_up = 0.1F;
  /// Of each stream, questions about this last share are not learned from: they say when to stop, and what was gained.
  float measured = 0.1F;
  std::size_t questions_max = 150'000;  ///< that are learned from; of more, so many are drawn
  bool fit_linear = true;               ///< false: the linear stage stays that of `start`
  NetworkFitOptions network = {};       ///< its epochs 0: no network
  std::uint64_t seed = 1;
  std::size_t threads = 0;                              ///< 0: every processor
  std::function<bool(double fraction)> progress = {};   ///< false: give up
  std::function<void(const std::string&)> remark = {};  ///< told what a person should know
};

struct TrainedRanker {
  ranking::RankerModel ranker = {};
  std::size_t questions = 0;        ///< learned from
  std::size_t measured = 0;         ///< measured with
  double linear_loss_before = 0.0;  ///< on the measured questions
  double linear_loss_after = 0.0;
  NetworkFit network = {};  ///< its network has moved to `ranker`
};

/// Trains a ranker from streams, by what users did next in them: the weights of the linear stage and its habit kernel
/// first, then a network that corrects it. Each stream is replayed through an engine of its own, once for each of the
/// two. The same streams, options and kernels give the same ranker. Returns: INVALID_ARGUMENT when no question could be
/// asked, saying why; CANCELLED; what the engine returns.
[[nodiscard]] Result<TrainedRanker> train_ranker(std::span<const Stream> streams, const ranking::RankerModel& start,
                                                 const RankerTrainOptions& options);

/// The same, beginning with the ranker that ships.
[[nodiscard]] Result<TrainedRanker> train_ranker(std::span<const Stream> streams, const RankerTrainOptions& options);

/// What a ranker's directory holds, for who measures it. Returns: what ranking::read_ranker() returns.
[[nodiscard]] Result<ranking::RankerModel> load_ranker(const std::string& directory);
/// Returns: what ranking::write_ranker() returns.
[[nodiscard]] Status save_ranker(const std::string& directory, const TrainedRanker& trained);

}  // namespace cairn::learning

#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

#include "cairn/answer_cache.h"
#include "cairn/call_context.h"
#include "cairn/log.h"
#include "cairn/mutex.h"
#include "cairn/recommendation.h"
#include "cairn/status.h"

namespace cairn::cache {

/// Has answers made before they are asked for: all of a plan when it starts, again every `every`, and soon after what
/// answers are made with has changed. On one thread, which gives way to all others where the system knows priorities.
/// A round ends after `time`, with the first ones of its plan, which are the ones worth most. At most a fifth of the
/// time is spent on rounds that follow changes.
///
/// Threads: any.
class Warmer {
 public:
  struct Options {
    std::chrono::milliseconds every{30'000};
    std::chrono::milliseconds time{10'000};
  };
  /// The requests of a round, those worth most first.
  using Plan = std::function<std::vector<RecommendRequest>()>;
  /// Returns: whether an answer was computed, or one there is is still good.
  using Make = std::function<Result<bool>(const CallContext&, const RecommendRequest&)>;
  /// Another number with each change of what answers are made with.
  using Generation = std::function<std::uint64_t()>;

  /// All may be called until stop().
  Warmer(Options options, Plan plan, Make make, Generation generation, Logger log = {});
  ~Warmer() { stop(); }
  Warmer(const Warmer&) = delete;
  Warmer& operator=(const Warmer&) = delete;

  [[nodiscard]] AnswerWarmingStatus status() const CAIRN_EXCLUDES(mutex_);
  /// Ends with the answer that is being made. Idempotent.
  void stop();

 private:
  void run(const std::stop_token& stop) CAIRN_EXCLUDES(mutex_);
  void round(const std::stop_token& stop) CAIRN_EXCLUDES(mutex_);
  void end_round(std::chrono::milliseconds took, const Status& ended, const Status& failure) CAIRN_EXCLUDES(mutex_);
  /// Returns: whether it is to go on.
  bool wait_for_next(const std::stop_token& stop, std::uint64_t generation) CAIRN_EXCLUDES(mutex_);

  const Options options_;
  const Plan plan_;
  const Make make_;
  const Generation generation_;
  const Logger log_;
  mutable Mutex mutex_;
  std::condition_variable_any stopped_;
  AnswerWarmingStatus status_ CAIRN_GUARDED_BY(mutex_);
  std::jthread thread_;
};

}  // namespace cairn::cache

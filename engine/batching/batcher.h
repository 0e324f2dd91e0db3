#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "cairn/call_context.h"
#include "cairn/clock.h"
#include "cairn/engine_status.h"
#include "cairn/mutex.h"
#include "cairn/options.h"
#include "cairn/recommendation.h"
#include "cairn/status.h"
#include "engine/batching/turns.h"
#include "engine/ranking/recommender.h"

namespace cairn::batching {

/// Answers questions of all callers, those that come together by one scan.
///
/// It has no threads of its own. A question that finds a scan free is scanned at once by its caller's thread, and waits
/// for nobody. While all scans are taken, questions gather; when one is over, the first of those who wait leads the
/// next, for as many as have gathered. So batches are as large as the load makes them. What is done for one question
/// alone (rows, profile and fold-in before the scan, second stage and reasons after it) its own caller does, beside the
/// others.
///
/// A question that waits is given up at the instant its deadline passes or its call is cancelled, also while its scan
/// runs. At every moment, as status() tells it: admitted = completed + rejected + expired + cancelled + waiting +
/// running.
///
/// Threads: any. No call may be under way when it is destroyed.
class Batcher {
 public:
  /// `recommender` must outlive it.
  Batcher(const ranking::Recommender& recommender, const BatchingOptions& options);
  ~Batcher();
  Batcher(const Batcher&) = delete;
  Batcher& operator=(const Batcher&) = delete;

  /// Returns: as Recommender::recommend(); RESOURCE_EXHAUSTED, at once, when as many wait as may, or when those who
  /// wait leave no hope of an answer before the deadline; UNAVAILABLE after stop().
  [[nodiscard]] Result<Recommendations> answer(const CallContext& call, const RecommendRequest& request, EventTime now)
      CAIRN_EXCLUDES(mutex_);

  [[nodiscard]] BatchingStatus status() const CAIRN_EXCLUDES(mutex_);

  /// Refuses those who wait and those who come later. What is being scanned is answered. Idempotent.
  void stop() CAIRN_EXCLUDES(mutex_);

 private:
  using Asked = ranking::Recommender::Asked;
  using Sitting = ranking::Recommender::Sitting;
  using Clock = std::chrono::steady_clock;

  /// The questions of one scan, but for that of who leads it.
  struct Batch;
  /// A question that has not found a scan free. Its state moves, under its own mutex, while mutex_ is held too, until
  /// it is taken; from there on it is between who leads its batch and itself.
  struct Waiter {
    enum class State : std::uint8_t {
      kWaits,
      kLeads,    ///< is to lead the next batch
      kTaken,    ///< is being scanned
      kReady,    ///< is to be answered, in `sitting`
      kRefused,  ///< the batcher stops
      kFailed,   ///< who led its batch could not
      kLeft,     ///< nobody waits for it any more
    };
    std::shared_ptr<Asked> asked;
    Clock::time_point since;
    Priority priority;
    Mutex mutex;
    std::condition_variable_any changed;
    State state CAIRN_GUARDED_BY(mutex) = State::kWaits;
    const Sitting* sitting CAIRN_GUARDED_BY(mutex) = nullptr;
    std::shared_ptr<Batch> batch CAIRN_GUARDED_BY(mutex);
  };
  using WaiterPtr = std::shared_ptr<Waiter>;
  class Conduct;

  [[nodiscard]] Result<Recommendations> ask(const CallContext& call, const RecommendRequest& request, EventTime now,
                                            bool* refused);
  /// Null: a scan is free, and the caller leads.
  [[nodiscard]] Result<WaiterPtr> take_place(const CallContext& call, const std::shared_ptr<Asked>& asked)
      CAIRN_EXCLUDES(mutex_);
  [[nodiscard]] Status refusal(const CallContext& call) const CAIRN_REQUIRES(mutex_);
  [[nodiscard]] Result<Recommendations> wait(const CallContext& call, const WaiterPtr& waiter, bool* refused)
      CAIRN_EXCLUDES(mutex_);
  [[nodiscard]] Status give_up(const CallContext& call, const WaiterPtr& waiter) CAIRN_EXCLUDES(mutex_);
  [[nodiscard]] Result<Recommendations> lead(const CallContext& call, const std::shared_ptr<Asked>& own)
      CAIRN_EXCLUDES(mutex_);
  /// What is left to do for one question after its scan.
  [[nodiscard]] Result<Recommendations> finish(const CallContext& call, const Sitting& sitting, Asked& asked);
  [[nodiscard]] std::shared_ptr<Batch> gather() CAIRN_EXCLUDES(mutex_);
  /// The scan is free for the next batch, which the first of those who wait leads.
  void pass_on() CAIRN_EXCLUDES(mutex_);
  /// So many questions were scanned within that time.
  void note_scan(std::size_t questions, Clock::duration took) CAIRN_EXCLUDES(mutex_);
  [[nodiscard]] WaiterPtr take_first() CAIRN_REQUIRES(mutex_);
  void count_wait(Clock::duration waited) CAIRN_REQUIRES(mutex_);
  static void move_to(Waiter& waiter, Waiter::State state);

  // Fixed after construction.
  const ranking::Recommender& recommender_;
  const BatchingOptions options_;
  const std::size_t at_once_;
  Turns turns_;

  mutable Mutex mutex_;
  std::deque<WaiterPtr> interactive_ CAIRN_GUARDED_BY(mutex_);
  std::deque<WaiterPtr> background_ CAIRN_GUARDED_BY(mutex_);
  std::size_t scans_ CAIRN_GUARDED_BY(mutex_) = 0;            ///< that run, or are about to
  double seconds_a_question_ CAIRN_GUARDED_BY(mutex_) = 0.0;  ///< of a scan, lately
  bool stopped_ CAIRN_GUARDED_BY(mutex_) = false;
  BatchingStatus counts_ CAIRN_GUARDED_BY(mutex_);  ///< without waiting and running
};

}  // namespace cairn::batching

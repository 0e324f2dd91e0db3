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
#include "engine/ranking/recommender.h"

namespace cairn::batching {

/// Answers questions of all callers, those that come together by one scan.
///
/// It has no threads of its own. As many batches are led at the same time as there are processors. A question that
/// finds fewer is answered at once by its caller's thread, and waits for nobody. While all are led, questions gather;
/// when one is over, the first of those who wait leads the next, for as many as have gathered. So batches are as large
/// as the load makes them. Who leads does all of it: reads what is known of each user, scans, and answers one after the
/// other. The others sleep until they have their answer.
///
/// A question that waits is given up at the instant its deadline passes or its call is cancelled, also while its batch
/// is worked on. At every moment, as status() tells it: admitted = completed + rejected + expired + cancelled + waiting
/// + running.
///
/// Threads: any. No call may be under way when it is destroyed.
class Batcher {
 public:
  /// `recommender` must outlive it. So many batches are led at the same time; 0: as many as there are processors, or
  /// scans if those are more. A device scans few at a time, while the processors do the rest of others.
  Batcher(const ranking::Recommender& recommender, const BatchingOptions& options, std::size_t led_at_once = 0);
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

  /// A question that has found all batches led. Its state moves, under its own mutex, while mutex_ is held too, until
  /// it is taken; from there on it is between who leads its batch and itself.
  struct Waiter {
    enum class State : std::uint8_t {
      kWaits,
      kLeads,     ///< is to lead the next batch
      kTaken,     ///< is being worked on
      kAnswered,  ///< in `answer`
      kRefused,   ///< the batcher stops
      kLeft,      ///< nobody waits for it any more
    };
    Waiter(const CallContext& whose, const RecommendRequest& question, EventTime at)
        : call(whose), request(question), now(at), since(Clock::now()) {}

    // Copies: whose they are may leave while they are worked on.
    const CallContext call;
    const RecommendRequest request;
    const EventTime now;
    const Clock::time_point since;
    Mutex mutex;
    std::condition_variable_any changed;
    State state CAIRN_GUARDED_BY(mutex) = State::kWaits;
    std::optional<Result<Recommendations>> answer CAIRN_GUARDED_BY(mutex);
  };
  using WaiterPtr = std::shared_ptr<Waiter>;
  class Conduct;
  class Scanning;
  class Awaiting;

  [[nodiscard]] Result<Recommendations> ask(const CallContext& call, const RecommendRequest& request, EventTime now,
                                            bool* refused);
  /// Null: the caller leads.
  [[nodiscard]] Result<WaiterPtr> take_place(const CallContext& call, const RecommendRequest& request, EventTime now)
      CAIRN_EXCLUDES(mutex_);
  [[nodiscard]] Status refusal(const CallContext& call) const CAIRN_REQUIRES(mutex_);
  [[nodiscard]] Result<Recommendations> wait(const WaiterPtr& waiter, bool* refused) CAIRN_EXCLUDES(mutex_);
  [[nodiscard]] Status give_up(const WaiterPtr& waiter) CAIRN_EXCLUDES(mutex_);
  [[nodiscard]] Result<Recommendations> lead(const CallContext& call, const RecommendRequest& request, EventTime now)
      CAIRN_EXCLUDES(mutex_);
  /// Those who are answered together with who leads.
  [[nodiscard]] std::vector<WaiterPtr> gather() CAIRN_EXCLUDES(mutex_);
  /// A batch of so many questions is over; the first of those who wait leads the next.
  void pass_on(std::size_t answered) CAIRN_EXCLUDES(mutex_);
  /// So many questions were answered together within that time.
  void note_batch(std::size_t questions, Clock::duration took) CAIRN_EXCLUDES(mutex_);
  [[nodiscard]] WaiterPtr take_first() CAIRN_REQUIRES(mutex_);
  void count_wait(Clock::duration waited) CAIRN_REQUIRES(mutex_);
  static void move_to(Waiter& waiter, Waiter::State state);

  // Fixed after construction.
  const ranking::Recommender& recommender_;
  const BatchingOptions options_;
  const std::size_t at_once_;
  const std::size_t led_at_once_;

  mutable Mutex mutex_;
  std::deque<WaiterPtr> interactive_ CAIRN_GUARDED_BY(mutex_);
  std::deque<WaiterPtr> background_ CAIRN_GUARDED_BY(mutex_);
  std::size_t awaiting_ CAIRN_GUARDED_BY(mutex_) = 0;            ///< questions before they take a place
  std::size_t running_ CAIRN_GUARDED_BY(mutex_) = 0;             ///< questions that wait for nobody, in batches or not
  std::size_t led_ CAIRN_GUARDED_BY(mutex_) = 0;                 ///< batches that are led, or are about to be
  std::size_t scanning_ CAIRN_GUARDED_BY(mutex_) = 0;            ///< of those
  std::size_t in_batches_ CAIRN_GUARDED_BY(mutex_) = 0;          ///< questions of those
  std::size_t owed_to_background_ CAIRN_GUARDED_BY(mutex_) = 0;  ///< what batches had, of which it has an eighth
  double seconds_a_question_ CAIRN_GUARDED_BY(mutex_) = 0.0;     ///< of a batch, lately
  bool stopped_ CAIRN_GUARDED_BY(mutex_) = false;
  CondVar scan_over_;
  BatchingStatus counts_ CAIRN_GUARDED_BY(mutex_);  ///< without waiting and running
};

}  // namespace cairn::batching

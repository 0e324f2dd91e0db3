#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <optional>
#include <stop_token>
#include <thread>
#include <vector>

#include "cairn/log.h"
#include "cairn/mutex.h"
#include "engine/serving/admission/call.h"

namespace cairn::serving {

/// The threads of one lane and the bounded queue before them. Calls are run in the order in which they came. One whose
/// deadline passes in the queue is refused at that instant, by a thread that does nothing else: the threads that run
/// calls may all be stuck, and then it is the waiting callers who most need an answer. One that so many wait before
/// that it would hardly be reached in time is refused when it comes, while its caller can still ask elsewhere.
///
/// Threads: every method from any thread, `stop` not from a call.
class WorkerPool {
 public:
  /// `log` is told of calls that threw.
  WorkerPool(int threads, std::size_t queue_max, Logger log = {});
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  /// Queues the call, or refuses it before returning when the queue is full or the pool has stopped.
  void submit(Call call);

  [[nodiscard]] LaneCounts counts() const;

  /// Refuses what is queued and what comes later, and cancels what runs. Waits for nothing.
  void close();
  /// The same, then waits for what runs. Idempotent.
  void stop();

 private:
  using Time = std::chrono::steady_clock::time_point;

  void work(std::size_t thread);
  void expire();
  [[nodiscard]] std::optional<Call> next(std::size_t thread, bool& expired);
  void finished(std::size_t thread);
  void drop(Call& call, const Status& why) noexcept;
  [[nodiscard]] Status enqueue(Call& call);
  [[nodiscard]] bool wait_for_expiry();
  /// Whether the threads will reach a call that is queued now before its deadline, at the pace of late.
  [[nodiscard]] bool hopeless(Time deadline) const CAIRN_REQUIRES(mutex_);
  void note_pace() CAIRN_REQUIRES(mutex_);
  void take_expired(Time now, std::vector<Call>* expired) CAIRN_REQUIRES(mutex_);

  const std::size_t queue_max_;
  const Logger log_;
  mutable Mutex mutex_;
  CondVar work_ready_;
  CondVar expiry_changed_;
  std::deque<Call> queue_ CAIRN_GUARDED_BY(mutex_);
  std::vector<std::stop_source> running_ CAIRN_GUARDED_BY(mutex_);  // by thread; without state while it is idle
  LaneCounts counts_ CAIRN_GUARDED_BY(mutex_);                      // `queued` is the queue's size
  std::size_t idle_ CAIRN_GUARDED_BY(mutex_) = 0;                   // threads that wait for work
  Time next_expiry_ CAIRN_GUARDED_BY(mutex_) = Time::max();         // when the expiring thread wakes up
  // How fast calls end while others wait: counted in windows, as calls may end many at a time.
  Time window_begin_ CAIRN_GUARDED_BY(mutex_) = Time::max();  // max: nobody waits
  std::size_t ended_ CAIRN_GUARDED_BY(mutex_) = 0;            // within the window
  Time::duration pace_ CAIRN_GUARDED_BY(mutex_){0};           // from one end to the next; 0: not known
  bool closed_ CAIRN_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;  // the one that expires last
};

}  // namespace cairn::serving

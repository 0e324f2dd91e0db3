#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <stop_token>
#include <thread>
#include <vector>

#include "cairn/log.h"
#include "cairn/mutex.h"

namespace cairn::upkeep {

/// Does chores, one after another in a fixed order, on a thread of its own: a round when it starts, then one every
/// `period`, and one at once when somebody calls. Chores never run side by side, so they need no locks among
/// themselves. A chore that fails says so itself and is done again in the next round;
/// one that throws is logged, and the others are done.
///
/// Threads: every method from any thread. What chores use must outlive the schedule.
class Schedule {
 public:
  using Chore = std::function<void()>;

  Schedule(std::vector<Chore> chores, std::chrono::milliseconds period, Logger log = {});
  ~Schedule() { stop(); }
  Schedule(const Schedule&) = delete;
  Schedule& operator=(const Schedule&) = delete;

  /// Asks for a round at once. A round that is under way is followed by another, since it may have passed the chore
  /// that the caller has in mind.
  void call() CAIRN_EXCLUDES(mutex_);

  /// Ends after the chore under way. Idempotent.
  void stop();

 private:
  void run(const std::stop_token& stop) CAIRN_EXCLUDES(mutex_);

  const std::vector<Chore> chores_;
  const std::chrono::milliseconds period_;
  const Logger log_;

  Mutex mutex_;
  std::condition_variable_any called_cv_;
  bool called_ CAIRN_GUARDED_BY(mutex_) = false;

  std::jthread thread_;
};

}  // namespace cairn::upkeep

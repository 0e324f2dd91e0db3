#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <stop_token>

#include "cairn/log.h"
#include "cairn/mutex.h"
#include "engine/serving/admission/call.h"
#include "engine/serving/admission/worker_pool.h"

namespace cairn::serving {

/// Decides which request runs where and when, or is refused: lanes, bounded queues, deadlines, counts. It knows calls
/// and their contexts, and nothing of protocols: each protocol is a codec that turns requests into calls and hands them
/// to the same admission, so that all of them share one bound.
///
/// Threads: every method from any thread, `stop` not from a call. Owns the threads of its lanes.
class Admission {
 public:
  struct Reads {
    int threads = 1;           ///< of Lane::kRead
    std::size_t queue = 1024;  ///< calls that may wait for one
  };
  /// `log` is told of calls that threw, which they must not.
  explicit Admission(Reads reads, Logger log = {});
  ~Admission();

  /// Runs the call on its lane's threads, or refuses it; see Call. A call of Lane::kInline has run on return.
  void submit(Lane lane, Call call);

  [[nodiscard]] LaneCounts counts(Lane lane) const;

  /// Ends the waits of calls for what others bring (CallContext::stopping), now and from here on. Work goes on.
  /// Idempotent.
  void end_waits() { stopping_.request_stop(); }

  /// Refuses what is queued and what comes later, cancels what runs, and waits for that; calls of Lane::kInline, which
  /// run where they were submitted, are left alone. Idempotent.
  void stop();

 private:
  void run_inline(Call call);

  const Logger log_;
  std::stop_source stopping_;
  std::array<std::unique_ptr<WorkerPool>, kLanes> pools_;  // none for kInline
  mutable Mutex inline_mutex_;
  LaneCounts inline_counts_ CAIRN_GUARDED_BY(inline_mutex_);
};

}  // namespace cairn::serving

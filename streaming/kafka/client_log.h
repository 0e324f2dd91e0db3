#pragma once

#include <utility>

#include "cairn/log.h"
#include "cairn/mutex.h"

namespace cairn::streaming::kafka {

/// The log of a client whose threads may go on when whoever listens is gone.
///
/// Threads: any.
class ClientLog {
 public:
  explicit ClientLog(Logger log) : log_(std::move(log)) {}

  /// Calls `write` with the logger, one caller at a time; not once it was abandoned. `write` must not come back here.
  template <class Write>
  void with(const Write& write) CAIRN_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    if (!abandoned_) write(log_);
  }

  /// When it returns, nobody uses the logger, nor will.
  void abandon() CAIRN_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    abandoned_ = true;
  }

 private:
  Mutex mutex_;
  const Logger log_;  ///< used under the mutex, so that abandon() waits for whoever is inside
  bool abandoned_ CAIRN_GUARDED_BY(mutex_) = false;
};

}  // namespace cairn::streaming::kafka

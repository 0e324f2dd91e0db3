#pragma once

#include "cairn/mutex.h"
#include "tools/cairn/load/tally.h"

namespace cairn::load {

/// What one thread counts: of the whole run, and of the second at hand for who shows it.
/// Threads: any; in practice one that counts and one that looks once a second, so the lock is hardly ever waited for.
class Recorder {
 public:
  /// `change(tally)` is applied to both. `measured`: whether it belongs to the run, and not to its warm-up.
  template <class Change>
  void count(bool measured, Change change) {
    const MutexLock lock(mutex_);
    change(second_);
    if (measured) change(total_);
  }

  /// Adds the second at hand to `*sum`, and begins the next.
  void take_second(Tally* sum) {
    const MutexLock lock(mutex_);
    sum->add(second_);
    second_.clear();
  }

  [[nodiscard]] Tally total() const {
    const MutexLock lock(mutex_);
    return total_;
  }

 private:
  mutable Mutex mutex_;
  Tally total_ CAIRN_GUARDED_BY(mutex_);
  Tally second_ CAIRN_GUARDED_BY(mutex_);
};

}  // namespace cairn::load

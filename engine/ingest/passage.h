#pragma once

#include <cstdint>
#include <map>

#include "cairn/mutex.h"

namespace cairn::ingest {

/// A stretch of work that threads pass through, and a way to wait for those who were inside at a moment: what they had
/// looked at before they came in may have changed since. Nobody waits to get in.
///
/// Threads: any.
class Passage {
 public:
  /// Somebody is inside while this lives.
  class Entry {
   public:
    explicit Entry(Passage& passage) : passage_(passage), turn_(passage.enter()) {}
    ~Entry() { passage_.leave(turn_); }
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;

   private:
    Passage& passage_;
    const std::uint64_t turn_;
  };

  /// Waits until everybody has left who is inside now.
  void wait_for_those_inside() CAIRN_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    const std::uint64_t mine = turn_++;
    const auto left = inside_.find(mine);
    if (left != inside_.end() && left->second == 0) inside_.erase(left);
    while (!inside_.empty() && inside_.begin()->first <= mine) left_.wait(mutex_);
  }

 private:
  std::uint64_t enter() CAIRN_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    ++inside_[turn_];
    return turn_;
  }
  void leave(std::uint64_t turn) CAIRN_EXCLUDES(mutex_) {
    {
      const MutexLock lock(mutex_);
      // The present turn's stays with nobody, so that coming and going takes no memory.
      if (--inside_[turn] > 0 || turn == turn_) return;
      inside_.erase(turn);
    }
    left_.notify_all();
  }

  Mutex mutex_;
  CondVar left_;
  std::uint64_t turn_ CAIRN_GUARDED_BY(mutex_) = 0;
  std::map<std::uint64_t, std::uint64_t> inside_ CAIRN_GUARDED_BY(mutex_);  ///< how many came in, by turn
};

}  // namespace cairn::ingest

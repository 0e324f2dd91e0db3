#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "cairn/mutex.h"

namespace cairn::state {

/// Rows of which everything goes that came before a moment in a window: what is stored of them, and what the window
/// before adds. What the window itself adds to such a row came after.
///
/// Threads: any. Where nothing was erased, which is nearly always, a question costs one load.
class ErasedRows {
 public:
  /// Requires: the window's own changes of the row are removed after this.
  void add(std::string key) {
    const MutexLock lock(mutex_);
    keys_.insert(std::move(key));
    times_.fetch_add(1, std::memory_order_release);
  }

  /// How often rows were erased. Who finds the same number before and after he read a row and its changes has read both
  /// before an erasure, or both after it.
  [[nodiscard]] std::size_t times() const noexcept { return times_.load(std::memory_order_acquire); }

  [[nodiscard]] bool contains(std::string_view key) const {
    if (times() == 0) return false;
    const MutexLock lock(mutex_);
    return keys_.contains(key);
  }

  /// Calls `visit` for every row by ascending key. The views live as long as this.
  void for_each(const std::function<void(std::string_view key)>& visit) const {
    if (times() == 0) return;
    const MutexLock lock(mutex_);
    for (const std::string& key : keys_) visit(key);
  }

 private:
  std::atomic<std::size_t> times_{0};
  mutable Mutex mutex_;
  std::set<std::string, std::less<>> keys_ CAIRN_GUARDED_BY(mutex_);
};

}  // namespace cairn::state

#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "cairn/mutex.h"
#include "features/row.h"

namespace cairn::state {

/// Rows that begin anew at a moment in a window: what is stored of them does not count, nor what the window before
/// adds. In its place stands a base, or nothing for a row that was erased. What the window itself adds to such a row
/// came after, and is added to the base.
///
/// Threads: any. Where no row began anew, which is nearly always, a question costs one load.
class RebasedRows {
 public:
  using Base = std::shared_ptr<const features::Row>;  ///< null: nothing is left

  /// `forget_changes` removes the window's own changes of the row. Whoever reads meanwhile is made to read again.
  void set(const std::string& key, Base base, const std::function<void()>& forget_changes) {
    times_.fetch_add(1, std::memory_order_acq_rel);
    {
      const MutexLock lock(mutex_);
      auto& [kept, bytes] = rows_[key];
      bytes_ -= bytes;
      bytes = kKeyBytes + key.size() + (base ? base->memory_bytes() : 0);
      bytes_ += bytes;
      kept = std::move(base);
      forget_changes();
    }
    times_.fetch_add(1, std::memory_order_release);
  }

  /// How often rows began anew, twice each time: odd while one does. Who finds the same even number before and after he
  /// read a row and its changes has read both before such a moment, or both after it.
  [[nodiscard]] std::size_t times() const noexcept { return times_.load(std::memory_order_acquire); }
  /// times(), once no row is about to begin anew.
  [[nodiscard]] std::size_t settled_times() const noexcept {
    std::size_t times = this->times();
    for (; times % 2 != 0; times = this->times()) std::this_thread::yield();
    return times;
  }

  /// Returns: whether the row began anew; then `*base` is what stands in its place.
  bool find(std::string_view key, Base* base) const {
    if (times() == 0) return false;
    const MutexLock lock(mutex_);
    const auto found = rows_.find(key);
    if (found != rows_.end()) *base = found->second.first;
    return found != rows_.end();
  }
  [[nodiscard]] bool contains(std::string_view key) const {
    Base ignored;
    return find(key, &ignored);
  }

  /// Calls `visit` for every row by ascending key. The views live as long as this.
  void for_each(const std::function<void(std::string_view key, const Base& base)>& visit) const {
    if (times() == 0) return;
    const MutexLock lock(mutex_);
    for (const auto& [key, row] : rows_) visit(key, row.first);
  }

  [[nodiscard]] std::size_t memory_bytes() const {
    if (times() == 0) return 0;
    const MutexLock lock(mutex_);
    return bytes_;
  }

 private:
  static constexpr std::size_t kKeyBytes = 128;  ///< of a node of the map, about

  std::atomic<std::size_t> times_{0};
  mutable Mutex mutex_;
  /// By key: the base, and what it takes.
  std::map<std::string, std::pair<Base, std::size_t>, std::less<>> rows_ CAIRN_GUARDED_BY(mutex_);
  std::size_t bytes_ CAIRN_GUARDED_BY(mutex_) = 0;
};

}  // namespace cairn::state

#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cairn/call_context.h"
#include "cairn/mutex.h"
#include "cairn/status.h"

namespace cairn::ingest {

/// Event ids that somebody is about to bring who must be the first: from before he looks whether they came until what
/// he brings is taken or not. Whoever else brings one meanwhile waits. There are few at a time, and none almost always,
/// which costs others one load.
///
/// Threads: any.
class ReservedIds {
 public:
  /// The id is reserved while this lives.
  class Reservation {
   public:
    Reservation(ReservedIds& ids, std::string id) : ids_(ids), id_(std::move(id)) { ids_.add(id_); }
    ~Reservation() { ids_.remove(id_); }
    Reservation(const Reservation&) = delete;
    Reservation& operator=(const Reservation&) = delete;

    [[nodiscard]] const std::string& id() const noexcept { return id_; }

   private:
    ReservedIds& ids_;
    const std::string id_;
  };

  [[nodiscard]] bool any() const noexcept { return count_.load() > 0; }
  [[nodiscard]] bool contains(std::string_view id) const CAIRN_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    return holds(id);
  }
  /// Waits until nobody has the id. Returns: DEADLINE_EXCEEDED, CANCELLED.
  [[nodiscard]] Status wait_until_free(const CallContext& context, std::string_view id) const CAIRN_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    const auto is_free = [&]() CAIRN_REQUIRES(mutex_) { return !holds(id); };
    if (context.wait(freed_, lock, is_free)) return ok_status();
    return context.check().with_context("an event_id of the call is being given by a correction");
  }

 private:
  void add(const std::string& id) CAIRN_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    ids_.push_back(id);
    count_.store(ids_.size());
  }
  void remove(const std::string& id) CAIRN_EXCLUDES(mutex_) {
    {
      const MutexLock lock(mutex_);
      ids_.erase(std::find(ids_.begin(), ids_.end(), id));
      count_.store(ids_.size());
    }
    freed_.notify_all();
  }
  [[nodiscard]] bool holds(std::string_view id) const CAIRN_REQUIRES(mutex_) {
    return std::find(ids_.begin(), ids_.end(), id) != ids_.end();
  }

  mutable Mutex mutex_;
  mutable std::condition_variable_any freed_;
  std::vector<std::string> ids_ CAIRN_GUARDED_BY(mutex_);
  std::atomic<std::size_t> count_{0};  ///< of ids_
};

}  // namespace cairn::ingest

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "cairn/clock.h"
#include "cairn/interaction.h"
#include "cairn/mutex.h"
#include "cairn/status.h"
#include "engine/state/keyed_hash.h"
#include "storage/state_store.h"

namespace cairn::state {

/// Marks of users who were erased: what a source brings of them again, from up to the time of the erasure, is refused.
/// What they do later is taken, since a person may come back.
///
/// A mark keeps no id but a hash of it under a key of this state directory's own. The marks stay for ever: a stream may
/// be read again at any time.
///
/// Threads: any. Where nobody was erased a question costs one load a batch; else a hash for each event, and a lock a
/// batch.
class ErasedUsers {
 public:
  /// Reads the marks. Returns: DATA_LOSS.
  [[nodiscard]] Status recover(const storage::StateStore& store);

  /// Sees that there is a key, which the first mark needs. Returns: what the store says.
  [[nodiscard]] Status ensure_key(storage::StateStore& store) CAIRN_EXCLUDES(mutex_);

  /// Marks a user from here on, or moves his mark on: events up to `until` are refused. What keeps the mark is to be
  /// stored by the caller. Requires: ensure_key().
  struct Record {
    std::string key;
    std::string value;
  };
  Record mark(const UserId& user, EventTime until) CAIRN_EXCLUDES(mutex_);

  [[nodiscard]] bool any() const noexcept { return any_.load(std::memory_order_acquire); }
  [[nodiscard]] std::size_t size() const CAIRN_EXCLUDES(mutex_);
  /// Up to when the user's events are refused; nullopt: they are not.
  [[nodiscard]] std::optional<EventTime> until(const UserId& user) const CAIRN_EXCLUDES(mutex_);
  [[nodiscard]] bool refuses(const Interaction& event) const {
    if (!any()) return false;
    const auto marked = until(event.user);
    return marked && event.time <= *marked;
  }

  /// The interactions less those that are refused: the same span where none is, else copies in `*kept`.
  [[nodiscard]] std::span<const Interaction> without_erased(std::span<const Interaction> all,
                                                            std::vector<Interaction>* kept) const
      CAIRN_EXCLUDES(mutex_);

  /// Events refused, by this process. Each sink meets every event: one of them counts.
  [[nodiscard]] std::uint64_t refused() const noexcept { return refused_.load(std::memory_order_relaxed); }
  void count_refused(std::uint64_t events) noexcept { refused_.fetch_add(events, std::memory_order_relaxed); }

 private:
  [[nodiscard]] bool refuses_locked(const Interaction& event) const CAIRN_REQUIRES_SHARED(mutex_);

  std::atomic<bool> any_{false};
  std::atomic<std::uint64_t> refused_{0};
  mutable SharedMutex mutex_;
  std::optional<Bits128> secret_ CAIRN_GUARDED_BY(mutex_);
  std::unordered_map<Bits128, std::int64_t> until_ms_ CAIRN_GUARDED_BY(mutex_);  ///< by the hash of the id
};

}  // namespace cairn::state

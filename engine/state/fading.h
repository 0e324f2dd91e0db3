#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "cairn/clock.h"
#include "storage/state_store.h"

namespace cairn::state {

/// Lets compactions leave out what no question needs any more: entries beyond their view's TTL, and decayed sums that
/// have come below a millionth. What is old is judged by the newest event that was applied, so that a stream of the
/// past keeps what its own time needs, and never by a time that the clock has not reached: one event ahead of it makes
/// nothing of the others old.
///
/// An entry that a later event brings back begins anew, as one that `max_entries` has dropped.
///
/// Threads: any.
class Fading {
 public:
  /// `clock` must outlive whatever trim() has returned.
  explicit Fading(const Clock& clock) : clock_(clock) {}

  /// For StateStoreOptions::trim. Outlives this object if it must.
  [[nodiscard]] storage::TrimFunction trim() const;

  /// An event of this time was applied. Earlier times than before change nothing.
  void advance(EventTime newest);

 private:
  const Clock& clock_;
  const std::shared_ptr<std::atomic<std::int64_t>> newest_ms_ = std::make_shared<std::atomic<std::int64_t>>(INT64_MIN);
};

}  // namespace cairn::state

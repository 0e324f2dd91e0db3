#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "cairn/clock.h"
#include "cairn/interaction.h"

namespace cairn::features {

/// Under which an event id is remembered: the id itself, or for one of more than 512 bytes its length and FNV-1a 128
/// hash. The
/// decoder of streams takes ids of at most 128 bytes; this holds for callers that have no decoder, since keys of stores
/// are bounded (2,704 bytes in an index of PostgreSQL, 4,096 in the state store).
[[nodiscard]] std::string event_key(std::string_view event_id);

/// The event times that are remembered, by event_key(). A key may have several, further apart than the window.
using SeenEventIds = std::unordered_multimap<std::string, EventTime>;

/// Which interactions are repeats. An interaction with an event id counts unless one that counted has the same id and a
/// time at most one window away, before or behind: then it is a repeat and changes nothing. A repeat is not remembered,
/// so a chain of repeats does not stretch the window. Times are the events' own: when an interaction arrives plays no
/// part.
///
/// Whoever keeps event ids asks this class, so that features and tables leave out the same events. It stores nothing
/// itself. Immutable; any thread.
class DedupRule {
 public:
  /// Requires: window >= 0. With 0 only the same millisecond is a repeat.
  explicit DedupRule(std::chrono::milliseconds window) noexcept : window_(window) {}

  /// A batch with its repeats told apart.
  struct Decision {
    std::vector<std::size_t> included;  ///< indexes of the interactions that count, ascending
    struct NewId {
      std::string key;  ///< event_key()
      EventTime time;
    };
    std::vector<NewId> new_ids;  ///< of the included ones that have an id: to be remembered
  };
  /// `seen` must hold what is remembered of the batch's ids, at least in the buckets nearby() names; more does no harm.
  /// Earlier interactions of the batch count as remembered for later ones.
  [[nodiscard]] Decision decide(std::span<const Interaction> interactions, SeenEventIds seen) const;

  /// Event time is cut into buckets of one window, so that a store can look up an id without a search by time and can
  /// forget whole buckets. Two remembered times of an id are never in one bucket.
  [[nodiscard]] std::int64_t bucket(EventTime time) const noexcept {
    const std::int64_t width = bucket_width().count();
    return to_ms(time) / width - (to_ms(time) % width < 0 ? 1 : 0);  // rounded down, before 1970 too
  }

  /// The first and the last bucket in which an id must be looked for to tell whether an interaction of this time
  /// repeats it.
  [[nodiscard]] std::pair<std::int64_t, std::int64_t> nearby(EventTime time) const noexcept {
    return {bucket(time) - 1, bucket(time) + 1};
  }

  /// The first bucket that must be kept when the newest event (or the clock, which is ahead of it) stands at `newest`.
  /// A repeat that comes four windows late means something still; a store may forget what lies further back, and then
  /// takes its repeats for new events.
  [[nodiscard]] std::int64_t first_kept_bucket(EventTime newest) const noexcept {
    return bucket(newest) - kWindowsKept;
  }

  /// Where first_kept_bucket() begins: earlier event times may be forgotten.
  [[nodiscard]] EventTime forget_before(EventTime newest) const noexcept {
    return EventTime(first_kept_bucket(newest) * bucket_width());
  }

 private:
  static constexpr std::int64_t kWindowsKept = 4;

  [[nodiscard]] std::chrono::milliseconds bucket_width() const noexcept {
    return std::max(window_, std::chrono::milliseconds(1));
  }

  std::chrono::milliseconds window_;
};

}  // namespace cairn::features

#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cairn/answer_cache.h"
#include "cairn/freshness.h"
#include "cairn/recommendation.h"
#include "cairn/status.h"

namespace cairn::cache {

/// A store of answers that other daemons and later starts use too (tier L3), and what must be known of this daemon so
/// that it gives no answer that it would not have given itself.
///
/// Versions and generations are this process's own. What others can compare is what an answer was made from, by its
/// contents: that is the basis, and it is part of the key. So an answer is found only by who knows the same.
///
/// Threads: any, but write() and keep_open() by one at a time.
class SharedTier {
 public:
  using SteadyTime = std::chrono::steady_clock::time_point;

  /// 128 bits of a hash.
  struct Key {
    std::uint64_t high = 0;
    std::uint64_t low = 0;
  };
  /// What an answer is made from beside the request: the catalogue, the model, the ranker, what is known of the user,
  /// and whose events all else was learned from.
  struct Basis {
    std::string bytes;
    bool personal =
        true;  ///< false: nothing is known of the user, so that all of whom nothing is known have one answer
    std::vector<Watermark> reached;  ///< what this daemon had read before it looked what it knows of the user
  };
  struct Found {
    std::string bytes;
    SteadyTime made;     ///< no later than it was
    SteadyTime expires;  ///< no later than it does
  };
  struct Row {
    Key key;
    std::optional<std::string> user;
    SteadyTime made;
    SteadyTime expires;
    std::int64_t invalidations = 0;
    AnswerTags tags;  ///< but for the user
    std::string bytes;
  };

  virtual ~SharedTier() = default;

  /// Returns: nullopt when it cannot be told at present; then nothing is shared.
  [[nodiscard]] virtual std::optional<Basis> basis_of(const RecommendRequest& request) const = 0;
  /// The last of the invalidations that this process has been told of by AnswerCache::invalidate(); -1: it does not
  /// know.
  [[nodiscard]] virtual std::int64_t invalidations() const = 0;
  /// Whether an answer knew, when it was made, of all that this daemon had heard of by then.
  [[nodiscard]] virtual bool as_new(const Freshness& freshness, SteadyTime made) const = 0;
  /// Puts this daemon's own words for what others cannot read: the cursor to the next page.
  virtual void take_over(Recommendations* answer) const = 0;

  /// An answer that has not expired, and since which no invalidation was about it or about the user. Waits no longer
  /// than `within`.
  /// Returns: RESOURCE_EXHAUSTED when nobody is free to look; DEADLINE_EXCEEDED; UNAVAILABLE, FAILED_PRECONDITION.
  [[nodiscard]] virtual Result<std::optional<Found>> find(Key key, const UserId& user,
                                                          std::chrono::milliseconds within) = 0;
  /// Returns: UNAVAILABLE, FAILED_PRECONDITION.
  virtual Status write(std::span<const Row> rows) = 0;
  /// Makes ready what find() lacks. To be called now and then. Returns: why that is not possible.
  virtual Status keep_open() = 0;
};

}  // namespace cairn::cache

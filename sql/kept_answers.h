#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/ids.h"
#include "cairn/options.h"
#include "cairn/status.h"

namespace cairn::sql {

/// Answers that several daemons keep in one table, over connections of its own: nothing here waits for the pool of
/// those who write interactions, and they do not wait for it.
///
/// Ages are measured by the server's clock, which is the same for all, and by this machine's monotonic one while
/// something is under way. What is told is never younger than it is, however far apart the machines' clocks are.
///
/// Threads: find() from any; the others one at a time, beside it.
class KeptAnswers {
 public:
  using SteadyTime = std::chrono::steady_clock::time_point;

  /// A 128-bit hash.
  struct Key {
    std::uint64_t high = 0;
    std::uint64_t low = 0;
  };
  struct Row {
    Key key;
    std::optional<std::string> user;  ///< whose answer it is; absent: nobody's who is known
    SteadyTime made;
    SteadyTime expires;
    std::int64_t invalidations = 0;  ///< the last that was known before it was made
    std::vector<std::string> tags;   ///< of what it is about beside the user: see tags_of() in invalidations.h
    std::string answer;
  };
  /// Moments of this machine, so that whatever is late in between takes nothing off an age.
  struct Found {
    std::string answer;
    SteadyTime made;     ///< no later than it was
    SteadyTime expires;  ///< no later than it does
  };
  struct Size {
    std::uint64_t rows = 0;  ///< of all daemons: counted up to kCountedMax, beyond it by PostgreSQL's estimate
    std::uint64_t bytes = 0;
  };
  static constexpr std::uint64_t kCountedMax = 10'000;

  virtual ~KeptAnswers() = default;

  /// An answer that has not expired, and since which no invalidation was about it or about `user`. Waits for the server
  /// no longer than `within`, and for no connection at all. Returns: RESOURCE_EXHAUSTED when no connection is free or
  /// open; DEADLINE_EXCEEDED; UNAVAILABLE; FAILED_PRECONDITION before the schema was migrated.
  [[nodiscard]] virtual Result<std::optional<Found>> find(Key key, const UserId& user,
                                                          std::chrono::milliseconds within) = 0;

  /// Writes rows, together. One that has expired, and one of a key that a newer one has, are left out.
  /// Returns: UNAVAILABLE, FAILED_PRECONDITION; nothing is known to be written then.
  virtual Status write(std::span<const Row> rows) = 0;

  /// Opens the connections that find() lacks. To be called now and then.
  /// Returns: why one could not be opened.
  virtual Status keep_open() = 0;

  /// Removes what has expired, and invalidations that nobody can need any more. Returns: how many answers went.
  virtual Result<std::uint64_t> remove_expired() = 0;

  /// How large the table is now.
  virtual Result<Size> size() = 0;
};

/// Connects when it is first used. Returns: INVALID_ARGUMENT.
[[nodiscard]] Result<std::unique_ptr<KeptAnswers>> open_kept_answers(const SqlOptions& options, int connections);

}  // namespace cairn::sql

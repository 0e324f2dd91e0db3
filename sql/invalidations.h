#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "cairn/answer_cache.h"
#include "cairn/options.h"
#include "cairn/status.h"

namespace cairn::sql {

/// What makes kept answers outdated, said by anybody who can run SQL (schema.md: invalidate_answers) and heard by every
/// daemon: each has a serial, ascending in the order in which their transactions ended, and stays in a table, so that
/// who was not connected reads it later.
///
/// Threads: hear() from one; add() from another, at the same time.
class Invalidations {
 public:
  struct Heard {
    std::int64_t serial = 0;  ///< of the last one
    AnswerTags tags;          ///< of all since then, together; empty: there are none
  };

  virtual ~Invalidations() = default;

  /// Waits until there is an invalidation after `after`, for `within` at most. `after` -1: those before now are not
  /// asked for. Where the last serial is smaller than `after`, the tables are others than before, and everything is
  /// outdated.
  /// Returns: what there is after `after`; UNAVAILABLE, FAILED_PRECONDITION before the schema was migrated.
  [[nodiscard]] virtual Result<Heard> hear(std::int64_t after, std::chrono::milliseconds within,
                                           const std::stop_token& stop) = 0;

  /// Tells all daemons. Returns: UNAVAILABLE, FAILED_PRECONDITION; INVALID_ARGUMENT for tags that name nothing, or a
  /// cell that is none.
  virtual Status add(const AnswerTags& tags) = 0;
};

/// Connects when it is first used. Returns: INVALID_ARGUMENT.
[[nodiscard]] Result<std::unique_ptr<Invalidations>> open_invalidations(const SqlOptions& options);

/// How the tables name what an answer is about. Cells must be lower case, of 5 letters.
[[nodiscard]] std::vector<std::string> tags_of(const AnswerTags& tags);

}  // namespace cairn::sql

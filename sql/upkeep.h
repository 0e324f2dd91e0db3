#pragma once

#include <cstddef>

#include "cairn/clock.h"
#include "cairn/options.h"
#include "cairn/status.h"

namespace cairn::sql {

/// What keeps a database fit to be written to: its schema and the months ahead. Writers need migrate()
/// to have succeeded once; a scheduler calls the rest.
///
/// Threads: all methods from any thread. Errors: those of Materializer.
class Upkeep {
 public:
  virtual ~Upkeep() = default;

  /// Creates or upgrades the schema, under an advisory lock so that two processes do it once, looks whether its tables
  /// are as they were made, and claims it for its owner. Idempotent.
  /// Returns: FAILED_PRECONDITION for a server that is too old or not UTF-8, no PostGIS, a newer program's schema, a
  /// schema of another state directory; NOT_FOUND for tables that were altered since, or may no more be used: somebody
  /// will put that right, and a start need not fail for it.
  virtual Status migrate() = 0;

  /// One round trip.
  virtual Status ping() = 0;

  /// Creates the partitions of the months around `now` and ahead of it. Call at start and every hour.
  virtual Status maintain(EventTime now) = 0;
};

/// Whether a start would take `options`; asks no server.
/// Returns: INVALID_ARGUMENT.
[[nodiscard]] Status check_options(const SqlOptions& options);

/// Whether the database of `options` answers: one connection, one round trip, no schema needed.
/// Returns: INVALID_ARGUMENT for options; UNAVAILABLE; FAILED_PRECONDITION.
[[nodiscard]] Status ping(const SqlOptions& options);

/// Takes the schema from whoever owns it: it belongs to the state directory that starts on it next. What another one
/// that still runs has begun to write fails from now on. Brings the schema up to date first.
/// Returns: INVALID_ARGUMENT for options; the errors of Materializer.
[[nodiscard]] Status release_schema(const SqlOptions& options);

/// Makes consumer_positions and position_marks agree again, by the further position of each partition: what was lost or
/// moved back by hand comes back. Nobody may write meanwhile.
/// Returns: how many positions were changed; INVALID_ARGUMENT for options; the errors of Materializer.
[[nodiscard]] Result<std::size_t> restore_positions(const SqlOptions& options);

}  // namespace cairn::sql

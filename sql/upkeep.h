#pragma once

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

  /// Creates or upgrades the schema, under an advisory lock so that two processes do it once. Idempotent.
  /// Returns: FAILED_PRECONDITION for a server that is too old or not UTF-8, no PostGIS, a newer program's schema.
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

}  // namespace cairn::sql

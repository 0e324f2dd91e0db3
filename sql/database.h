#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/clock.h"
#include "cairn/interaction.h"
#include "cairn/log.h"
#include "cairn/options.h"
#include "cairn/place.h"
#include "cairn/source_position.h"
#include "cairn/status.h"

namespace cairn::sql {

/// Cairn's schema in PostgreSQL/PostGIS (sql/migrations/*.sql; sql/README.md): places, user_interactions by month,
/// place_stats_hourly by month, consumer positions. Connections are pooled, checked and thrown away after an error.
///
/// Threads: all methods from any thread. Errors: UNAVAILABLE for anything that a retry may cure (server gone, restart,
/// lock or statement timeout, in-doubt commit), FAILED_PRECONDITION with the remedy for what a person must mend (no
/// PostGIS, no rights, newer schema), RESOURCE_EXHAUSTED for a full disk or too many partitions.
class Database {
 public:
  virtual ~Database() = default;

  /// Creates or upgrades the schema, under an advisory lock so that two processes do it once. Idempotent.
  virtual Status migrate() = 0;

  /// One round trip.
  virtual Status ping() = 0;

  /// Positions that apply() stored for a source, all partitions.
  [[nodiscard]] virtual Result<std::vector<SourcePosition>> load_positions(std::string_view source) = 0;

  /// Writes interactions, their hourly aggregates and the positions after them in one transaction: all or nothing,
  /// also when the connection breaks during COMMIT (the outcome is then looked up before anything is retried).
  /// `before` are the positions this batch was read from: when the stored ones differ, another writer has been here or
  /// the batch is already in, and nothing is written.
  /// An interaction whose event_id was written within `dedup_window` of its time is left out.
  /// Interactions in months without partitions make them, within SqlOptions::partitions_max.
  /// Returns: ABORTED when the stored positions are not `before` (reload with load_positions).
  struct Applied {
    std::uint64_t rows = 0;      ///< interactions written
    std::uint64_t repeated = 0;  ///< left out by event_id
  };
  [[nodiscard]] virtual Result<Applied> apply(std::string_view source, std::span<const Interaction> interactions,
                                              std::span<const SourcePosition> before,
                                              std::span<const SourcePosition> after) = 0;

  /// Adds or replaces places, in one transaction that also records `version`. Lower versions than the stored one are
  /// ignored, so retries and reorderings are harmless.
  virtual Status upsert_places(std::span<const Place> places, std::uint64_t version) = 0;
  /// The largest version that upsert_places recorded; 0 when none.
  [[nodiscard]] virtual Result<std::uint64_t> places_version() = 0;

  /// Creates the partitions of the months ahead, drops event ids past the window. Call at start and every hour.
  virtual Status maintain(EventTime now) = 0;
};

/// Checks the options and builds the pool; connects lazily, so a server that is down is no error here.
/// `types` must outlive the database.
/// Returns: INVALID_ARGUMENT.
[[nodiscard]] Result<std::unique_ptr<Database>> open_database(const SqlOptions& options, const InteractionTypes& types,
                                                              std::chrono::seconds dedup_window, Logger log);

}  // namespace cairn::sql

#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "cairn/interaction.h"
#include "cairn/source_position.h"
#include "cairn/status.h"

namespace cairn::sql {

/// Writes what a source brings into tables: a row per interaction, tiles of hourly aggregates, and how far the source
/// has been read. All three change in one transaction, so a reader of the tables sees exactly the events that lie
/// before the stored positions. A consumer asks load_positions() where to begin, and calls apply() once a batch.
///
/// Threads: all methods from any thread; writers of one source are told apart by their positions.
/// Errors of both methods: UNAVAILABLE for what a retry may cure (server gone, restart, lock or statement timeout,
/// a commit without an answer), FAILED_PRECONDITION with the remedy for what a person must mend (no schema yet, no
/// rights), RESOURCE_EXHAUSTED for a full disk.
class Materializer {
 public:
  virtual ~Materializer() = default;

  /// Positions that apply() stored for a source: all partitions, ascending. Empty for a source that is new.
  /// Returns: also FAILED_PRECONDITION when they are not those that were stored, because somebody has changed or
  /// emptied them; and so does apply(). Going on from there would write rows twice.
  [[nodiscard]] virtual Result<std::vector<SourcePosition>> load_positions(std::string_view source) = 0;

  struct Applied {
    std::uint64_t rows = 0;       ///< interactions written
    std::uint64_t repeated = 0;   ///< left out by event_id: repeats, events retracted before, retractions of none
    std::uint64_t retracted = 0;  ///< rows taken out again
  };
  /// Writes interactions, their hourly aggregates and the positions `after` them: all or nothing, also when the
  /// connection breaks during COMMIT (the outcome is then looked up before anything is retried).
  ///
  /// `before` are the positions that the batch was read from. A partition that they do not name stands at its start:
  /// offset 0, empty cursor. When the stored positions differ, another writer has been here or the batch is already in,
  /// and nothing is written.
  /// A retraction takes the row of its event out again, and out of the hour: counts and sums exactly, a minimum or a
  /// maximum that the event had made where the rows that are left are those that the hour counts.
  /// Repeats of an event_id are left out by the rule of features/event_id_memory.h: ids arrive in the order in which
  /// batches are written, those of all sources in one row.
  /// Interactions in months without partitions make them, within SqlOptions::partitions_max.
  ///
  /// Returns: ABORTED when the stored positions are not `before` (reload with load_positions); INVALID_ARGUMENT for
  /// what can never be stored (it names the interaction), and for interactions that move no position;
  /// RESOURCE_EXHAUSTED for too many months.
  [[nodiscard]] virtual Result<Applied> apply(std::string_view source, std::span<const Interaction> interactions,
                                              std::span<const SourcePosition> before,
                                              std::span<const SourcePosition> after) = 0;
};

}  // namespace cairn::sql

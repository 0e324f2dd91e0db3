#pragma once

#include <chrono>
#include <pqxx/pqxx>
#include <span>
#include <string>

#include "cairn/interaction.h"
#include "features/dedup.h"
#include "sql/hourly_stats.h"

namespace cairn::sql {

// The parts of one materializing transaction. All of them throw what libpqxx throws, and belong to the caller's
// transaction. Table names are constants: libpqxx 6.4 sends them to COPY unquoted.

/// Which event ids of the interactions were written before, with their times; then keeps other writers of event ids
/// waiting until the transaction ends. Asks nothing when no interaction has an event id.
[[nodiscard]] features::SeenEventIds lock_and_read_event_ids(pqxx::transaction_base& transaction,
                                                             std::span<const Interaction> interactions);

/// Appends the interactions that `included` points to.
void write_interactions(pqxx::transaction_base& transaction, const std::string& source,
                        std::span<const Interaction> interactions, std::span<const std::size_t> included,
                        const InteractionTypes& types);

/// Adds the deltas to place_stats_hourly.
/// Requires: `stats` are sorted as aggregate_hourly() sorts them.
void add_stats(pqxx::transaction_base& transaction, std::span<const HourlyStat> stats);

/// Remembers the ids.
/// Requires: lock_and_read_event_ids() was called in this transaction and did not show them.
void write_event_ids(pqxx::transaction_base& transaction, std::span<const features::DedupRule::Decision::NewId> ids);

/// Removes ids whose event time and time of writing both lie before `until`: what was written since may be a
/// backfill's, whose repeats are about to come. At most `rows_max` at once. Returns: how many were removed.
[[nodiscard]] std::size_t remove_event_ids(pqxx::transaction_base& transaction, EventTime until, std::size_t rows_max);

}  // namespace cairn::sql

#pragma once

#include <pqxx/pqxx>
#include <span>
#include <string>
#include <vector>

#include "cairn/interaction.h"
#include "sql/hourly_stats.h"

namespace cairn::sql {

// The rows of one materializing transaction. All of them throw what libpqxx throws, and belong to the caller's
// transaction. Table names are constants: libpqxx 6.4 sends them to COPY unquoted.

/// Appends the interactions that `included` points to.
void write_interactions(pqxx::transaction_base& transaction, const std::string& source,
                        std::span<const Interaction> interactions, std::span<const std::size_t> included,
                        const InteractionTypes& types);

/// Removes the rows of the events that the retractions `undone` (indexes) are of. Returns: what these events had said,
/// by their rows; by the retraction where there is no row any more.
[[nodiscard]] std::vector<Interaction> remove_interactions(pqxx::transaction_base& transaction,
                                                           std::span<const Interaction> interactions,
                                                           std::span<const std::size_t> undone,
                                                           const InteractionTypes& types);

/// After sums of hours were reduced by `taken_out`: removes the hours that count nothing any more, and finds minima and
/// maxima anew, where the events had made them, in the rows that are left. Where these are fewer or more than the hour
/// counts, they stay what they were.
void mend_stats(pqxx::transaction_base& transaction, std::span<const Interaction> taken_out,
                const InteractionTypes& types);

/// Adds the deltas to place_stats_hourly.
/// Requires: `stats` are sorted as aggregate_hourly() sorts them.
void add_stats(pqxx::transaction_base& transaction, std::span<const HourlyStat> stats);

}  // namespace cairn::sql

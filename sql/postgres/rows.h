#pragma once

#include <pqxx/pqxx>
#include <span>
#include <string>

#include "cairn/interaction.h"
#include "sql/hourly_stats.h"

namespace cairn::sql {

// The rows of one materializing transaction. All of them throw what libpqxx throws, and belong to the caller's
// transaction. Table names are constants: libpqxx 6.4 sends them to COPY unquoted.

/// Appends the interactions that `included` points to.
void write_interactions(pqxx::transaction_base& transaction, const std::string& source,
                        std::span<const Interaction> interactions, std::span<const std::size_t> included,
                        const InteractionTypes& types);

/// Adds the deltas to place_stats_hourly.
/// Requires: `stats` are sorted as aggregate_hourly() sorts them.
void add_stats(pqxx::transaction_base& transaction, std::span<const HourlyStat> stats);

}  // namespace cairn::sql

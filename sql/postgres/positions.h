#pragma once

#include <cstddef>
#include <pqxx/pqxx>
#include <string>
#include <vector>

#include "cairn/source_position.h"
#include "cairn/status.h"
#include "sql/batch.h"

namespace cairn::sql {

// A position stands twice, in consumer_positions and in position_marks. The rows that were written and the position
// behind them vouch for each other only as long as nobody changes positions alone; two that differ say that it
// happened.

/// Locks the rows of the partitions of the batch until the transaction ends, waiting for another writer to end his, and
/// compares. Partitions of `after` get their rows.
/// Returns: FAILED_PRECONDITION when a position and its mark differ.
[[nodiscard]] Result<Standing> lock_positions(pqxx::transaction_base& transaction, const Batch& batch);
/// Waits until no batch of a known source is under way, and holds up those that come.
void lock_all_positions(pqxx::transaction_base& transaction);

/// Stores the positions after the batch.
/// Requires: lock_positions() has made and locked their rows in this transaction.
void store_positions(pqxx::transaction_base& transaction, const Batch& batch);

/// All partitions of a source, by partition.
/// Returns: FAILED_PRECONDITION when a position and its mark differ, or one of them is missing.
[[nodiscard]] Result<std::vector<SourcePosition>> read_positions(pqxx::transaction_base& transaction,
                                                                 const std::string& source);

/// Makes consumer_positions again, empty, where it was dropped and the marks are there.
void make_lost_positions_table(pqxx::transaction_base& transaction);

/// Sets each position and its mark to the further one of the two. Returns: how many differed.
[[nodiscard]] std::size_t agree_on_positions(pqxx::transaction_base& transaction);

}  // namespace cairn::sql

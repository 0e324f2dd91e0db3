#pragma once

#include <pqxx/pqxx>
#include <string>
#include <vector>

#include "cairn/source_position.h"
#include "sql/batch.h"

namespace cairn::sql {

/// Locks the rows of the partitions of the batch until the transaction ends, waiting for another writer to end his, and
/// compares. Partitions of `after` get their rows.
[[nodiscard]] Standing lock_positions(pqxx::transaction_base& transaction, const Batch& batch);

/// Stores the positions after the batch.
/// Requires: lock_positions() has made and locked their rows in this transaction.
void store_positions(pqxx::transaction_base& transaction, const Batch& batch);

/// All partitions of a source, by partition.
[[nodiscard]] std::vector<SourcePosition> read_positions(pqxx::transaction_base& transaction,
                                                         const std::string& source);

}  // namespace cairn::sql

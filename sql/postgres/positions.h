#pragma once

#include <pqxx/pqxx>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/source_position.h"
#include "cairn/status.h"

namespace cairn::sql {

/// How the stored positions relate to a batch's.
enum class Standing { kBefore, kAfter, kElsewhere };

/// Checks what can be checked without the database: each partition once, every cursor at most 4 KiB.
/// Returns: INVALID_ARGUMENT.
[[nodiscard]] Status check_positions(std::span<const SourcePosition> positions, std::string_view which);

/// True when `after` holds a position that differs from what `before` has for the partition (its start when nothing).
[[nodiscard]] bool moves(std::span<const SourcePosition> before, std::span<const SourcePosition> after);

/// Locks the rows of the partitions of `before` and `after` until the transaction ends, waiting for another writer to
/// end his, and compares. A partition without a row stands at its start: offset 0, empty cursor. Partitions of `after`
/// get their rows.
[[nodiscard]] Standing lock_positions(pqxx::transaction_base& transaction, const std::string& source,
                                      std::span<const SourcePosition> before, std::span<const SourcePosition> after);

/// Stores positions whose rows lock_positions() has made and locked.
void store_positions(pqxx::transaction_base& transaction, const std::string& source,
                     std::span<const SourcePosition> after);

/// All partitions of a source, by partition.
[[nodiscard]] std::vector<SourcePosition> read_positions(pqxx::transaction_base& transaction,
                                                         const std::string& source);

}  // namespace cairn::sql

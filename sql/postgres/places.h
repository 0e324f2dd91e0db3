#pragma once

#include <cstdint>
#include <pqxx/pqxx>
#include <span>

#include "sql/place_mirror.h"

namespace cairn::sql {

/// Adds or replaces places and records the version. Rows of a higher version stay as they are; of a place that is given
/// twice the last counts. Rows are written in the order of place ids, so that concurrent calls cannot deadlock.
void write_places(pqxx::transaction_base& transaction, std::span<const Place> places, std::int64_t version);

/// Marks a place as deleted, whether it has a row or not, unless a higher version wrote it. Its hourly aggregates go
/// when that is wanted and this very deletion is not in the table yet: what came for the place since stays.
/// Requires, for a history that is erased: lock_all_positions() in this transaction, before any place is written.
void mark_deleted(pqxx::transaction_base& transaction, const DeletedPlace& deleted, std::int64_t version);

/// Returns: the largest version recorded; 0 when none.
[[nodiscard]] std::int64_t read_places_version(pqxx::transaction_base& transaction);

}  // namespace cairn::sql

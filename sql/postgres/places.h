#pragma once

#include <cstdint>
#include <pqxx/pqxx>
#include <span>

#include "cairn/place.h"

namespace cairn::sql {

/// Adds or replaces places and records the version. Rows of a higher version stay as they are; of a place that is given
/// twice the last counts. Rows are written in the order of place ids, so that concurrent calls cannot deadlock.
void write_places(pqxx::transaction_base& transaction, std::span<const Place> places, std::int64_t version);

/// Returns: the largest version recorded; 0 when none.
[[nodiscard]] std::int64_t read_places_version(pqxx::transaction_base& transaction);

}  // namespace cairn::sql

#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "features/row.h"
#include "features/schema.h"

namespace cairn::features {

/// What is known of a place that is in the catalogue.
struct PlaceFacts {
  std::optional<std::uint64_t> category;  ///< dictionary id; nullopt: it has none
  std::uint64_t cell = 0;                 ///< cell_of() its position
};
/// Returns: nullopt for a place that is not in the catalogue.
using FactsOf = std::function<std::optional<PlaceFacts>(std::uint64_t place)>;

/// Whether anything in the row was added by events before their places were known.
[[nodiscard]] bool any_waiting(const Schema& schema, const Row& row) noexcept;

/// What waits in `row` for places that are known by now, as it is to be added to the views that it waits for. So an
/// event counts with the category and the cell that its place has now, if its place was not known when it was applied.
/// Returns: a row without blocks when there is nothing.
[[nodiscard]] Row arrived(const Schema& schema, const Row& row, const FactsOf& facts_of);

/// Adds what has arrived to the views, and takes out what waited for it. What waits for other places stays.
void settle_row(const Schema& schema, const Row& arrived, const FactsOf& facts_of, Row* row);

}  // namespace cairn::features

#pragma once

#include <cstdint>
#include <functional>

#include "features/row.h"
#include "features/schema.h"

namespace cairn::features {

/// What a category (dictionary id) is by now: itself, or the one that it was merged into.
using CategoryNow = std::function<std::uint64_t(std::uint64_t category)>;

/// Whether the row has entries of categories that are others by now.
[[nodiscard]] bool any_renamed(const Schema& schema, const Row& row, const CategoryNow& now);

/// Adds these entries to those of the categories that they are of by now: as if both had always been one, but for what
/// max_entries has dropped of one of them.
void rename_categories(const Schema& schema, const CategoryNow& now, Row* row);

}  // namespace cairn::features

#pragma once

#include <functional>
#include <pqxx/pqxx>
#include <string>
#include <string_view>

#include "cairn/options.h"
#include "cairn/status.h"

namespace cairn::sql {

[[nodiscard]] inline std::string_view text_of(const pqxx::field& field) { return {field.c_str(), field.size()}; }

/// Gives every row of a SELECT to `take`, a few thousand at once, from one snapshot. `what` is what messages call it.
/// Returns: as for_each_interaction_count().
[[nodiscard]] Status for_each_row(const SqlOptions& options, const char* what, const char* select,
                                  const std::function<void(const pqxx::row&)>& take);

}  // namespace cairn::sql

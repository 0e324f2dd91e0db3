#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "cairn/options.h"
#include "cairn/status.h"

namespace cairn::sql {

/// How often a user did something of one type with a place. Views, valid during the call they are given to.
struct InteractionCount {
  std::string_view user;
  std::string_view place;
  std::string_view type;
  std::int64_t count = 0;
};

/// Reads all of user_interactions in one snapshot, counted by user, place and type, in no order, through a cursor:
/// memory here is that of a few thousand rows. Uses `dsn` and `schema`; the counting is not under the statement
/// timeout, each fetch from it is. Writes nothing, so a standby will do. Returns: INVALID_ARGUMENT for options;
/// FAILED_PRECONDITION when the tables are not there; UNAVAILABLE and the others of Database's errors.
[[nodiscard]] Status for_each_interaction_count(const SqlOptions& options,
                                                const std::function<void(const InteractionCount&)>& take);

}  // namespace cairn::sql

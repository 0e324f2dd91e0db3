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

/// Reads all of user_interactions in one snapshot, counted by user, place and type, in no order. Rows come through a
/// cursor, so this side holds a few thousand of them at once. Of the options `dsn` and `schema` count; the statement
/// timeout does not, since the server counts everything before it sends the first row. Writes nothing, so a standby
/// will do. Returns: INVALID_ARGUMENT for options; FAILED_PRECONDITION when the tables are not there; UNAVAILABLE and
/// the others of Materializer's errors.
[[nodiscard]] Status for_each_interaction_count(const SqlOptions& options,
                                                const std::function<void(const InteractionCount&)>& take);

}  // namespace cairn::sql

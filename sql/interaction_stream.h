#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "cairn/clock.h"
#include "cairn/options.h"
#include "cairn/place.h"
#include "cairn/status.h"

namespace cairn::sql {

/// An interaction as it was written. Views, valid during the call they are given to.
struct InteractionRow {
  std::string_view user;
  std::string_view place;
  std::string_view type;
  EventTime time;
};

/// Reads all of user_interactions in the order of their times, in one snapshot. Rows come through a cursor, so this
/// side holds a few thousand of them at once; the server sorts, on its disk where its memory does not do. Of the
/// options `dsn` and `schema` count; the statement timeout does not. Writes nothing, so a standby will do. Returns: as
/// for_each_interaction_count().
[[nodiscard]] Status for_each_interaction(const SqlOptions& options,
                                          const std::function<void(const InteractionRow&)>& take);

/// Reads all places, in no order, in the same way.
[[nodiscard]] Status for_each_place(const SqlOptions& options, const std::function<void(const Place&)>& take);

}  // namespace cairn::sql

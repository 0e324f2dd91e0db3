#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cairn/clock.h"
#include "cairn/geo.h"
#include "cairn/ids.h"
#include "cairn/status.h"

namespace cairn::sql {

/// A row of user_interactions, less the user.
struct UserRow {
  EventTime time;
  std::string place;
  std::string type;
  std::optional<double> value;
  std::optional<GeoPoint> position;
  std::string event_id;  ///< empty: none
  std::string source;
};

/// A row of user_interactions with its user.
struct EventRow {
  UserId user;
  UserRow row;
};

/// What the tables have of one user, for those who ask for it or want it gone. Hourly aggregates name nobody and stay
/// as they are.
///
/// Threads: all methods from any thread. Errors of both methods: those of Materializer.
class UserRows {
 public:
  virtual ~UserRows() = default;

  /// Removes the user's rows of events up to `until`, and those that were written up to `written` by the server's
  /// clock. Returns: how many.
  virtual Result<std::uint64_t> erase(const UserId& user, EventTime until, EventTime written) = 0;

  /// All rows of the user, the oldest event first.
  [[nodiscard]] virtual Result<std::vector<UserRow>> read(const UserId& user) = 0;

  /// The row of an event_id, the one that was written first where several are. No index finds it: it takes as long as
  /// reading the table, within sql.statement_timeout.
  [[nodiscard]] virtual Result<std::optional<EventRow>> find(const std::string& event_id) = 0;
};

}  // namespace cairn::sql

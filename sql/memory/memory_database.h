#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cairn/interaction.h"
#include "cairn/place.h"
#include "sql/database.h"

namespace cairn::sql {

/// A small database in memory whose roles keep the promises of materializer.h, place_mirror.h and upkeep.h; the
/// contract suite checks both. For tests of what writes to PostgreSQL, and to see what such a role must at least do.
///
/// It does not bound the months, does not ask for UTF-8, and waits for no lock longer than a call of its own.
///
/// Threads: all methods, and those of the roles, from any thread.
class MemoryDatabase {
 public:
  /// `types` must outlive the roles. `dedup_ids`: see DecodeOptions.
  MemoryDatabase(const InteractionTypes& types, std::uint64_t dedup_ids);

  /// Roles on these tables. They may outlive this object.
  [[nodiscard]] Database roles() const;

  /// A row of user_interactions.
  struct InteractionRow {
    std::string source;
    Interaction interaction;
  };
  /// A row of place_stats_hourly.
  struct HourlyRow {
    std::string place;
    std::chrono::sys_seconds hour;
    std::string type;
    std::int64_t events;
    std::int64_t value_count;
    __int128 value_sum_micros;
    double value_min;  ///< meaningless when value_count is 0
    double value_max;  ///< likewise
  };

  /// The tables as they are at this instant: interactions as they were written, aggregates by place, hour and type,
  /// places by id.
  [[nodiscard]] std::vector<InteractionRow> interactions() const;
  [[nodiscard]] std::vector<HourlyRow> hourly() const;
  [[nodiscard]] std::vector<Place> places() const;  ///< deleted ones included
  [[nodiscard]] std::vector<PlaceId> deleted_places() const;

 private:
  class Tables;
  class MemoryMaterializer;
  class MemoryPlaceMirror;
  class MemoryUpkeep;
  class MemoryUserRows;

  std::shared_ptr<Tables> tables_;
};

}  // namespace cairn::sql

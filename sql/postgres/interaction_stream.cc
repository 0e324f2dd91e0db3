#include "sql/interaction_stream.h"

#include <pqxx/pqxx>
#include <string>
#include <utility>

#include "sql/postgres/connection_settings.h"
#include "sql/postgres/cursor.h"
#include "sql/postgres/pool.h"

namespace cairn::sql {

Status for_each_interaction(const SqlOptions& options, const std::function<void(const InteractionRow&)>& take) {
  // Rows of one moment have an order of their own, so that who reads twice reads the same.
  constexpr const char* kSelect =
      "SELECT user_id, place_id, type, (extract(epoch FROM occurred_at) * 1000)::bigint FROM user_interactions "
      "ORDER BY occurred_at, user_id, place_id, type";
  return for_each_row(options, "postgres: read interactions", kSelect, [&](const pqxx::row& row) {
    take({text_of(row[0]), text_of(row[1]), text_of(row[2]), event_time_from_ms(row[3].as<std::int64_t>())});
  });
}

Status for_each_place(const SqlOptions& options, const std::function<void(const Place&)>& take) {
  constexpr const char* kSelect =
      "SELECT place_id, name, ST_Y(location::geometry), ST_X(location::geometry), coalesce(category, '') FROM places "
      "WHERE deleted_at IS NULL ORDER BY place_id";
  return for_each_row(options, "postgres: read places", kSelect, [&](const pqxx::row& row) {
    take({PlaceId(std::string(text_of(row[0]))),
          std::string(text_of(row[1])),
          {row[2].as<double>(), row[3].as<double>()},
          std::string(text_of(row[4]))});
  });
}

}  // namespace cairn::sql

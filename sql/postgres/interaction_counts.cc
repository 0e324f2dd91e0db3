#include "sql/interaction_counts.h"

#include "sql/postgres/cursor.h"

namespace cairn::sql {

Status for_each_interaction_count(const SqlOptions& options, const std::function<void(const InteractionCount&)>& take) {
  constexpr const char* kSelect =
      "SELECT user_id, place_id, type, count(*) FROM user_interactions GROUP BY user_id, place_id, type";
  return for_each_row(options, "postgres: read interactions", kSelect, [&](const pqxx::row& row) {
    take({text_of(row[0]), text_of(row[1]), text_of(row[2]), row[3].as<std::int64_t>()});
  });
}

}  // namespace cairn::sql

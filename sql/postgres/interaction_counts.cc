#include "sql/interaction_counts.h"

#include <pqxx/pqxx>
#include <utility>

#include "sql/postgres/connection_settings.h"
#include "sql/postgres/pool.h"

namespace cairn::sql {
namespace {

constexpr const char* kDeclare =
    "DECLARE cairn_interaction_counts NO SCROLL CURSOR FOR "
    "SELECT user_id, place_id, type, count(*) FROM user_interactions GROUP BY user_id, place_id, type";
constexpr const char* kFetch = "FETCH FORWARD 5000 FROM cairn_interaction_counts";

std::string_view text_of(const pqxx::field& field) { return {field.c_str(), field.size()}; }

void fetch_all(Session& session, const std::function<void(const InteractionCount&)>& take) {
  // One snapshot: a count must not hold half a batch. Read only, so that a standby accepts it.
  pqxx::transaction<pqxx::repeatable_read, pqxx::read_only> transaction(session.connection());
  // The first fetch counts everything before it answers.
  transaction.exec("SET LOCAL statement_timeout = 0");
  transaction.exec(kDeclare);
  for (;;) {
    const pqxx::result rows = transaction.exec(kFetch);
    if (rows.empty()) return;
    for (const pqxx::row& row : rows) {
      take({text_of(row[0]), text_of(row[1]), text_of(row[2]), row[3].as<std::int64_t>()});
    }
  }
}

}  // namespace

Status for_each_interaction_count(const SqlOptions& options, const std::function<void(const InteractionCount&)>& take) {
  CAIRN_ASSIGN_OR_RETURN(ConnectionSettings settings, connection_settings(options));
  Pool pool(std::move(settings), 1, Logger());
  return pool.run("postgres: read interactions", [&](Session& session) {
    fetch_all(session, take);
    return ok_status();
  });
}

}  // namespace cairn::sql

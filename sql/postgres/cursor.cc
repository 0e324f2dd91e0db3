#include "sql/postgres/cursor.h"

#include <utility>

#include "sql/postgres/connection_settings.h"
#include "sql/postgres/pool.h"

namespace cairn::sql {
namespace {

constexpr const char* kFetch = "FETCH FORWARD 5000 FROM cairn_rows";

void fetch_all(Session& session, const char* select, const std::function<void(const pqxx::row&)>& take) {
  // One snapshot: what is read must not hold half a batch. Read only, so that a standby accepts it.
  pqxx::transaction<pqxx::repeatable_read, pqxx::read_only> transaction(session.connection());
  // The first fetch may count or sort everything before it answers.
  transaction.exec("SET LOCAL statement_timeout = 0");
  transaction.exec("DECLARE cairn_rows NO SCROLL CURSOR FOR " + std::string(select));
  for (;;) {
    const pqxx::result rows = transaction.exec(kFetch);
    if (rows.empty()) return;
    for (const pqxx::row& row : rows) take(row);
  }
}

}  // namespace

Status for_each_row(const SqlOptions& options, const char* what, const char* select,
                    const std::function<void(const pqxx::row&)>& take) {
  CAIRN_ASSIGN_OR_RETURN(ConnectionSettings settings, connection_settings(options));
  Pool pool(std::move(settings), 1, Logger());
  return pool.run(what, [&](Session& session) {
    fetch_all(session, select, take);
    return ok_status();
  });
}

}  // namespace cairn::sql

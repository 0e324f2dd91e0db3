#include "sql/postgres/migrator.h"

#include <pqxx/pqxx>
#include <string>

#include "sql/migrations.h"
#include "sql/postgres/errors.h"
#include "sql/postgres/owners.h"

namespace cairn::sql {
namespace {

constexpr int kServerVersionMin = 130000;

Status check_server(pqxx::work& transaction) {
  const pqxx::row row = transaction.exec1(
      "SELECT current_setting('server_version_num')::int, current_setting('server_version'), "
      "current_setting('server_encoding'), current_database()");
  if (row[0].as<int>() < kServerVersionMin) {
    return failed_precondition("the server is PostgreSQL " + row[1].as<std::string>() + "; 13 or later is needed");
  }
  if (row[2].as<std::string>() != "UTF8") {
    return failed_precondition("database '" + row[3].as<std::string>() + "' is encoded in " + row[2].as<std::string>() +
                               "; make one with: CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0");
  }
  return ok_status();
}

bool exists(pqxx::work& transaction, const std::string& query, const std::string& name) {
  return transaction.exec_params1("SELECT EXISTS (" + query + ")", name)[0].as<bool>();
}

Status ensure_postgis(pqxx::work& transaction) {
  if (exists(transaction, "SELECT FROM pg_extension WHERE extname = $1", "postgis")) return ok_status();
  try {
    transaction.exec("CREATE EXTENSION postgis SCHEMA public");
  } catch (const pqxx::sql_error&) {
    if (current_exception_status().code() != StatusCode::kFailedPrecondition) throw;
    return failed_precondition(
        "the database has no PostGIS, and this role cannot add it. As a superuser, in this database: CREATE EXTENSION "
        "postgis (its package on Debian: postgresql-15-postgis-3)");
  }
  return ok_status();
}

void ensure_schema(pqxx::work& transaction, const std::string& schema) {
  // Asked first: CREATE SCHEMA IF NOT EXISTS wants the right to create one even where it is there.
  if (!exists(transaction, "SELECT FROM pg_namespace WHERE nspname = $1", schema)) {
    transaction.exec("CREATE SCHEMA \"" + schema + "\"");
    transaction.exec("COMMENT ON SCHEMA \"" + schema + "\" IS 'Cairn: places, interactions and their aggregates'");
  }
}

void ensure_record(pqxx::work& transaction) {
  if (transaction.exec1("SELECT to_regclass('schema_migrations') IS NOT NULL")[0].as<bool>()) return;
  transaction.exec(
      "CREATE TABLE schema_migrations (version int PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, "
      "applied_at timestamptz NOT NULL DEFAULT now()); "
      "COMMENT ON TABLE schema_migrations IS 'The steps that made this schema; checksum is the SHA-256 of the step.'");
}

/// Compares what is recorded with what this program knows.
/// Returns: the last version recorded.
Result<int> check_recorded(pqxx::work& transaction, const std::string& schema) {
  int last = 0;
  for (const pqxx::row& row : transaction.exec("SELECT version, name, checksum FROM schema_migrations ORDER BY 1")) {
    const int version = row[0].as<int>();
    const auto name = row[1].as<std::string>();
    if (version > static_cast<int>(migrations().size())) {
      return failed_precondition("schema '" + schema + "' is at " + name + ", this program knows " +
                                 std::string(migrations().back().name) + " as the last step; run a newer program");
    }
    const Migration& known = migrations()[static_cast<std::size_t>(version - 1)];
    if (version != ++last || row[2].as<std::string>() != known.checksum) {
      return failed_precondition("schema '" + schema + "' was made by another history: step " +
                                 std::to_string(version) + " is recorded as " + name +
                                 " with another content; name another sql.schema");
    }
  }
  return last;
}

void run(pqxx::work& transaction, const Migration& migration) {
  transaction.exec(std::string(migration.sql));
  transaction.exec_params("INSERT INTO schema_migrations (version, name, checksum) VALUES ($1, $2, $3)",
                          migration.version, std::string(migration.name), std::string(migration.checksum));
}

/// Throws where a table or a column that is written was dropped, renamed or given another kind by hand: a start says
/// so, and not the first batch.
void check_tables(pqxx::work& transaction) {
  transaction.exec(
      "SELECT occurred_at::timestamptz, value::float8, user_id, place_id, type, source, event_id, "
      "location::geography FROM user_interactions LIMIT 0; "
      "SELECT place_id, hour::timestamptz, type, events::bigint, value_count::bigint, value_sum::numeric, "
      "value_min::float8, value_max::float8 FROM place_stats_hourly LIMIT 0; "
      "SELECT source, partition, next_offset, cursor, updated_at FROM consumer_positions LIMIT 0; "
      "SELECT source, partition, next_offset, cursor FROM position_marks LIMIT 0; "
      "SELECT generation, fingerprint FROM seen_event_ids LIMIT 0; "
      "SELECT generation, ids, removed_generation, removed_fingerprint FROM event_id_order LIMIT 0; "
      "SELECT place_id, name, category, location::geography, version, updated_at, deleted_at::timestamptz FROM places "
      "LIMIT 0; "
      "SELECT key, value FROM sql_state LIMIT 0; "
      "SELECT state_id, place, shared, since FROM schema_owners LIMIT 0; "
      "SELECT made_at, expires_at, invalidations, key, user_id, tags, answer FROM kept_answers LIMIT 0; "
      "SELECT serial, written_at, everything, tags FROM answer_invalidations LIMIT 0; "
      "SELECT serial FROM answer_invalidation_order LIMIT 0");
}

/// Asked of the catalogue, which everybody may read.
bool was_made_before(pqxx::work& transaction, const std::string& schema) {
  return exists(transaction,
                "SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
                "WHERE c.relname = 'schema_migrations' AND n.nspname = $1",
                schema);
}

/// Brings the schema up to date. `made`: set when it was there before.
Status migrate(Session& session, const std::string& schema, const SchemaOwner& owner, const Logger& log, bool* made) {
  // One transaction for all steps: PostgreSQL's DDL is transactional, so a failed upgrade leaves the old schema.
  pqxx::work transaction(session.connection());
  // An index on a large table takes its time. The lock is one for all schemas of the database: they share extensions.
  transaction.exec(
      "SET LOCAL statement_timeout = 0; SELECT pg_advisory_xact_lock(hashtextextended('cairn schema', 0))");
  CAIRN_RETURN_IF_ERROR(check_server(transaction));
  *made = was_made_before(transaction, schema);
  CAIRN_RETURN_IF_ERROR(ensure_postgis(transaction));
  ensure_schema(transaction, schema);
  // Again after the schema and PostGIS may have been made: the session began without them.
  session.set_search_path(transaction);
  ensure_record(transaction);
  CAIRN_ASSIGN_OR_RETURN(const int last, check_recorded(transaction, schema));
  for (const Migration& migration : migrations().subspan(static_cast<std::size_t>(last))) run(transaction, migration);
  check_tables(transaction);
  CAIRN_RETURN_IF_ERROR(claim_schema(transaction, schema, owner));
  transaction.commit();
  if (last < static_cast<int>(migrations().size())) {
    log.info("sql.migrated", "the schema was brought up to date",
             {{"schema", schema}, {"from", std::to_string(last)}, {"to", std::to_string(migrations().size())}});
  }
  return ok_status();
}

}  // namespace

Status migrate_schema(Session& session, const std::string& schema, const SchemaOwner& owner, const Logger& log) {
  bool made = false;
  try {
    return migrate(session, schema, owner, log, &made);
  } catch (const pqxx::sql_error&) {
    Status why = current_exception_status();
    if (!made || why.code() != StatusCode::kFailedPrecondition) throw;
    return {StatusCode::kNotFound, why.message()};
  }
}

}  // namespace cairn::sql

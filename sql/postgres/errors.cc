#include "sql/postgres/errors.h"

#include <algorithm>
#include <pqxx/pqxx>
#include <string>
#include <string_view>

namespace cairn::sql {
namespace {

struct Meaning {
  std::string_view sqlstate;  ///< whole, or its class (first two characters)
  StatusCode code;
  std::string_view remedy;
};

// The first match counts: whole states stand before their class.
constexpr Meaning kMeanings[] = {
    {"08", StatusCode::kUnavailable, "the connection broke; retried"},
    {"0A", StatusCode::kFailedPrecondition, "this server cannot do it; use PostgreSQL 13 or later with PostGIS 3"},
    {"22", StatusCode::kInvalidArgument, "the server refuses a value"},
    // Our own checks come before the server's, so what is left is a row without a partition.
    {"23514", StatusCode::kUnavailable, "a partition was removed meanwhile; retried"},
    {"25006", StatusCode::kUnavailable,
     "the server is read-only (a standby?); name the primary in sql.dsn, or add target_session_attrs=read-write"},
    {"25P03", StatusCode::kUnavailable, "the transaction stood idle too long; retried"},
    {"28", StatusCode::kFailedPrecondition, "check user and password in sql.dsn and the server's pg_hba.conf"},
    {"3D000", StatusCode::kFailedPrecondition, "create the database, or correct dbname in sql.dsn"},
    {"3F000", StatusCode::kFailedPrecondition, "the schema is missing: the migration has not run"},
    {"40", StatusCode::kUnavailable, "the server rolled the transaction back; retried"},
    {"42501", StatusCode::kFailedPrecondition,
     "grant the role of sql.dsn what the message says, or run the migration once as the owner of the database"},
    {"42P01", StatusCode::kFailedPrecondition,
     "a table is missing: the migration has not run, or it was dropped (consumer_positions: cairn sql "
     "restore-positions)"},
    {"42P07", StatusCode::kFailedPrecondition, "a table of that name is in the way; rename it, or attach it"},
    {"42P17", StatusCode::kFailedPrecondition, "a partition made by hand overlaps a month; detach it"},
    {"42703", StatusCode::kFailedPrecondition, "a column is missing: the tables were altered by hand"},
    {"42846", StatusCode::kFailedPrecondition, "a column has another type: the tables were altered by hand"},
    {"42704", StatusCode::kFailedPrecondition, "is the extension postgis in this database? CREATE EXTENSION postgis"},
    {"42883", StatusCode::kFailedPrecondition, "is the extension postgis in this database? CREATE EXTENSION postgis"},
    {"53100", StatusCode::kResourceExhausted, "the server's disk is full; make room"},
    {"53300", StatusCode::kUnavailable, "raise max_connections, or lower sql.pool_size"},
    {"53", StatusCode::kResourceExhausted, "the server is short of memory or another resource"},
    {"55P03", StatusCode::kUnavailable, "another session holds the lock too long (see pg_stat_activity); retried"},
    {"57014", StatusCode::kUnavailable, "cancelled, or longer than sql.statement_timeout; retried"},
    {"57", StatusCode::kUnavailable, "the server is stopping, starting or was told to end the session; retried"},
    {"58P01", StatusCode::kFailedPrecondition, "a file of the server is missing; install the extension's package"},
    {"58", StatusCode::kUnavailable, "the server has trouble with its disk; see its log"},
    {"XX001", StatusCode::kDataLoss, "the server found damaged data; see its log"},
    {"XX002", StatusCode::kDataLoss, "the server found a damaged index; REINDEX it"},
};

// Failures to connect carry no SQLSTATE in libpq; these are the server's words when a person must mend something.
constexpr std::string_view kMendBeforeConnecting[] = {
    "password authentication failed", "no pg_hba.conf entry",           "no password supplied",      "does not exist",
    "authentication failed",          "permission denied for database", "is not permitted to log in"};

/// One line, without "ERROR:  " and what follows the first line (it may quote rows).
std::string first_line(std::string_view text) {
  text = text.substr(0, text.find('\n'));
  for (const std::string_view prefix : {"ERROR:", "FATAL:", "PANIC:"}) {
    if (text.starts_with(prefix)) text.remove_prefix(prefix.size());
  }
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  return std::string(text.substr(0, 400));
}

std::string one_line(std::string_view text) {
  std::string line(text.substr(0, 600));
  while (!line.empty() && (line.back() == '\n' || line.back() == ' ')) line.pop_back();
  std::replace(line.begin(), line.end(), '\n', ' ');
  std::replace(line.begin(), line.end(), '\t', ' ');
  return line;
}

Status from_sqlstate(std::string_view sqlstate, std::string_view what) {
  const std::string said = first_line(what) + " (SQLSTATE " + std::string(sqlstate) + ")";
  for (const Meaning& meaning : kMeanings) {
    if (sqlstate.starts_with(meaning.sqlstate)) return {meaning.code, said + "; " + std::string(meaning.remedy)};
  }
  return internal_error(said);
}

Status from_broken_connection(std::string_view what) {
  const bool mend = std::any_of(std::begin(kMendBeforeConnecting), std::end(kMendBeforeConnecting),
                                [&](std::string_view words) { return what.find(words) != std::string_view::npos; });
  // A missing socket file says "does not exist" nowhere but "No such file"; a missing role or database says FATAL.
  if (mend && what.find("FATAL:") != std::string_view::npos) {
    return failed_precondition(one_line(what) + "; check sql.dsn and the server's pg_hba.conf");
  }
  return unavailable(one_line(what));
}

}  // namespace

Status status_of_sqlstate(std::string_view sqlstate, std::string_view what) { return from_sqlstate(sqlstate, what); }

Status status_of_connection_failure(std::string_view what) { return from_broken_connection(what); }

Status current_exception_status() {
  try {
    throw;
  } catch (const pqxx::too_many_connections& e) {
    return from_sqlstate("53300", e.what());
  } catch (const pqxx::broken_connection& e) {
    return from_broken_connection(e.what());
  } catch (const pqxx::in_doubt_error& e) {
    return unavailable(one_line(e.what()));
  } catch (const pqxx::transaction_rollback& e) {  // deadlock, serialization: carries no SQLSTATE
    return from_sqlstate("40000", e.what());
  } catch (const pqxx::insufficient_privilege& e) {  // nor does this one, in 6.4
    return from_sqlstate("42501", e.what());
  } catch (const pqxx::sql_error& e) {
    // A connection that breaks in the middle may come as an sql_error without a state (libpqxx #280).
    return e.sqlstate().empty() ? unavailable(one_line(e.what())) : from_sqlstate(e.sqlstate(), e.what());
  } catch (const pqxx::failure& e) {  // a COPY that could not be sent on
    return unavailable(one_line(e.what()));
  } catch (const std::exception& e) {
    return internal_error(one_line(e.what()));
  }
}

}  // namespace cairn::sql

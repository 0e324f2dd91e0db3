#include "sql/postgres/connection_settings.h"

#include <libpq-fe.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <map>
#include <memory>
#include <string_view>
#include <system_error>

namespace cairn::sql {
namespace {

using Parameters = std::map<std::string, std::string>;

struct FreeConninfo {
  void operator()(PQconninfoOption* options) const noexcept { PQconninfoFree(options); }
};

/// libpq's own message is not passed on: it quotes the string, which may hold a password.
Result<Parameters> parse_dsn(const std::string& dsn) {
  char* error = nullptr;
  const std::unique_ptr<PQconninfoOption, FreeConninfo> parsed(PQconninfoParse(dsn.c_str(), &error));
  if (error != nullptr) PQfreemem(error);
  if (parsed == nullptr || dsn.find('\0') != std::string::npos) {
    return invalid_argument(
        "sql.dsn is neither libpq keywords (host=... dbname=... user=...) nor a postgresql:// URI; see "
        "https://www.postgresql.org/docs/15/libpq-connect.html#LIBPQ-CONNSTRING");
  }
  Parameters parameters;
  for (const PQconninfoOption* option = parsed.get(); option->keyword != nullptr; ++option) {
    if (option->val != nullptr) parameters[option->keyword] = option->val;
  }
  return parameters;
}

/// libpq finds out only when it connects. Empty entries mean the default.
Status check_ports(const Parameters& parameters) {
  const auto given = parameters.find("port");
  std::string_view rest = given == parameters.end() ? std::string_view() : given->second;
  for (bool more = !rest.empty(); more;) {
    const std::size_t comma = rest.find(',');
    more = comma != std::string_view::npos;
    const std::string_view port = rest.substr(0, comma);
    rest.remove_prefix(more ? comma + 1 : rest.size());
    int number = 1;
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
    const bool is_number = port.empty() || (error == std::errc() && end == port.data() + port.size());
    if (!is_number || number < 1 || number > 65'535) {
      return invalid_argument("sql.dsn has a port that is no number from 1 to 65535");
    }
  }
  return ok_status();
}

std::string to_conninfo(const Parameters& parameters) {
  std::string text;
  for (const auto& [keyword, value] : parameters) {
    if (!text.empty()) text += ' ';
    text += keyword + "='";
    for (const char c : value) {
      if (c == '\'' || c == '\\') text += '\\';
      text += c;
    }
    text += '\'';
  }
  return text;
}

bool valid_schema(const std::string& name) {
  const auto is_word = [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; };
  const auto is_tail = [&](char c) { return is_word(c) || (c >= '0' && c <= '9'); };
  return !name.empty() && name.size() <= 63 && is_word(name[0]) && std::all_of(name.begin(), name.end(), is_tail);
}

Status check(const SqlOptions& options) {
  if (options.dsn.empty()) return invalid_argument("sql.dsn is empty");
  if (!valid_schema(options.schema) || options.schema.starts_with("pg_")) {
    return invalid_argument("sql.schema '" + options.schema +
                            "' must be 1 to 63 of a-z, 0-9 and _, not begin with a digit and not with pg_");
  }
  if (options.pool_size < 1 || options.pool_size > 1000) return invalid_argument("sql.pool_size must be 1 to 1000");
  if (options.partitions_max < 1) return invalid_argument("sql.partitions_max must be at least 1");
  if (options.partitions_ahead_months < 0 || options.partitions_ahead_months > 120) {
    return invalid_argument("sql.partitions_ahead_months must be 0 to 120");
  }
  if (options.partitions_ahead_months + 2 > options.partitions_max) {
    return invalid_argument("sql.partitions_max must hold the last month, this one and sql.partitions_ahead_months");
  }
  if (options.statement_timeout < std::chrono::milliseconds(100) ||
      options.statement_timeout > std::chrono::hours(24)) {
    return invalid_argument("sql.statement_timeout must be 100 ms to 24 h");
  }
  return ok_status();
}

}  // namespace

Result<ConnectionSettings> connection_settings(const SqlOptions& options) {
  CAIRN_RETURN_IF_ERROR(check(options));
  CAIRN_ASSIGN_OR_RETURN(Parameters parameters, parse_dsn(options.dsn));
  CAIRN_RETURN_IF_ERROR(check_ports(parameters));
  // insert() keeps what the DSN says. The times bound how long a server that vanished without a word is waited for.
  parameters.insert({{"application_name", "cairn"},
                     {"connect_timeout", "5"},
                     {"tcp_user_timeout", "30000"},
                     {"keepalives_idle", "30"},
                     {"keepalives_interval", "10"},
                     {"keepalives_count", "3"}});
  // Ids are UTF-8 here, so another encoding would change or refuse them.
  parameters["client_encoding"] = "UTF8";
  // A lock is waited for less long than the statement may run, so that the message tells which of the two it was.
  return ConnectionSettings{
      .conninfo = to_conninfo(parameters),
      .schema = options.schema,
      .statement_timeout = options.statement_timeout,
      .lock_timeout = std::min<std::chrono::milliseconds>(options.statement_timeout / 2, std::chrono::seconds(10))};
}

}  // namespace cairn::sql

#include "sql/postgres/session.h"

#include <poll.h>

#include <string>

namespace cairn::sql {
namespace {

std::string timeout(std::string_view setting, std::chrono::milliseconds value) {
  return "SET " + std::string(setting) + " = " + std::to_string(value.count()) + "; ";
}

// Texts of values must not depend on the server's or the database's settings, so every session sets what they depend
// on.
std::string setup_statements(const ConnectionSettings& settings) {
  return timeout("statement_timeout", settings.statement_timeout) + timeout("lock_timeout", settings.lock_timeout) +
         timeout("idle_in_transaction_session_timeout", settings.statement_timeout) +
         "SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET bytea_output = 'hex'; SET extra_float_digits = 1; "
         "SET standard_conforming_strings = on; SET client_min_messages = warning; "
         "SET default_transaction_isolation = 'read committed'";
}

/// A reconnection behind our back would lose the session's settings and staging tables without a word.
void forbid_reactivation(pqxx::connection& connection) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  connection.inhibit_reactivation(true);
#pragma GCC diagnostic pop
}

}  // namespace

/// Server notices and libpqxx's own warnings go to the log instead of stderr.
class Session::Notices final : public pqxx::errorhandler {
 public:
  Notices(pqxx::connection& connection, Logger log) : pqxx::errorhandler(connection), log_(std::move(log)) {}

  bool operator()(const char message[]) noexcept override {
    std::string_view text(message);
    while (text.ends_with('\n')) text.remove_suffix(1);
    try {
      log_.warning("sql.notice", text);
    } catch (...) {  // a notice is not worth the process
    }
    return false;
  }

 private:
  const Logger log_;
};

Session::Session(const ConnectionSettings& settings, Logger log)
    : schema_(settings.schema),
      connection_(settings.conninfo),
      notices_(std::make_unique<Notices>(connection_, std::move(log))) {
  forbid_reactivation(connection_);
  pqxx::nontransaction transaction(connection_);
  transaction.exec(setup_statements(settings));
  set_search_path(transaction);
}

Session::~Session() = default;

void Session::set_search_path(pqxx::transaction_base& transaction) {
  transaction.exec("SELECT set_config('search_path', '\"" + schema_ +
                   "\"' || coalesce((SELECT ', ' || quote_ident(n.nspname) FROM pg_extension e"
                   " JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'postgis'), ''), false)");
}

bool Session::is_quiet() const noexcept {
  pollfd socket{.fd = connection_.sock(), .events = POLLIN, .revents = 0};
  // Between uses a server has nothing to say: readable means that it closed the connection or announces to do so.
  return socket.fd >= 0 && ::poll(&socket, 1, 0) == 0;
}

}  // namespace cairn::sql

#pragma once

#include <memory>
#include <pqxx/pqxx>
#include <string_view>

#include "cairn/log.h"
#include "sql/postgres/connection_settings.h"

namespace cairn::sql {

/// One connection, set up: search_path (our schema, then PostGIS's), UTC, timeouts, no silent reconnection.
/// One thread at a time. Throws what libpqxx throws; Pool is what catches. After any exception the session is to be
/// destroyed: libpqxx 6 may find a dead connection alive.
class Session {
 public:
  /// Connects.
  Session(const ConnectionSettings& settings, Logger log);
  ~Session();

  [[nodiscard]] pqxx::connection& connection() noexcept { return connection_; }

  /// Makes unqualified names mean our schema's, also for a schema or a PostGIS that came after the session began.
  void set_search_path(pqxx::transaction_base& transaction);

  /// False when the server has said or closed something since the last use: then the session is of no more use. Looks
  /// at the socket only.
  [[nodiscard]] bool is_quiet() const noexcept;

 private:
  class Notices;

  const std::string schema_;
  pqxx::connection connection_;
  std::unique_ptr<Notices> notices_;  // after the connection: unregisters itself from it
};

}  // namespace cairn::sql

#pragma once

#include <chrono>
#include <string>

#include "cairn/options.h"
#include "cairn/status.h"

namespace cairn::sql {

/// What every session is opened with.
struct ConnectionSettings {
  std::string conninfo;  ///< libpq keywords and values; holds the password, never goes into a message or log
  std::string schema;    ///< checked: [a-z_][a-z0-9_]{0,62}, so it may stand in SQL between double quotes
  std::chrono::milliseconds statement_timeout;
  std::chrono::milliseconds lock_timeout;
};

/// Reads the options. The DSN may be keywords or a URI; what it says wins over our defaults (connect_timeout 5 s,
/// tcp_user_timeout 30 s, keepalives, application_name "cairn"), except that the client encoding is UTF-8.
/// Returns: INVALID_ARGUMENT.
[[nodiscard]] Result<ConnectionSettings> connection_settings(const SqlOptions& options);

}  // namespace cairn::sql

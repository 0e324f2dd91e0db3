#pragma once

#include <libpq-fe.h>

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>

#include "cairn/status.h"
#include "sql/postgres/connection_settings.h"

namespace cairn::sql {

/// A connection by libpq itself, for what libpqxx 6 cannot do: to wait for a server no longer than so long, to hear of
/// notifications, and to send bytes as they are. Set up as a Session is.
///
/// After an error it is to be destroyed; that waits for no server. Threads: one at a time.
class PlainConnection {
 public:
  using Deadline = std::chrono::steady_clock::time_point;

  /// Connects, which may take the connect_timeout of the settings.
  [[nodiscard]] static Result<std::unique_ptr<PlainConnection>> open(const ConnectionSettings& settings);

  /// A value of a statement: text, or bytes as the type of the parameter has them.
  struct Value {
    std::optional<std::string_view> text;  ///< absent: NULL. Text must end with a NUL behind its end
    bool binary = false;
  };
  struct FreeResult {
    void operator()(PGresult* result) const noexcept { PQclear(result); }
  };
  using Rows = std::unique_ptr<PGresult, FreeResult>;

  /// Runs one statement. Returns: DEADLINE_EXCEEDED; the server's error, as errors.h translates it.
  [[nodiscard]] Result<Rows> run(const char* statement, std::span<const Value> values, Deadline deadline);

  /// Prepares a statement, which run_prepared() then runs; values of its rows are bytes. Returns: as run().
  [[nodiscard]] Status prepare(const char* name, const char* statement, Deadline deadline);
  [[nodiscard]] Result<Rows> run_prepared(const char* name, std::span<const Value> values, Deadline deadline);

  /// Whether the server has neither said nor closed anything since the last use. Looks at the socket only.
  [[nodiscard]] bool is_quiet() const noexcept;

  /// Waits for a notification, until `deadline` or a stop. Returns: whether there was one; UNAVAILABLE.
  [[nodiscard]] Result<bool> wait_for_notification(Deadline deadline, const std::stop_token& stop);

 private:
  struct Finish {
    void operator()(PGconn* connection) const noexcept { PQfinish(connection); }
  };
  struct Arrays;
  explicit PlainConnection(PGconn* connection) : connection_(connection) {}

  [[nodiscard]] Status broken() const;
  /// Returns: false when the deadline has passed.
  [[nodiscard]] bool wait_for_socket(short events, Deadline deadline) const noexcept;
  [[nodiscard]] Result<Rows> read_result(Deadline deadline);
  [[nodiscard]] bool take_notifications();

  std::unique_ptr<PGconn, Finish> connection_;
};

}  // namespace cairn::sql

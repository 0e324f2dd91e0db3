#include "sql/postgres/plain_connection.h"

#include <poll.h>

#include <algorithm>
#include <vector>

#include "sql/postgres/errors.h"

namespace cairn::sql {
namespace {

using std::chrono::milliseconds;

// How long a stop is not noticed.
constexpr milliseconds kStopEvery{100};
constexpr milliseconds kSetupWithin{5'000};

std::string setup_statements(const ConnectionSettings& settings) {
  const std::string timeout = std::to_string(settings.statement_timeout.count());
  return "SET statement_timeout = " + timeout +
         "; SET lock_timeout = " + std::to_string(settings.lock_timeout.count()) +
         "; SET idle_in_transaction_session_timeout = " + timeout +
         "; SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET standard_conforming_strings = on; "
         "SET client_min_messages = warning; SET search_path = \"" +
         settings.schema + "\"";
}

}  // namespace

Result<std::unique_ptr<PlainConnection>> PlainConnection::open(const ConnectionSettings& settings) {
  std::unique_ptr<PlainConnection> made(new PlainConnection(PQconnectdb(settings.conninfo.c_str())));
  PGconn* const connection = made->connection_.get();
  if (connection == nullptr) return unavailable("libpq has no memory for a connection");
  if (PQstatus(connection) != CONNECTION_OK) return status_of_connection_failure(PQerrorMessage(connection));
  PQsetNoticeProcessor(
      connection, [](void*, const char*) {}, nullptr);
  // Several statements need the simple protocol, which has no values.
  if (PQsendQuery(connection, setup_statements(settings).c_str()) == 0) return made->broken();
  CAIRN_RETURN_IF_ERROR(made->read_result(std::chrono::steady_clock::now() + kSetupWithin).status());
  if (PQsetnonblocking(connection, 1) != 0) return made->broken();
  return made;
}

Status PlainConnection::broken() const { return status_of_connection_failure(PQerrorMessage(connection_.get())); }

bool PlainConnection::wait_for_socket(short events, Deadline deadline) const noexcept {
  const auto left = std::chrono::ceil<milliseconds>(deadline - std::chrono::steady_clock::now());
  if (left.count() <= 0) return false;
  pollfd socket{.fd = PQsocket(connection_.get()), .events = events, .revents = 0};
  // What it says does not matter: whoever waits looks, and waits again.
  static_cast<void>(::poll(&socket, 1, static_cast<int>(std::min<std::int64_t>(left.count(), 60'000))));
  return true;
}

struct PlainConnection::Arrays {
  explicit Arrays(std::span<const Value> values) : count(static_cast<int>(values.size())) {
    for (const Value& value : values) {
      texts.push_back(value.text ? value.text->data() : nullptr);
      lengths.push_back(value.text ? static_cast<int>(value.text->size()) : 0);
      formats.push_back(value.binary ? 1 : 0);
    }
  }
  int count;
  std::vector<const char*> texts;
  std::vector<int> lengths;
  std::vector<int> formats;
};

Result<PlainConnection::Rows> PlainConnection::run(const char* statement, std::span<const Value> values,
                                                   Deadline deadline) {
  const Arrays arrays(values);
  if (PQsendQueryParams(connection_.get(), statement, arrays.count, nullptr, arrays.texts.data(), arrays.lengths.data(),
                        arrays.formats.data(), 0) == 0) {
    return broken();
  }
  return read_result(deadline);
}

Status PlainConnection::prepare(const char* name, const char* statement, Deadline deadline) {
  if (PQsendPrepare(connection_.get(), name, statement, 0, nullptr) == 0) return broken();
  return read_result(deadline).status();
}

Result<PlainConnection::Rows> PlainConnection::run_prepared(const char* name, std::span<const Value> values,
                                                            Deadline deadline) {
  const Arrays arrays(values);
  if (PQsendQueryPrepared(connection_.get(), name, arrays.count, arrays.texts.data(), arrays.lengths.data(),
                          arrays.formats.data(), 1) == 0) {
    return broken();
  }
  return read_result(deadline);
}

Result<PlainConnection::Rows> PlainConnection::read_result(Deadline deadline) {
  PGconn* const connection = connection_.get();
  const auto late = [] { return deadline_exceeded("PostgreSQL did not answer in time"); };
  // While it is written, the server may want to be read from, or neither side goes on.
  for (int left = PQflush(connection); left != 0; left = PQflush(connection)) {
    if (left < 0) return broken();
    if (std::chrono::steady_clock::now() >= deadline || !wait_for_socket(POLLIN | POLLOUT, deadline)) return late();
    if (PQconsumeInput(connection) == 0) return broken();
  }
  Rows last;
  for (;;) {
    while (PQisBusy(connection) != 0) {
      if (!wait_for_socket(POLLIN, deadline)) return late();
      if (PQconsumeInput(connection) == 0) return broken();
    }
    Rows next(PQgetResult(connection));
    if (!next) break;
    const ExecStatusType status = PQresultStatus(next.get());
    // A later statement of several does not run after this; who sees an error gives the connection up.
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
      const char* const state = PQresultErrorField(next.get(), PG_DIAG_SQLSTATE);
      return state == nullptr ? broken() : status_of_sqlstate(state, PQresultErrorMessage(next.get()));
    }
    last = std::move(next);
  }
  return last;
}

bool PlainConnection::is_quiet() const noexcept {
  pollfd socket{.fd = PQsocket(connection_.get()), .events = POLLIN, .revents = 0};
  return socket.fd >= 0 && ::poll(&socket, 1, 0) == 0;
}

bool PlainConnection::take_notifications() {
  bool any = false;
  while (PGnotify* const one = PQnotifies(connection_.get())) {
    PQfreemem(one);
    any = true;
  }
  return any;
}

Result<bool> PlainConnection::wait_for_notification(Deadline deadline, const std::stop_token& stop) {
  for (;;) {
    if (PQconsumeInput(connection_.get()) == 0) return broken();
    if (take_notifications()) return true;
    const auto now = std::chrono::steady_clock::now();
    if (now >= deadline || stop.stop_requested()) return false;
    static_cast<void>(wait_for_socket(POLLIN, std::min(deadline, now + kStopEvery)));
  }
}

}  // namespace cairn::sql

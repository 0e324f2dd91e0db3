#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/temporary_folder.h"

namespace cairn::test {

/// The private PostgreSQL + PostGIS of a test program (`tools/dev postgres`): started at the first call of shared(),
/// removed when the program ends, also when it is killed. Throws std::runtime_error with the tool's message when it
/// cannot be had.
///
/// Threads: any, except that stop_immediate() and start() are one thread's.
class TestCluster {
 public:
  [[nodiscard]] static TestCluster& shared();

  /// Of a new database with PostGIS.
  [[nodiscard]] std::string fresh_database();
  /// Of a new database without any extension.
  [[nodiscard]] std::string fresh_plain_database();

  /// libpq keywords for another database or role of this cluster.
  [[nodiscard]] std::string dsn(const std::string& database, const std::string& user = "cairn") const;

  /// Where the server's socket is, and the number in its name.
  [[nodiscard]] const std::string& socket_folder() const noexcept { return socket_folder_; }
  [[nodiscard]] const std::string& port() const noexcept { return port_; }

  /// Stops the server as a crash would.
  void stop_immediate();
  /// Starts it again; returns when it answers.
  void start();

  ~TestCluster();

 private:
  TestCluster();
  std::string create_database(const std::string& how);

  TemporaryFolder folder_;
  int watchdog_pipe_ = -1;  // closed: the watchdog removes the cluster
  int watchdog_ = -1;
  std::string socket_folder_;
  std::string port_;
  std::mutex mutex_;
  int databases_ = 0;  // guarded by mutex_
};

/// A connection of the test's own, by plain libpq: another way to the tables than the code under test takes.
/// One thread at a time. Throws std::runtime_error with the server's message.
class PgClient {
 public:
  using Row = std::vector<std::optional<std::string>>;

  explicit PgClient(const std::string& dsn);
  ~PgClient();
  PgClient(PgClient&&) noexcept;

  /// Runs one or several statements; the rows of the last.
  std::vector<Row> query(const std::string& sql);
  /// The only value of the only row.
  std::string value(const std::string& sql);

 private:
  struct Connection;
  std::unique_ptr<Connection> connection_;
};

}  // namespace cairn::test

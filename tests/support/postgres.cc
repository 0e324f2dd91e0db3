#include "tests/support/postgres.h"

#include <fcntl.h>
#include <libpq-fe.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <stdexcept>

namespace cairn::test {
namespace {

std::string tool() {
  const char* source = std::getenv("CAIRN_SOURCE_DIR");
  return std::string(source != nullptr ? source : CAIRN_SOURCE_DIR) + "/tools/dev";
}

/// Runs a command of the shell; what it prints, without the last newline.
std::string run(const std::string& command) {
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "re");
  if (pipe == nullptr) throw std::runtime_error("cannot run: " + command);
  std::string output;
  char buffer[4096];
  while (const std::size_t size = ::fread(buffer, 1, sizeof buffer, pipe)) output.append(buffer, size);
  const int status = ::pclose(pipe);
  while (output.ends_with('\n')) output.pop_back();
  if (status != 0) throw std::runtime_error(command + ": " + output);
  return output;
}

std::string word_after(const std::string& text, const std::string& key) {
  const std::size_t begin = text.rfind(key) + key.size();
  return text.substr(begin, text.find(' ', begin) - begin);
}

/// A process that removes the cluster once `read_end` of a pipe, its stdin, is at its end.
int spawn_watchdog(const std::string& folder, int read_end) {
  const std::string script = "read -r _; '" + tool() + "' postgres down --immediate --purge --dir '" + folder + "'";
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, read_end, STDIN_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
  const char* argv[] = {"sh", "-c", script.c_str(), nullptr};
  pid_t pid = -1;
  const int error = ::posix_spawn(&pid, "/bin/sh", &actions, &attributes, const_cast<char**>(argv), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw std::runtime_error("cannot start /bin/sh");
  return pid;
}

}  // namespace

TestCluster& TestCluster::shared() {
  static TestCluster cluster;
  return cluster;
}

TestCluster::TestCluster() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe2 failed");
  watchdog_pipe_ = ends[1];
  watchdog_ = spawn_watchdog(folder_.path(), ends[0]);
  ::close(ends[0]);
  start();
}

TestCluster::~TestCluster() {
  ::close(watchdog_pipe_);
  int status = 0;
  ::waitpid(watchdog_, &status, 0);
}

std::string TestCluster::dsn(const std::string& database, const std::string& user) const {
  return "host=" + socket_folder_ + " port=" + port_ + " dbname=" + database + " user=" + user;
}

std::string TestCluster::fresh_database() { return create_database("TEMPLATE cairn"); }
std::string TestCluster::fresh_plain_database() { return create_database("TEMPLATE template0"); }

std::string TestCluster::create_database(const std::string& how) {
  const std::lock_guard lock(mutex_);
  const std::string name = "test_" + std::to_string(++databases_);
  PgClient(dsn("postgres")).query("CREATE DATABASE " + name + " " + how);
  return dsn(name);
}

void TestCluster::stop_immediate() { run("'" + tool() + "' postgres down --immediate --dir '" + folder_.path() + "'"); }

void TestCluster::start() {
  const std::string printed = run("'" + tool() + "' postgres up --unsafe-fast --dir '" + folder_.path() + "'");
  socket_folder_ = word_after(printed, "host=");
  port_ = word_after(printed, "port=");
}

struct PgClient::Connection {
  PGconn* pg;
  explicit Connection(const std::string& dsn) : pg(PQconnectdb(dsn.c_str())) {}
  ~Connection() { PQfinish(pg); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
};

PgClient::PgClient(const std::string& dsn) : connection_(std::make_unique<Connection>(dsn)) {
  if (PQstatus(connection_->pg) != CONNECTION_OK) throw std::runtime_error(PQerrorMessage(connection_->pg));
  PQsetNoticeProcessor(
      connection_->pg, [](void*, const char*) {}, nullptr);
}
PgClient::~PgClient() = default;
PgClient::PgClient(PgClient&&) noexcept = default;

std::vector<PgClient::Row> PgClient::query(const std::string& sql) {
  const std::unique_ptr<PGresult, decltype(&PQclear)> result(PQexec(connection_->pg, sql.c_str()), &PQclear);
  const ExecStatusType status = PQresultStatus(result.get());
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
    throw std::runtime_error(std::string(PQerrorMessage(connection_->pg)) + "in: " + sql);
  }
  std::vector<Row> rows(static_cast<std::size_t>(PQntuples(result.get())));
  for (int r = 0; r < PQntuples(result.get()); ++r) {
    for (int c = 0; c < PQnfields(result.get()); ++c) {
      const bool null = PQgetisnull(result.get(), r, c) != 0;
      rows[static_cast<std::size_t>(r)].push_back(null ? std::nullopt
                                                       : std::optional<std::string>(PQgetvalue(result.get(), r, c)));
    }
  }
  return rows;
}

std::string PgClient::value(const std::string& sql) {
  const std::vector<Row> rows = query(sql);
  if (rows.size() != 1 || rows[0].size() != 1) throw std::runtime_error("not one value: " + sql);
  return rows[0][0].value_or("NULL");
}

}  // namespace cairn::test

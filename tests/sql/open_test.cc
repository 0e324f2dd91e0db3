#include <doctest/doctest.h>

#include "sql/postgres/connection_settings.h"
#include "tests/sql/interaction_stream.h"

namespace cairn::sql {
namespace {

StatusCode code_of(const SqlOptions& options) {
  return open_database(options, test_types(), kDedupIds, Logger()).status().code();
}

TEST_CASE("options that cannot work are refused before anything is connected") {
  const std::string dsn = "host=/nowhere dbname=x";
  CHECK(code_of({.dsn = dsn}) == StatusCode::kOk);
  CHECK(code_of({.dsn = "postgresql://u:p@localhost:1/x"}) == StatusCode::kOk);
  CHECK(code_of({.dsn = ""}) == StatusCode::kInvalidArgument);
  CHECK(code_of({.dsn = "nonsense"}) == StatusCode::kInvalidArgument);
  CHECK(code_of({.dsn = "host=x unknown_key=1"}) == StatusCode::kInvalidArgument);
  for (const char* port : {"abc", "0", "65536", "5432x", "-1", "5432,x"}) {
    INFO("port ", port);
    CHECK(code_of({.dsn = dsn + " port=" + port}) == StatusCode::kInvalidArgument);
  }
  CHECK(code_of({.dsn = "postgresql://u:p@localhost:here/x"}) == StatusCode::kInvalidArgument);
  CHECK(code_of({.dsn = "host=a,b port=5432,5433"}) == StatusCode::kOk);
  CHECK(code_of({.dsn = "host=a,b port=5432,"}) == StatusCode::kOk);  // empty: the default
  CHECK(code_of({.dsn = dsn, .pool_size = 0}) == StatusCode::kInvalidArgument);
  CHECK(code_of({.dsn = dsn, .partitions_ahead_months = 10, .partitions_max = 11}) == StatusCode::kInvalidArgument);
  CHECK(code_of({.dsn = dsn, .statement_timeout = std::chrono::milliseconds(0)}) == StatusCode::kInvalidArgument);
}

TEST_CASE("each limit of the options is the last value that is taken") {
  const auto with = [](const auto& change) {
    SqlOptions options{.dsn = "host=/nowhere", .partitions_ahead_months = 3, .partitions_max = 240};
    change(&options);
    return code_of(options);
  };
  const StatusCode taken = StatusCode::kOk;
  const StatusCode refused = StatusCode::kInvalidArgument;
  CHECK(with([](auto* o) { o->pool_size = 1; }) == taken);
  CHECK(with([](auto* o) { o->pool_size = 1000; }) == taken);
  CHECK(with([](auto* o) { o->pool_size = 1001; }) == refused);
  CHECK(with([](auto* o) { o->partitions_ahead_months = -1; }) == refused);
  CHECK(with([](auto* o) { o->partitions_ahead_months = 0; }) == taken);
  CHECK(with([](auto* o) { o->partitions_ahead_months = 120; }) == taken);
  CHECK(with([](auto* o) { o->partitions_ahead_months = 121; }) == refused);
  CHECK(with([](auto* o) { o->partitions_max = 5; }) == taken);  // last month, this one and three ahead
  CHECK(with([](auto* o) { o->partitions_max = 4; }) == refused);
  CHECK(with([](auto* o) { o->statement_timeout = std::chrono::milliseconds(99); }) == refused);
  CHECK(with([](auto* o) { o->statement_timeout = std::chrono::milliseconds(100); }) == taken);
  CHECK(with([](auto* o) { o->statement_timeout = std::chrono::hours(24); }) == taken);
  CHECK(with([](auto* o) { o->statement_timeout = std::chrono::hours(24) + std::chrono::milliseconds(1); }) == refused);
  CHECK(with([](auto* o) { o->schema = std::string(63, 'a'); }) == taken);
  for (const char* port : {"1", "65535"})
    CHECK(with([&](auto* o) { o->dsn += std::string(" port=") + port; }) == taken);
}

TEST_CASE("a lock is waited for half as long as a statement may run, and never longer than ten seconds") {
  const auto waited = [](std::chrono::milliseconds statement) {
    return connection_settings({.dsn = "host=/nowhere", .statement_timeout = statement}).value().lock_timeout;
  };
  CHECK(waited(std::chrono::milliseconds(400)) == std::chrono::milliseconds(200));
  CHECK(waited(std::chrono::seconds(20)) == std::chrono::seconds(10));
  CHECK(waited(std::chrono::minutes(10)) == std::chrono::seconds(10));
}

TEST_CASE("a schema's name is a plain identifier and nothing that could be SQL") {
  for (const char* name : {"", "Cairn", "1a", "a b", "a\"; DROP SCHEMA public; --", "a-b", "é", "pg_mine", "a`", "a{",
                           "a/", "a:", "A", "a9A"}) {
    INFO("schema ", name);
    CHECK(code_of({.dsn = "host=/nowhere", .schema = name}) == StatusCode::kInvalidArgument);
  }
  CHECK(code_of({.dsn = "host=/nowhere", .schema = std::string(64, 'a')}) == StatusCode::kInvalidArgument);
  for (const char* name : {"_a1", "a", "z", "az09", "_"}) {
    INFO("schema ", name);
    CHECK(code_of({.dsn = "host=/nowhere", .schema = name}) == StatusCode::kOk);
  }
}

TEST_CASE("a password in a bad connection string is not repeated in the message") {
  const auto opened = open_database({.dsn = "password=my secret"}, test_types(), kDedupIds, Logger());
  CHECK(opened.status().message().find("secret") == std::string::npos);
}

TEST_CASE("a server that is not there is unavailable, a database or role that is not is to be mended") {
  const Status nowhere = open(options_for("host=/nowhere dbname=x")).upkeep->ping();
  CHECK(nowhere.code() == StatusCode::kUnavailable);
  // libpq's message has two lines and ends its last.
  CHECK_MESSAGE(nowhere.message().find('\n') == std::string::npos, nowhere.message());
  CHECK_MESSAGE(!nowhere.message().ends_with(' '), nowhere.message());
  const test::TestCluster& cluster = test::TestCluster::shared();
  CHECK(open(options_for(cluster.dsn("no_such_database"))).upkeep->ping().code() == StatusCode::kFailedPrecondition);
  CHECK(open(options_for(cluster.dsn("cairn", "no_such_role"))).upkeep->ping().code() ==
        StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace cairn::sql

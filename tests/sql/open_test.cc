#include <doctest/doctest.h>

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

TEST_CASE("a schema's name is a plain identifier and nothing that could be SQL") {
  for (const char* name : {"", "Cairn", "1a", "a b", "a\"; DROP SCHEMA public; --", "a-b", "é", "pg_mine"}) {
    INFO("schema ", name);
    CHECK(code_of({.dsn = "host=/nowhere", .schema = name}) == StatusCode::kInvalidArgument);
  }
  CHECK(code_of({.dsn = "host=/nowhere", .schema = std::string(64, 'a')}) == StatusCode::kInvalidArgument);
  CHECK(code_of({.dsn = "host=/nowhere", .schema = "_a1"}) == StatusCode::kOk);
}

TEST_CASE("a password in a bad connection string is not repeated in the message") {
  const auto opened = open_database({.dsn = "password=my secret"}, test_types(), kDedupIds, Logger());
  CHECK(opened.status().message().find("secret") == std::string::npos);
}

TEST_CASE("a server that is not there is unavailable, a database or role that is not is to be mended") {
  CHECK(open(options_for("host=/nowhere dbname=x")).upkeep->ping().code() == StatusCode::kUnavailable);
  const test::TestCluster& cluster = test::TestCluster::shared();
  CHECK(open(options_for(cluster.dsn("no_such_database"))).upkeep->ping().code() == StatusCode::kFailedPrecondition);
  CHECK(open(options_for(cluster.dsn("cairn", "no_such_role"))).upkeep->ping().code() ==
        StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace cairn::sql

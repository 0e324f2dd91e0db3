#include <doctest/doctest.h>

#include "tests/engine/config/check_text.h"

namespace cairn::config::test {
namespace {

TEST_CASE("the environment wins over the file, the file over the default") {
  const std::string_view text = "[sql]\npool_size = 7\nbatch_rows_max = 9\n";
  const ConfigReport report = check(text, {{"CAIRN_SQL__POOL_SIZE", "11"}, {"PATH", "/bin"}, {"CAIRN_DATA", "x"}});
  REQUIRE_MESSAGE(report.ok(), report.problems_text());
  CHECK(report.config.engine.sql.pool_size == 11);
  CHECK(report.config.engine.sql.batch_rows_max == 9);
  CHECK(report.config.engine.sql.partitions_max == SqlOptions{}.partitions_max);
}

TEST_CASE("a variable with a '_' too few is warned of, with the one that was meant, and those of others are not") {
  const ConfigReport report = check("", {{"CAIRN_SQL_DSN", "host=x password=geheim"},
                                         {"CAIRN_HTTP_LISEN", "127.0.0.1:0"},
                                         {"CAIRN_STATE_WHATEVER_THIS_IS_ABOUT", "1"},
                                         {"CAIRN_DATA", "x"},
                                         {"CAIRN_URL", "http://x"},
                                         {"CAIRN_TEST_SEED", "7"},
                                         {"CAIRN_SOURCE_DIR", "/x"}});
  REQUIRE_MESSAGE(report.ok(), report.problems_text());
  REQUIRE(report.warnings.size() == 3);  // by name
  CHECK(report.warnings_text().find("geheim") == std::string::npos);
  CHECK(report.warnings[0].to_string() ==
        "environment variable CAIRN_HTTP_LISEN: is not read: section and key are joined by two '_', "
        "CAIRN_<SECTION>__<KEY>; did you mean 'CAIRN_HTTP__LISTEN'?");
  CHECK(report.warnings[1].message.find("did you mean 'CAIRN_SQL__DSN'?") != std::string::npos);
  CHECK(report.warnings[2].place == "environment variable CAIRN_STATE_WHATEVER_THIS_IS_ABOUT");
}

TEST_CASE("every kind of value can come from the environment") {
  const ConfigReport report = check("", {{"CAIRN_STATE__SYNC", "false"},
                                         {"CAIRN_STATE__BLOCK_CACHE", "1GiB"},
                                         {"CAIRN_STATE__BATCH_WAIT_MAX", "5ms"},
                                         {"CAIRN_DECODE__TIME_MIN", "1999-01-01"},
                                         {"CAIRN_TYPES__DECLARED", "book,share"},
                                         {"CAIRN_RANKING__RADIUS_DEFAULT", "2km"},
                                         {"CAIRN_RANKING__WEIGHTS__USER_AFFINITY", "0.25"},
                                         {"CAIRN_KAFKA__PROPERTIES__SASL_USERNAME", "cairn"},
                                         {"CAIRN_HTTP__LISTEN", "127.0.0.1:0"},
                                         {"CAIRN_LOG__FORMAT", "json"}});
  REQUIRE_MESSAGE(report.ok(), report.problems_text());
  CHECK_FALSE(report.config.engine.state.sync);
  CHECK(report.config.engine.state.block_cache_bytes == 1'073'741'824);
  CHECK(report.config.engine.state.batch_wait_max == std::chrono::milliseconds{5});
  CHECK(shown(report, "decode.time_min") == "1999-01-01");
  CHECK(report.config.engine.decode.declared_types == std::vector<std::string>{"book", "share"});
  CHECK(report.config.engine.ranking.radius_meters_default == 2'000.0);
  CHECK(report.config.engine.ranking.weights.at("user_affinity") == 0.25);
  CHECK(report.config.engine.kafka.properties.at("sasl.username") == "cairn");
  CHECK(report.config.http.port == 0);
  CHECK(report.config.server.log_format == LogFormat::kJson);
}

TEST_CASE("a variable that names no key is reported with the nearest that does") {
  CHECK(problems("", {{"CAIRN_HTTP__LISEN", "x"}}) ==
        "environment variable CAIRN_HTTP__LISEN: names no key; did you mean 'CAIRN_HTTP__LISTEN'?\n");
  CHECK(problems("", {{"CAIRN_QQQ__ZZZZZZZZZZZZZZZZ", "x"}}) ==
        "environment variable CAIRN_QQQ__ZZZZZZZZZZZZZZZZ: names no key\n");
  CHECK(problems("", {{"CAIRN_FILE__NAME", "x"}}) ==
        "environment variable CAIRN_FILE__NAME: lists of tables cannot be set from the environment; write [[file]] in "
        "the file\n");
}

TEST_CASE("a wrong value in a variable is told like one in the file") {
  CHECK(problems("", {{"CAIRN_SQL__POOL_SIZE", "many"}}) ==
        "environment variable CAIRN_SQL__POOL_SIZE: sql.pool_size: must be an integer, not a string\n");
  CHECK(problems("", {{"CAIRN_SQL__POOL_SIZE", "0"}}) ==
        "environment variable CAIRN_SQL__POOL_SIZE: sql.pool_size: is 0; it must be from 1 to 100\n");
  CHECK(problems("", {{"CAIRN_RANKING__WEIGHTS__DISTANCE", "far"}}) ==
        "environment variable CAIRN_RANKING__WEIGHTS__DISTANCE: ranking.weights.distance: must be a number from -1e6 "
        "to 1e6 such "
        "as 0.5, not a string\n");
  CHECK(problems("", {{"CAIRN_KAFKA__PROPERTIES__GROUP_ID", "x"}}) ==
        "environment variable CAIRN_KAFKA__PROPERTIES__GROUP_ID: kafka.properties.group.id: may not be set: set "
        "kafka.group instead\n");
}

TEST_CASE("problems of the file come before those of the environment") {
  CHECK(problems("[log]\nlevel = 1\n", {{"CAIRN_A__B", "x"}}).starts_with("c.toml:2:9"));
}

TEST_CASE("this process's environment can be read") { CHECK(process_environment().contains("PATH")); }

}  // namespace
}  // namespace cairn::config::test

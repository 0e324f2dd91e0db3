#include <doctest/doctest.h>

#include <thread>

#include "tests/sql/interaction_stream.h"

namespace cairn::sql {
namespace {

std::vector<Interaction> event_at(std::int64_t ms) { return {interaction("p", ms)}; }

std::string months_of(test::PgClient& client, const std::string& table) {
  return client.value(
      "SELECT string_agg(right(inhrelid::regclass::text, 7), ' ' ORDER BY inhrelid::regclass::text) FROM "
      "pg_inherits WHERE inhparent = '" +
      table + "'::regclass");
}

TEST_CASE("maintenance keeps last month, this one and those ahead, over a year's end and a leap February") {
  const TestDatabase made;
  test::PgClient client = made.client();
  REQUIRE(made.database.upkeep->maintain(event_time_from_ms(1703980800000)).ok());  // 2023-12-31
  CHECK(months_of(client, "user_interactions") == "2023_11 2023_12 2024_01 2024_02 2024_03");
  CHECK(months_of(client, "place_stats_hourly") == "2023_11 2023_12 2024_01 2024_02 2024_03");
  CHECK(made.database.upkeep->maintain(event_time_from_ms(1703980800000)).ok());
}

TEST_CASE("months are made on demand up to the bound, and the message beyond it says what to do") {
  const TestDatabase made({.dsn = "", .schema = "", .partitions_ahead_months = 0, .partitions_max = 2});
  constexpr std::int64_t kMonthMs = 31LL * 24 * 3600 * 1000;
  REQUIRE(made.database.materializer->apply("s", event_at(0), {}, std::vector{position(1)}).ok());
  REQUIRE(made.database.materializer->apply("s", event_at(kMonthMs), std::vector{position(1)}, std::vector{position(2)})
              .ok());
  const Status full =
      made.database.materializer->apply("s", event_at(3 * kMonthMs), std::vector{position(2)}, std::vector{position(3)})
          .status();
  CHECK(full.code() == StatusCode::kResourceExhausted);
  CHECK(full.message().find("sql.partitions_max") != std::string::npos);
  CHECK(full.message().find("1970_04") != std::string::npos);
  CHECK(*made.database.materializer->load_positions("s") == std::vector{position(2)});
  // Months that are there go on working.
  CHECK(made.database.materializer->apply("s", event_at(1), std::vector{position(2)}, std::vector{position(3)}).ok());
  // And a dropped month makes room.
  made.client().query("DROP TABLE user_interactions_1970_01, place_stats_hourly_1970_01");
  CHECK(
      made.database.materializer->apply("s", event_at(3 * kMonthMs), std::vector{position(3)}, std::vector{position(4)})
          .ok());
}

TEST_CASE("a month that somebody dropped comes again with the next event, after one retry") {
  const TestDatabase made;
  REQUIRE(made.database.materializer->apply("s", event_at(0), {}, std::vector{position(1)}).ok());
  made.client().query("DROP TABLE user_interactions_1970_01");
  CHECK(made.database.materializer->apply("s", event_at(0), std::vector{position(1)}, std::vector{position(2)})
            .status()
            .code() == StatusCode::kUnavailable);
  CHECK(made.database.materializer->apply("s", event_at(0), std::vector{position(1)}, std::vector{position(2)}).ok());
  CHECK(made.client().value("SELECT count(*) FROM user_interactions") == "1");
  CHECK(made.client().value("SELECT events FROM place_stats_hourly") == "2");
}

TEST_CASE("a table in the way of a month is named") {
  const TestDatabase made;
  made.client().query("CREATE TABLE place_stats_hourly_1970_01 (x int)");
  const Status status = made.database.materializer->apply("s", event_at(0), {}, std::vector{position(1)}).status();
  CHECK(status.code() == StatusCode::kFailedPrecondition);
  CHECK(status.message().find("place_stats_hourly_1970_01") != std::string::npos);
}

TEST_CASE("the first and the last month that can be written have partitions") {
  const TestDatabase made;
  const EventTime last{std::chrono::sys_days(std::chrono::year{9999} / 12 / 31)};
  const EventTime first{std::chrono::sys_days(std::chrono::year{1} / 1 / 1)};
  REQUIRE(made.database.materializer->apply("s", event_at(to_ms(last)), {}, std::vector{position(1)}).ok());
  REQUIRE(
      made.database.materializer->apply("s", event_at(to_ms(first)), std::vector{position(1)}, std::vector{position(2)})
          .ok());
  test::PgClient client = made.client();
  CHECK(months_of(client, "user_interactions") == "0001_01 9999_12");
}

TEST_CASE("a month's tables have the parent's indexes, attached") {
  const TestDatabase made;
  REQUIRE(made.database.materializer->apply("s", event_at(0), {}, std::vector{position(1)}).ok());
  CHECK(made.client().value("SELECT count(*) FROM pg_index i JOIN pg_inherits h ON h.inhrelid = i.indexrelid WHERE "
                            "i.indrelid IN ('user_interactions_1970_01'::regclass, "
                            "'place_stats_hourly_1970_01'::regclass)") == "4");
}

TEST_CASE("writers who need the same new month at once make it once") {
  const TestDatabase made;
  std::vector<Status> statuses(4);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < statuses.size(); ++i) {
    threads.emplace_back([&, i] {
      statuses[i] = made.database.materializer
                        ->apply(std::string("s") + std::to_string(i), event_at(0), {}, std::vector{position(1)})
                        .status();
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const Status& status : statuses) CHECK_MESSAGE(status.ok(), status.to_string());
  CHECK(made.client().value("SELECT events FROM place_stats_hourly") == "4");
}

}  // namespace
}  // namespace cairn::sql

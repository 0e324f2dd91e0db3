#include <doctest/doctest.h>

#include "tests/sql/interaction_stream.h"

namespace cairn::sql {
namespace {

TEST_CASE("text that is not UTF-8 is the server's own refusal, and leaves nothing behind") {
  const TestDatabase made;
  std::vector<Interaction> events = InteractionStream(7).range(0, 3);
  events[1].user = UserId("\xff\xfe");
  CHECK(made.database.materializer->apply("s", events, {}, std::vector{position(3)}).status().code() ==
        StatusCode::kInvalidArgument);
  CHECK(made.client().value("SELECT count(*) FROM user_interactions") == "0");
  CHECK(made.database.materializer->load_positions("s")->empty());
}

TEST_CASE("the daily view adds up the hours of a day in UTC") {
  const TestDatabase made;
  Interaction event = interaction("p", 0, TypeIndex{3});
  event.value = 4.5;
  std::vector<Interaction> events(3, event);
  events[0].time = event_time_from_ms(1709164800000);  // 2024-02-29 00:00
  events[1].time = event_time_from_ms(1709251199999);  // 2024-02-29 23:59:59.999
  events[1].value = 1.5;
  events[2].time = event_time_from_ms(1709251200000);  // 2024-03-01 00:00
  REQUIRE(made.database.materializer->apply("s", events, {}, std::vector{position(3)}).ok());
  test::PgClient client = made.client();
  const auto rows = client.query(
      "SELECT day, type, events, value_sum, round(value_mean, 3), value_min, value_max FROM place_stats_daily "
      "ORDER BY day");
  REQUIRE(rows.size() == 2);
  CHECK(rows[0] == test::PgClient::Row{"2024-02-29", "rate", "2", "6.000000", "3.000", "1.5", "4.5"});
  CHECK(rows[1] == test::PgClient::Row{"2024-03-01", "rate", "1", "4.500000", "4.500", "4.5", "4.5"});
}

TEST_CASE("updates of the hourly aggregates find room on their page: nearly all are heap-only") {
  const TestDatabase made;
  std::vector<Interaction> events;
  for (int i = 0; i < 200; ++i) events.push_back(interaction(std::string("p") + std::to_string(i), 0));
  for (int round = 0; round < 5; ++round) {
    REQUIRE(
        made.database.materializer->apply("s", events, std::vector{position(round)}, std::vector{position(round + 1)})
            .ok());
  }
  test::PgClient client = made.client();
  // The statistics of a session reach the view when it ends.
  client.query(
      "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE application_name = 'cairn' "
      "AND datname = current_database()");
  const auto row = client.query(
      "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_all_tables WHERE relname = 'place_stats_hourly_1970_01' AND "
      "schemaname = '" +
      made.options.schema + "'")[0];
  CHECK(*row[0] == "800");
  CHECK(std::stoi(*row[1]) > 700);
}

}  // namespace
}  // namespace cairn::sql

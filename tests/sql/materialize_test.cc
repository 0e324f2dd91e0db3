#include <doctest/doctest.h>

#include <atomic>
#include <cmath>
#include <random>
#include <thread>

#include "tests/sql/interaction_stream.h"

namespace cairn::sql {
namespace {

void check_tables(const TestDatabase& made, const Expected& expected) {
  test::PgClient client = made.client();
  const Expected found = read_tables(client);
  CHECK(found.rows == expected.rows);
  CHECK(found.stats == expected.stats);
}

TEST_CASE("rows and aggregates are what a plain computation says, however the stream is cut") {
  const std::uint64_t seed = 20240229;
  INFO("seed ", seed);
  const InteractionStream stream(seed);
  const TestDatabase made;
  std::mt19937_64 random(seed);
  Database::Applied total;
  std::int64_t offset = 0;
  while (offset < 3000) {
    const auto size = std::uniform_int_distribution<std::int64_t>(1, 400)(random);
    const auto applied = apply_range(*made.database, stream, offset, offset + size);
    REQUIRE_MESSAGE(applied.ok(), applied.status().to_string());
    total.rows += applied->rows;
    total.repeated += applied->repeated;
    offset += size;
  }
  const Expected expected = expect(stream.range(0, offset));
  check_tables(made, expected);
  CHECK(total.rows == expected.rows.size());
  CHECK(total.repeated == expected.repeated);
  CHECK(expected.repeated > 50);  // or the stream would prove nothing about repeats
  CHECK(*made.database->load_positions("s") == std::vector{position(offset)});
}

TEST_CASE("the same batch again is aborted and changes nothing") {
  const TestDatabase made;
  const InteractionStream stream(3);
  REQUIRE(apply_range(*made.database, stream, 0, 200).ok());
  CHECK(apply_range(*made.database, stream, 0, 200).status().code() == StatusCode::kAborted);
  CHECK(apply_range(*made.database, stream, 0, 300).status().code() == StatusCode::kAborted);
  CHECK(apply_range(*made.database, stream, 250, 300).status().code() == StatusCode::kAborted);
  check_tables(made, expect(stream.range(0, 200)));
  REQUIRE(apply_range(*made.database, stream, 200, 300).ok());
  check_tables(made, expect(stream.range(0, 300)));
}

TEST_CASE("a cursor that differs is another position") {
  const TestDatabase made;
  const InteractionStream stream(4);
  REQUIRE(apply_range(*made.database, stream, 0, 10).ok());
  SourcePosition other_file = position(10);
  other_file.cursor = "another file";
  CHECK(made.database->apply("s", stream.range(10, 20), std::vector{other_file}, std::vector{position(20)})
            .status()
            .code() == StatusCode::kAborted);
}

TEST_CASE("a partition without a stored position stands at its start, and at no other place") {
  const TestDatabase made;
  const InteractionStream stream(5);
  CHECK(made.database->load_positions("s")->empty());
  CHECK(apply_range(*made.database, stream, 5, 10).status().code() == StatusCode::kAborted);
  CHECK(made.database->apply("s", stream.range(0, 5), {}, std::vector{position(5)}).ok());
  // Two partitions in one batch, one of them new.
  CHECK(
      made.database->apply("s", stream.range(5, 10), std::vector{position(5)}, std::vector{position(9, 7), position(6)})
          .ok());
  CHECK(*made.database->load_positions("s") == std::vector{position(6), position(9, 7)});
  CHECK(made.database->load_positions("t")->empty());
}

TEST_CASE("positions without interactions are stored, interactions without moved positions are refused") {
  const TestDatabase made;
  const InteractionStream stream(6);
  CHECK(made.database->apply("s", {}, {}, std::vector{position(5)}).ok());
  CHECK(made.database->apply("s", {}, std::vector{position(5)}, std::vector{position(5)}).ok());
  CHECK(made.database->apply("s", stream.range(0, 1), std::vector{position(5)}, std::vector{position(5)})
            .status()
            .code() == StatusCode::kInvalidArgument);
  CHECK(made.database->apply("s", stream.range(0, 1), std::vector{position(5)}, {}).status().code() ==
        StatusCode::kInvalidArgument);
  CHECK(
      made.database->apply("s", {}, std::vector{position(5)}, std::vector{position(6), position(7)}).status().code() ==
      StatusCode::kInvalidArgument);
}

TEST_CASE("an interaction that cannot be stored is refused by its number, before anything is written") {
  const TestDatabase made;
  const InteractionStream stream(7);
  const auto refused = [&](auto change) {
    std::vector<Interaction> events = stream.range(0, 3);
    change(events[1]);
    const Status status = made.database->apply("s", events, {}, std::vector{position(3)}).status();
    CHECK(status.code() == StatusCode::kInvalidArgument);
    return status.message();
  };
  CHECK(refused([](Interaction& i) { i.user = UserId(""); }).find("interaction 1") != std::string::npos);
  refused([](Interaction& i) { i.place = PlaceId(std::string(129, 'x')); });
  refused([](Interaction& i) { i.event_id = std::string("a\0b", 3); });
  refused([](Interaction& i) { i.value = std::nan(""); });
  refused([](Interaction& i) { i.position = GeoPoint{91, 0}; });
  refused([](Interaction& i) { i.time = EventTime::max(); });
  refused([](Interaction& i) { i.type = TypeIndex{63}; });
  refused([](Interaction& i) { i.user = UserId("\xff\xfe"); });  // not UTF-8: the server's own refusal
  CHECK(made.client().value("SELECT count(*) FROM user_interactions") == "0");
  CHECK(made.database->load_positions("s")->empty());
}

TEST_CASE("an event id of sixty thousand bytes is recognised like any other") {
  const TestDatabase made;
  std::vector<Interaction> events = InteractionStream(8).range(0, 2);
  events[0].event_id = std::string(60'000, 'e') + "1";
  events[1] = events[0];
  const auto applied = made.database->apply("s", events, {}, std::vector{position(2)});
  REQUIRE_MESSAGE(applied.ok(), applied.status().to_string());
  CHECK(applied->rows == 1);
  events[1].event_id.back() = '2';
  const auto second = made.database->apply("s", events, std::vector{position(2)}, std::vector{position(4)});
  CHECK(second->rows == 1);
  CHECK(second->repeated == 1);
}

TEST_CASE("of writers with the same positions exactly one writes") {
  const TestDatabase made;
  const InteractionStream stream(9);
  std::atomic<int> done = 0;
  std::atomic<int> aborted = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      const auto applied = apply_range(*made.database, stream, 0, 300);
      if (applied.ok()) ++done;
      if (applied.status().code() == StatusCode::kAborted) ++aborted;
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(done == 1);
  CHECK(aborted == 3);
  check_tables(made, expect(stream.range(0, 300)));
}

TEST_CASE("several sources that meet at the same places and event ids add up exactly") {
  const TestDatabase made(
      {.dsn = "", .schema = "", .pool_size = 3});  // fewer connections than writers: they wait for one another
  const InteractionStream stream(10);
  std::vector<Interaction> events = stream.range(0, 1200);
  std::atomic<std::uint64_t> rows = 0;
  // Every source brings the same events; with an event id on each, one copy must remain.
  for (std::size_t i = 0; i < events.size(); ++i) events[i].event_id = std::string("e") + std::to_string(i);
  std::vector<std::thread> threads;
  for (int source = 0; source < 4; ++source) {
    threads.emplace_back([&, name = std::string("source ") + std::to_string(source)] {
      for (std::int64_t begin = 0; begin < 1200; begin += 100) {
        const auto applied = made.database->apply(name, std::span(events).subspan(static_cast<std::size_t>(begin), 100),
                                                  std::vector{position(begin)}, std::vector{position(begin + 100)});
        if (applied.ok()) rows += applied->rows;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(rows == 1200);
  check_tables(made, expect(events));
}

TEST_CASE("old event ids are removed when neither their time nor their writing lies in the window") {
  const TestDatabase made;
  const EventTime now = SystemClock::instance().now();
  std::vector<Interaction> events = InteractionStream(11).range(0, 2);
  events[0].event_id = "old";
  events[0].time = now - std::chrono::hours(24 * 400);
  events[1].event_id = "new";
  events[1].time = now;
  REQUIRE(made.database->apply("s", events, {}, std::vector{position(2)}).ok());
  test::PgClient client = made.client();
  const auto ids = [&] {
    return client.value("SELECT string_agg(event_id, ',' ORDER BY event_id) FROM seen_event_ids");
  };
  REQUIRE(made.database->maintain(now).ok());
  CHECK(ids() == "new,old");  // a backfill's repeats may be about to come
  REQUIRE(made.database->maintain(now + kDedupWindow + std::chrono::minutes(1)).ok());
  CHECK(ids() == "NULL");
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
  REQUIRE(made.database->apply("s", events, {}, std::vector{position(3)}).ok());
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
    REQUIRE(made.database->apply("s", events, std::vector{position(round)}, std::vector{position(round + 1)}).ok());
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

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/sql/interaction_stream.h"

namespace cairn::sql {
namespace {

std::vector<Interaction> with_ids(std::int64_t first, std::int64_t count) {
  std::vector<Interaction> events;
  for (std::int64_t i = first; i < first + count; ++i) {
    events.push_back(interaction("p", 0));
    events.back().event_id = std::to_string(i);
  }
  return events;
}

std::string generations(test::PgClient& client) {
  return client.value(
      "SELECT string_agg(generation || ':' || ids, ' ' ORDER BY generation) FROM "
      "(SELECT generation, count(*) AS ids FROM seen_event_ids GROUP BY generation) AS g");
}

TEST_CASE(
    "the tables keep the ids of the last two generations, and what is left of the one before goes with the next") {
  const TestDatabase made(SqlOptions(), 100);
  test::PgClient client = made.client();
  std::int64_t offset = 0;
  const auto apply = [&](std::int64_t count) {
    const auto applied = made.database.materializer->apply("s", with_ids(offset, count), std::vector{position(offset)},
                                                           std::vector{position(offset + count)});
    REQUIRE_MESSAGE(applied.ok(), applied.status().to_string());
    CHECK(applied->repeated == 0);
    offset += count;
  };
  apply(50);
  apply(50);
  CHECK(generations(client) == "0:50 1:50");
  apply(20);
  CHECK(generations(client) == "0:10 1:50 2:20");
  apply(20);
  CHECK(generations(client) == "1:50 2:40");
  apply(20);
  CHECK(generations(client) == "1:10 2:50 3:10");
  apply(300);  // six generations at once
  CHECK(generations(client) == "8:50 9:10");
  CHECK(client.query("SELECT generation, ids FROM event_id_order")[0] == test::PgClient::Row{"9", "10"});
  for (int i = 0; i < 100; ++i) {
    apply(7);
    CHECK(std::stoi(client.value("SELECT count(*) FROM seen_event_ids")) <= 150);
  }
}

TEST_CASE("interactions without event ids wait for no writer of event ids, those with ids do") {
  const TestDatabase made(
      {.dsn = "", .schema = "", .pool_size = 2, .statement_timeout = std::chrono::milliseconds(400)});
  REQUIRE(made.database.materializer->apply("s", with_ids(0, 1), {}, std::vector{position(1)}).ok());
  test::PgClient holder = made.client();
  holder.query("BEGIN; SELECT * FROM event_id_order FOR UPDATE");
  const std::vector plain{interaction("p", 0)};
  CHECK(made.database.materializer->apply("t", plain, {}, std::vector{position(1)}).ok());
  const Status status = made.database.materializer->apply("u", with_ids(1, 1), {}, std::vector{position(1)}).status();
  CHECK(status.code() == StatusCode::kUnavailable);
  CHECK(status.message().find("55P03") != std::string::npos);
  holder.query("ROLLBACK");
  CHECK(made.database.materializer->apply("u", with_ids(1, 1), {}, std::vector{position(1)}).ok());
}

TEST_CASE("writers of two daemons fill each generation to the last id, and none twice") {
  constexpr int kWriters = 6;
  constexpr std::int64_t kDedupIds = 14;
  const std::uint64_t seed = 91;
  INFO("seed ", seed);
  const TestDatabase made(SqlOptions(), kDedupIds);
  const Database other = open(made.options, kDedupIds);
  std::vector<std::uint64_t> rows(kWriters);
  std::vector<std::thread> threads;
  for (int writer = 0; writer < kWriters; ++writer) {
    threads.emplace_back([&, writer] {
      std::mt19937_64 random(seed + static_cast<std::uint64_t>(writer));
      Materializer& materializer = writer % 2 == 0 ? *made.database.materializer : *other.materializer;
      for (std::int64_t offset = 0; offset < 40; ++offset) {
        std::vector<Interaction> events(1 + random() % 9, interaction("p" + std::to_string(random() % 5), 0));
        for (Interaction& event : events) event.event_id = std::to_string(random() % 30);
        const auto applied = materializer.apply("source " + std::to_string(writer), events,
                                                std::vector{position(offset)}, std::vector{position(offset + 1)});
        CHECK_MESSAGE(applied.ok(), applied.status().to_string());
        if (applied.ok()) rows[static_cast<std::size_t>(writer)] += applied->rows;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::uint64_t counted = 0;
  for (const std::uint64_t one : rows) counted += one;
  test::PgClient client = made.client();
  const auto order = client.query("SELECT generation, ids FROM event_id_order")[0];
  const std::uint64_t newest = std::stoull(*order[0]);
  CHECK(newest > 10);
  // Every event that counts brought one id, so the order has come as far as there are rows.
  CHECK(newest * (kDedupIds / 2) + std::stoull(*order[1]) == counted);
  CHECK(client.value("SELECT count(*) FROM user_interactions") == std::to_string(counted));
  CHECK(client.value("SELECT count(*) FROM seen_event_ids WHERE generation = " + *order[0]) == *order[1]);
  CHECK(client.value("SELECT count(*) FROM seen_event_ids WHERE generation = " + std::to_string(newest - 1)) == "7");
  CHECK(client.value("SELECT count(*) FROM (SELECT fingerprint FROM seen_event_ids WHERE generation >= " +
                     std::to_string(newest - 1) + " GROUP BY fingerprint HAVING count(*) > 1) AS twice") == "0");
}

TEST_CASE("the order of ids goes on when somebody has emptied its table, and knows the ids that are still there") {
  const TestDatabase made;
  REQUIRE(made.database.materializer->apply("s", with_ids(0, 10), {}, std::vector{position(1)}).ok());
  made.client().query("TRUNCATE event_id_order");
  const auto applied =
      made.database.materializer->apply("s", with_ids(5, 10), std::vector{position(1)}, std::vector{position(2)});
  REQUIRE_MESSAGE(applied.ok(), applied.status().to_string());
  CHECK(applied->repeated == 5);
}

TEST_CASE("a fingerprint in the table is FNV-1a of 128 bits, as the features keep it") {
  const TestDatabase made;
  Interaction event = interaction("p", 0);
  event.event_id = "foobar";
  REQUIRE(made.database.materializer->apply("s", std::vector{event}, {}, std::vector{position(1)}).ok());
  // RFC 9923, test vectors of FNV-1a 128.
  CHECK(made.client().value("SELECT fingerprint FROM seen_event_ids") == "343e1662-793c-64bf-6f0d-3597ba446f18");
}

}  // namespace
}  // namespace cairn::sql

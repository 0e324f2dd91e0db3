#include <doctest/doctest.h>

#include <atomic>
#include <random>
#include <thread>

#include "tests/sql/interaction_stream.h"
#include "tests/support/postgres_proxy.h"

namespace cairn::sql {
namespace {

/// Consumes a stream as the engine does: from the stored position, and after every failure again from there.
class Consumer {
 public:
  Consumer(Materializer& materializer, const InteractionStream& stream, std::uint64_t seed)
      : materializer_(materializer), stream_(stream), random_(seed) {}

  /// One batch, or one attempt to learn the position.
  void step() {
    if (!offset_) return reload();
    const auto size = std::uniform_int_distribution<std::int64_t>(1, 300)(random_);
    const auto applied = apply_range(materializer_, stream_, *offset_, *offset_ + size);
    if (applied.ok()) {
      *offset_ += size;
      aborted_in_a_row_ = 0;
      ++applied_;
    } else {
      count_failure(applied.status());
      offset_.reset();
    }
  }

  void run_until(const std::atomic<bool>& stop) {
    while (!stop && !stuck()) step();
    while (!offset_ && !stuck()) step();
  }

  /// A batch is ABORTED when the position that it begins at is not the stored one: a commit whose answer was lost has
  /// arrived after all. Once the position is read anew that is over. Who is told so again and again gets nowhere.
  [[nodiscard]] bool stuck() const { return aborted_in_a_row_ > 10; }
  [[nodiscard]] std::int64_t offset() const {
    REQUIRE_FALSE(stuck());
    return offset_.value();
  }
  [[nodiscard]] int applied() const { return applied_; }  ///< batches
  [[nodiscard]] int unavailable() const { return unavailable_; }

 private:
  void reload() {
    const auto positions = materializer_.load_positions("s");
    if (!positions.ok()) return count_failure(positions.status());
    offset_ = positions->empty() ? 0 : positions->front().offset.value;
  }

  void count_failure(const Status& status) {
    if (status.code() == StatusCode::kUnavailable) ++unavailable_;
    if (status.code() == StatusCode::kAborted) ++aborted_in_a_row_;
    const bool expected = status.code() == StatusCode::kUnavailable || status.code() == StatusCode::kAborted;
    CHECK_MESSAGE(expected, status.to_string());
  }

  Materializer& materializer_;
  const InteractionStream& stream_;
  std::mt19937_64 random_;
  std::optional<std::int64_t> offset_;
  int unavailable_ = 0;
  std::atomic<int> applied_ = 0;
  std::atomic<int> aborted_in_a_row_ = 0;  ///< read by whoever disturbs it, to end when it does
};

void check_exact(const TestDatabase& made, const InteractionStream& stream, std::int64_t end) {
  test::PgClient client = made.client();
  const Expected found = read_tables(client);
  const Expected expected = expect(stream.range(0, end));
  CHECK(found.rows == expected.rows);
  CHECK(found.stats == expected.stats);
}

TEST_CASE("sessions that are terminated at any moment lose and double nothing") {
  const std::uint64_t seed = 31;
  INFO("seed ", seed);
  const TestDatabase made;
  const InteractionStream stream(seed);
  Consumer consumer(*made.database.materializer, stream, seed);
  std::atomic<bool> stop = false;
  std::thread killer([&] {
    test::PgClient client = made.client();
    std::mt19937_64 random(seed);
    for (int kills = 0; kills < 50 && !consumer.stuck();) {
      // After some kills a batch has to succeed: else a slow machine would see nothing but killed sessions.
      const int applied = consumer.applied();
      for (const int most = kills + 5; kills < most;) {
        std::this_thread::sleep_for(std::chrono::microseconds(random() % 15'000));
        kills += std::stoi(client.value(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'cairn' AND "
            "datname = current_database() AND state <> 'idle'"));
        if (consumer.stuck()) break;
      }
      while (consumer.applied() == applied && !consumer.stuck()) std::this_thread::yield();
    }
    stop = true;
  });
  consumer.run_until(stop);
  killer.join();
  CHECK(consumer.unavailable() > 0);  // one session may be killed several times before its owner notices
  CHECK(consumer.applied() >= 5);
  check_exact(made, stream, consumer.offset());
  // None is left behind: those that were killed are gone, and those in use are the pool's.
  test::PgClient client = made.client();
  const int connections =
      std::stoi(client.value("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'cairn' AND datname = "
                             "current_database()"));
  CHECK(connections <= made.options.pool_size);
}

/// Terminates the session of 'cairn' that waits for the lock which `client` holds, in the statement that `like` tells.
void terminate_in(test::PgClient& client, const std::string& like) {
  const std::string terminate =
      "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'cairn' AND "
      "datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '" +
      like + "%'";
  while (client.value(terminate) == "0") {
  }
}

TEST_CASE("a session that is terminated in the middle of each COPY writes nothing, and the batch may be made again") {
  struct Case {
    const char* table;      ///< locked, so that the session stands still
    const char* statement;  ///< in which it then stands
  };
  const Case cases[] = {{"user_interactions", "COPY user_interactions"},
                        {"seen_event_ids", "COPY seen_event_ids"},
                        {"place_stats_hourly", "INSERT INTO place_stats_hourly"}};
  const InteractionStream stream(37);
  for (const Case& one : cases) {
    INFO(one.statement);
    const TestDatabase made;
    REQUIRE(apply_range(*made.database.materializer, stream, 0, 100).ok());
    test::PgClient holder = made.client();
    // Reading stays possible, writing does not: rows on their way into a month wait there, in the middle of the COPY.
    const std::string locked =
        holder.value("SELECT coalesce(string_agg(relid::text, ', '), '') FROM pg_partition_tree('" +
                     std::string(one.table) + "') WHERE isleaf");
    holder.query("BEGIN; LOCK TABLE " + (locked.empty() ? one.table : locked) + " IN SHARE MODE");
    Status broken;
    std::thread writer([&] { broken = apply_range(*made.database.materializer, stream, 100, 400).status(); });
    test::PgClient killer = made.client();
    terminate_in(killer, one.statement);
    writer.join();
    holder.query("ROLLBACK");
    CHECK_MESSAGE(broken.code() == StatusCode::kUnavailable, broken.to_string());
    check_exact(made, stream, 100);
    REQUIRE(apply_range(*made.database.materializer, stream, 100, 400).ok());
    check_exact(made, stream, 400);
  }
}

TEST_CASE("a server that crashes and comes back in the middle loses and doubles nothing") {
  const std::uint64_t seed = 32;
  INFO("seed ", seed);
  test::TestCluster& cluster = test::TestCluster::shared();
  const TestDatabase made;
  const InteractionStream stream(seed);
  Consumer consumer(*made.database.materializer, stream, seed);
  std::atomic<bool> stop = false;
  std::thread crasher([&] {
    for (int crashes = 0; crashes < 2 && !consumer.stuck(); ++crashes) {
      test::PgClient client = made.client();
      const std::string begin = client.value("SELECT count(*) FROM user_interactions");
      while (client.value("SELECT count(*) FROM user_interactions") == begin && !consumer.stuck()) {
      }
      cluster.stop_immediate();
      CHECK(made.database.upkeep->ping().code() == StatusCode::kUnavailable);
      cluster.start();
    }
    stop = true;
  });
  consumer.run_until(stop);
  crasher.join();
  CHECK(made.database.upkeep->ping().ok());
  CHECK(consumer.unavailable() > 0);
  consumer.step();
  check_exact(made, stream, consumer.offset());
}

Database open_through(const test::PostgresProxy& proxy, const TestDatabase& made) {
  SqlOptions options = made.options;
  options.dsn += " host=" + proxy.socket_folder();  // the last one counts
  return open(options);
}

TEST_CASE("a commit whose answer is lost is found done") {
  const test::TestCluster& cluster = test::TestCluster::shared();
  const TestDatabase made;
  test::PostgresProxy proxy(cluster.socket_folder(), cluster.port());
  const auto database = open_through(proxy, made);
  const InteractionStream stream(33);
  REQUIRE(apply_range(*database.materializer, stream, 0, 100).ok());

  proxy.arm(test::PostgresProxy::Cut::kAfterCommit);
  const auto applied = apply_range(*database.materializer, stream, 100, 200);
  REQUIRE_MESSAGE(applied.ok(), applied.status().to_string());
  CHECK(applied->rows + applied->repeated == 100);
  CHECK(*database.materializer->load_positions("s") == std::vector{position(200)});
  check_exact(made, stream, 200);
}

TEST_CASE("a commit that never arrived is found undone and may be made again") {
  const test::TestCluster& cluster = test::TestCluster::shared();
  const TestDatabase made;
  test::PostgresProxy proxy(cluster.socket_folder(), cluster.port());
  const auto database = open_through(proxy, made);
  const InteractionStream stream(34);
  REQUIRE(apply_range(*database.materializer, stream, 0, 100).ok());

  proxy.arm(test::PostgresProxy::Cut::kBeforeCommit);
  CHECK(apply_range(*database.materializer, stream, 100, 200).status().code() == StatusCode::kUnavailable);
  check_exact(made, stream, 100);
  REQUIRE(apply_range(*database.materializer, stream, 100, 200).ok());
  check_exact(made, stream, 200);
}

TEST_CASE("a commit that the server refuses is undone, and so is what it would have written") {
  const TestDatabase made;
  test::PgClient client = made.client();
  client.query(
      "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'refused' USING ERRCODE = '53100'; "
      "END$$; CREATE CONSTRAINT TRIGGER refuse AFTER UPDATE ON consumer_positions DEFERRABLE INITIALLY DEFERRED "
      "FOR EACH ROW EXECUTE FUNCTION refuse()");
  const InteractionStream stream(35);
  CHECK(apply_range(*made.database.materializer, stream, 0, 50).status().code() == StatusCode::kResourceExhausted);
  check_exact(made, stream, 0);
  client.query("DROP TRIGGER refuse ON consumer_positions");
  CHECK(apply_range(*made.database.materializer, stream, 0, 50).ok());
  check_exact(made, stream, 50);
}

TEST_CASE("a lock that another session holds too long is unavailable and leaves the connection fit") {
  const TestDatabase made(
      {.dsn = "", .schema = "", .pool_size = 1, .statement_timeout = std::chrono::milliseconds(400)});
  const InteractionStream stream(36);
  REQUIRE(apply_range(*made.database.materializer, stream, 0, 10).ok());
  test::PgClient holder = made.client();
  holder.query("BEGIN; SELECT * FROM consumer_positions FOR UPDATE");
  const Status status = apply_range(*made.database.materializer, stream, 10, 20).status();
  CHECK(status.code() == StatusCode::kUnavailable);
  CHECK(status.message().find("55P03") != std::string::npos);
  holder.query("ROLLBACK");
  CHECK(apply_range(*made.database.materializer, stream, 10, 20).ok());
}

/// Waits until so many sessions of 'cairn' wait for locks.
void await_waiting(test::PgClient& client, const std::string& count) {
  const std::string waiting =
      "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'cairn' AND datname = current_database() AND "
      "wait_event_type = 'Lock'";
  while (client.value(waiting) != count) {
  }
}

TEST_CASE("of two writers that follow the same stored position one writes and the other is told to look again") {
  const TestDatabase made;
  const InteractionStream stream(38);
  REQUIRE(apply_range(*made.database.materializer, stream, 0, 100).ok());
  // While the order of event ids is held, both have looked at the position, or one of them waits for it.
  test::PgClient holder = made.client();
  holder.query("BEGIN; SELECT FROM event_id_order FOR UPDATE");
  std::vector<Status> answers(2);
  std::vector<std::thread> writers;
  for (Status& answer : answers) {
    writers.emplace_back([&] { answer = apply_range(*made.database.materializer, stream, 100, 200).status(); });
  }
  test::PgClient watcher = made.client();
  await_waiting(watcher, "2");
  holder.query("ROLLBACK");
  for (std::thread& writer : writers) writer.join();
  const bool first = answers[0].ok();
  CHECK_MESSAGE(answers[first ? 0 : 1].ok(), answers[first ? 0 : 1].to_string());
  CHECK_MESSAGE(answers[first ? 1 : 0].code() == StatusCode::kAborted, answers[first ? 1 : 0].to_string());
  check_exact(made, stream, 200);
}

TEST_CASE("a deadlock that the server ends by rolling the batch back is unavailable, and the batch may be made again") {
  const TestDatabase made;
  const InteractionStream stream(39);
  test::PgClient watcher = made.client();
  const std::string database = watcher.value("SELECT current_database()");
  // Whoever first notices it is rolled back: sessions of 'cairn', which look at once, and not the one below.
  watcher.query("ALTER DATABASE \"" + database + "\" SET deadlock_timeout = '10ms'");
  const Database fresh = open(made.options);
  REQUIRE(apply_range(*fresh.materializer, stream, 0, 100).ok());

  test::PgClient ids = made.client();
  ids.query("BEGIN; SELECT FROM event_id_order FOR UPDATE");
  test::PgClient other = made.client();
  other.query("SET deadlock_timeout = '10min'; BEGIN; LOCK TABLE place_stats_hourly IN SHARE MODE");
  Status broken;
  std::thread writer([&] { broken = apply_range(*fresh.materializer, stream, 100, 200).status(); });
  await_waiting(watcher, "1");  // it has the position, and waits for the ids
  std::thread closes_the_circle([&] { other.query("SELECT FROM consumer_positions FOR UPDATE"); });
  while (watcher.value("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND "
                       "wait_event_type = 'Lock'") != "2") {
  }
  ids.query("ROLLBACK");
  writer.join();
  closes_the_circle.join();
  other.query("ROLLBACK");
  CHECK_MESSAGE(broken.code() == StatusCode::kUnavailable, broken.to_string());
  CHECK_MESSAGE(broken.message().find("deadlock") != std::string::npos, broken.message());
  check_exact(made, stream, 100);
  REQUIRE(apply_range(*fresh.materializer, stream, 100, 200).ok());
  check_exact(made, stream, 200);
}

TEST_CASE("a connection on which nothing went wrong is used again") {
  const TestDatabase made;
  SqlOptions named = made.options;
  named.dsn += " application_name=used_again";  // sessions of others may be about to end
  const Database database = open(named);
  test::PgClient client = made.client();
  const std::string pids =
      "SELECT string_agg(pid::text, ' ') FROM pg_stat_activity WHERE application_name = 'used_again'";
  REQUIRE(database.upkeep->ping().ok());
  const std::string first = client.value(pids);
  CHECK(first != "NULL");
  REQUIRE(database.upkeep->ping().ok());
  REQUIRE(apply_range(*database.materializer, InteractionStream(5), 0, 10).ok());
  CHECK(client.value(pids) == first);
}

TEST_CASE("idle connections that the server closed are not used") {
  const TestDatabase made;
  REQUIRE(made.database.upkeep->ping().ok());
  test::PgClient client = made.client();
  client.query(
      "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'cairn' AND "
      "datname = current_database()");
  CHECK(made.database.upkeep->ping().ok());
}

}  // namespace
}  // namespace cairn::sql

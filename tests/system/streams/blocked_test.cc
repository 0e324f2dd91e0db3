// Trouble that somebody must mend, and mends: rights, columns and schemas of PostgreSQL. Nothing is restarted.
#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/postgres.h"
#include "tests/support/temporary_folder.h"
#include "tests/system/streams/ledger.h"
#include "tests/system/streams/trace.h"

namespace cairn::test {
namespace {

constexpr auto kPatience = std::chrono::minutes(3);

Trace trace_of(int events) {
  Trace trace{"small", {}, {}};
  for (int i = 0; i < events; ++i) {
    char time[32];
    std::snprintf(time, sizeof time, "2024-05-%02dT%02d:00:00Z", 1 + i / 24, i % 24);
    trace.check_ins.push_back(
        {"u" + std::to_string(i % 7), "p" + std::to_string(i % 11), time, 1'714'521'600 + i * std::int64_t{3600}});
  }
  return trace;
}

/// An engine that writes to PostgreSQL as a role of its own, whose rights are the test's to give and take.
class Writer {
 public:
  Writer() : admin_dsn_(TestCluster::shared().fresh_database()), admin_(admin_dsn_) {
    const std::string database = admin_.value("SELECT current_database()");
    admin_.query("DROP ROLE IF EXISTS writer; CREATE ROLE writer LOGIN; GRANT CREATE, CONNECT ON DATABASE \"" +
                 database + "\" TO writer");
    options_.state_dir = folder_.path() + "/state";
    options_.state.free_bytes_min = 0;
    options_.sql.dsn = TestCluster::shared().dsn(database, "writer");
    options_.sql.required = true;
    open();
  }
  ~Writer() {
    engine_.reset();
    admin_.query("DROP OWNED BY writer CASCADE; DROP ROLE writer");
  }

  void hand_in(int count) {
    for (; count > 0; --count, ++handed_in_) {
      const std::string event = to_json(trace_.check_ins[static_cast<std::size_t>(handed_in_)]);
      REQUIRE(engine_->ingest({}, std::vector<std::string_view>{event}).ok());
    }
  }
  /// Ends the engine, loses the API's log with what PostgreSQL has not read of it, and begins again without that.
  void lose_event_log() {
    REQUIRE(engine_->close().ok());
    engine_.reset();
    std::filesystem::remove_all(options_.state_dir + "/event-log");
    options_.accept_log_loss = true;
  }
  void open() {
    auto engine = Engine::open(options_);
    REQUIRE_MESSAGE(engine.ok(), engine.status().to_string());
    engine_ = *std::move(engine);
  }
  void restart() {
    engine_.reset();
    open();
  }
  void sql(const std::string& statements) { admin_.query(statements); }
  [[nodiscard]] std::string value(const std::string& sql) { return admin_.value(sql); }

  [[nodiscard]] ConsumerHealth health() const {
    for (const ConsumerHealth& one : engine_->status({}).health) {
      if (one.name() == "sql:api") return one;
    }
    return {};
  }
  void await_applied(std::uint64_t events) const {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (engine_->status({}).events_applied < events) {
      REQUIRE(std::chrono::steady_clock::now() < deadline);
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }
  void await_blocked() const {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (!health().blocked()) {
      REQUIRE(std::chrono::steady_clock::now() < deadline);
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    const ConsumerTrouble trouble = health().troubles.at(0);
    CHECK(trouble.reason.find("postgres") != std::string::npos);
    CHECK_FALSE(trouble.remedy.empty());
    CHECK_FALSE(engine_->status({}).ready());
  }
  /// Waits until all is in the tables, exactly once.
  void check_all_written() {
    const Status caught_up = engine_->wait_caught_up(CallContext::within(kPatience));
    REQUIRE_MESSAGE(caught_up.ok(), caught_up.to_string());
    CHECK(engine_->status({}).ready());
    CHECK(health().troubles.empty());
    check_tables(admin_dsn_, aggregate(trace_of(handed_in_)));
  }
  Engine& engine() { return *engine_; }
  [[nodiscard]] std::string database() { return admin_.value("SELECT current_database()"); }

 private:
  const Trace trace_ = trace_of(400);
  int handed_in_ = 0;
  TemporaryFolder folder_;
  std::string admin_dsn_;
  PgClient admin_;
  EngineOptions options_;
  std::unique_ptr<Engine> engine_;
};

TEST_CASE("a right, a login, a column that go and come back: consuming goes on, exactly, restarted meanwhile or not") {
  Writer writer;
  writer.hand_in(50);
  writer.check_all_written();
  struct Fault {
    const char* name;
    const char* take;
    const char* give;
    bool restarted = true;  ///< the engine, while it is blocked
  };
  const Fault faults[] = {
      {"right", "REVOKE INSERT ON ALL TABLES IN SCHEMA cairn FROM writer",
       "GRANT INSERT ON ALL TABLES IN SCHEMA cairn TO writer"},
      {"login",
       "ALTER ROLE writer NOLOGIN; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'writer'",
       "ALTER ROLE writer LOGIN"},
      {"column", "ALTER TABLE cairn.user_interactions DROP COLUMN value",
       "ALTER TABLE cairn.user_interactions ADD COLUMN value double precision"},
      {"renamed column", "ALTER TABLE cairn.consumer_positions RENAME COLUMN next_offset TO next",
       "ALTER TABLE cairn.consumer_positions RENAME COLUMN next TO next_offset"},
      {"schema under another name", "ALTER SCHEMA cairn RENAME TO elsewhere; REVOKE CREATE ON DATABASE :db FROM writer",
       "ALTER SCHEMA elsewhere RENAME TO cairn; GRANT CREATE ON DATABASE :db TO writer",
       /*restarted=*/false},  // a schema that is not there and may not be made is refused at a start
  };
  const auto with_database = [&](std::string statements) {
    const std::string name = "\"" + writer.database() + "\"";
    const std::size_t at = statements.find(":db");
    return at == std::string::npos ? statements : statements.replace(at, 3, name);
  };
  for (const Fault& fault : faults) {
    INFO(std::string(fault.name));
    writer.sql(with_database(fault.take));
    writer.hand_in(30);
    writer.await_blocked();
    if (fault.restarted) {
      writer.restart();
      writer.await_blocked();
    }
    writer.sql(with_database(fault.give));
    writer.check_all_written();
  }
}

TEST_CASE("a schema that is dropped is made again and written anew from what the sources hold") {
  Writer writer;
  const std::vector<Place> places{{PlaceId("p"), "Place", {1, 1}, ""}, {PlaceId("q"), "Other", {2, 2}, ""}};
  REQUIRE(writer.engine().upsert_places({}, places).ok());
  writer.hand_in(40);
  writer.check_all_written();
  writer.sql("DROP SCHEMA cairn CASCADE");
  writer.hand_in(40);
  writer.check_all_written();
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (writer.value("SELECT count(*) FROM cairn.places") != "2") {
    REQUIRE(std::chrono::steady_clock::now() < deadline);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

TEST_CASE("a blocked consumer is told to look now, and an engine with one closes") {
  Writer writer;
  writer.hand_in(1);
  writer.check_all_written();
  writer.sql(
      "ALTER ROLE writer NOLOGIN; "
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'writer'");
  writer.hand_in(10);
  writer.await_blocked();
  CHECK(writer.engine().retry_consumer({}, "sql:api").ok());
  CHECK(writer.engine().retry_consumer({}, "api").ok());
  CHECK(writer.engine().retry_consumer({}, "sql").ok());  // there is one of SQL
  CHECK(writer.engine().retry_consumer({}, "sql:kafka").code() == StatusCode::kNotFound);
  CHECK(writer.engine().accept_gap({}, "api").code() == StatusCode::kFailedPrecondition);
  CHECK(writer.engine().close().ok());
}

TEST_CASE("tables that are behind a log that was lost and given up go on without it once somebody accepts that") {
  Writer writer;
  writer.hand_in(20);
  writer.check_all_written();
  writer.sql(
      "ALTER ROLE writer NOLOGIN; "
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'writer'");
  writer.hand_in(30);
  writer.await_applied(50);
  writer.lose_event_log();
  writer.sql("ALTER ROLE writer LOGIN");
  writer.open();
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!writer.health().blocked()) {
    REQUIRE(std::chrono::steady_clock::now() < deadline);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  const ConsumerTrouble trouble = writer.health().troubles.at(0);
  CHECK(trouble.gap);
  CHECK(trouble.remedy.find("cairn consumer accept-gap sql:api") != std::string::npos);
  CHECK(trouble.remedy.find("drop the schema 'cairn'") != std::string::npos);
  CHECK(writer.value("SELECT count(*) FROM cairn.user_interactions") == "20");

  REQUIRE(writer.engine().accept_gap({}, "sql:api").ok());
  writer.hand_in(7);
  const Status caught_up = writer.engine().wait_caught_up(CallContext::within(kPatience));
  REQUIRE_MESSAGE(caught_up.ok(), caught_up.to_string());
  CHECK(writer.engine().status({}).ready());
  CHECK(writer.engine().status({}).events_applied == 57);
  CHECK(writer.value("SELECT count(*) FROM cairn.user_interactions") == "27");
  CHECK(writer.health().gap_bytes > 0);
}

}  // namespace
}  // namespace cairn::test

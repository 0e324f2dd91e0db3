#include <doctest/doctest.h>

#include <thread>

#include "sql/migrations.h"
#include "tests/sql/interaction_stream.h"

namespace cairn::sql {
namespace {

std::string recorded(test::PgClient& client) {
  return client.value("SELECT string_agg(name || ' ' || applied_at, ', ' ORDER BY version) FROM schema_migrations");
}

TEST_CASE("migrating again changes nothing") {
  const TestDatabase made;
  test::PgClient client = made.client();
  const std::string before = recorded(client);
  CHECK(made.database.upkeep->migrate().ok());
  CHECK(open(made.options).upkeep->migrate().ok());
  CHECK(recorded(client) == before);
  CHECK(client.value("SELECT count(*) FROM schema_migrations") == std::to_string(migrations().size()));
}

TEST_CASE("processes that migrate at once do it once") {
  const std::string dsn = test::TestCluster::shared().fresh_plain_database();  // they race for the extension too
  std::vector<Status> statuses(6);
  std::vector<std::thread> threads;
  for (Status& status : statuses) threads.emplace_back([&] { status = open(options_for(dsn)).upkeep->migrate(); });
  for (std::thread& thread : threads) thread.join();
  for (const Status& status : statuses) CHECK_MESSAGE(status.ok(), status.to_string());
  test::PgClient client(dsn);
  CHECK(client.value("SELECT count(*) FROM cairn.schema_migrations") == std::to_string(migrations().size()));
}

TEST_CASE("two schemas of one database do not know each other") {
  const TestDatabase first;
  const TestDatabase second;
  CHECK(apply_range(*first.database.materializer, InteractionStream(1), 0, 10).ok());
  CHECK(second.database.materializer->load_positions("s")->empty());
  CHECK(second.client().value("SELECT count(*) FROM user_interactions") == "0");
  CHECK(first.client().value("SELECT count(*) FROM user_interactions") == "10");
}

TEST_CASE("a schema of a newer program is left alone") {
  const TestDatabase made;
  made.client().query("INSERT INTO schema_migrations VALUES (99, '0099_future', 'x')");
  const Status status = made.database.upkeep->migrate();
  CHECK(status.code() == StatusCode::kFailedPrecondition);
  CHECK(status.message().find("0099_future") != std::string::npos);
  CHECK(status.message().find("newer program") != std::string::npos);
}

TEST_CASE("a step that was recorded with another content is noticed") {
  const TestDatabase made;
  made.client().query("UPDATE schema_migrations SET checksum = repeat('0', 64) WHERE version = 2");
  CHECK(made.database.upkeep->migrate().code() == StatusCode::kFailedPrecondition);
}

TEST_CASE("without PostGIS, and without the right to add it, the remedy is named") {
  test::TestCluster& cluster = test::TestCluster::shared();
  test::PgClient(cluster.dsn("postgres")).query("CREATE ROLE plain LOGIN");
  const std::string dsn = cluster.fresh_plain_database();
  const std::string database = dsn.substr(dsn.find("dbname=") + 7, dsn.find(" user=") - dsn.find("dbname=") - 7);
  test::PgClient(dsn).query("ALTER DATABASE " + database + " OWNER TO plain");
  const auto plain = open(options_for(cluster.dsn(database, "plain")));
  const Status refused = plain.upkeep->migrate();
  CHECK(refused.code() == StatusCode::kFailedPrecondition);
  CHECK(refused.message().find("CREATE EXTENSION postgis") != std::string::npos);

  SUBCASE("once it is there, the owner of the database needs nothing else") {
    test::PgClient(dsn).query("CREATE EXTENSION postgis");
    const Status migrated = plain.upkeep->migrate();
    CHECK_MESSAGE(migrated.ok(), migrated.to_string());
    CHECK(apply_range(*plain.materializer, InteractionStream(1), 0, 50).ok());
  }
  SUBCASE("a schema of which nothing is known yet is not said to be gone") {
    test::PgClient(dsn).query("REVOKE EXECUTE ON FUNCTION pg_advisory_xact_lock(bigint) FROM PUBLIC");
    CHECK(plain.upkeep->migrate().code() == StatusCode::kFailedPrecondition);
  }
  SUBCASE("a role without rights is told so, and may use what another has made") {
    test::PgClient(dsn).query("CREATE EXTENSION postgis; ALTER DATABASE " + database + " OWNER TO cairn");
    CHECK(plain.upkeep->migrate().code() == StatusCode::kFailedPrecondition);
    REQUIRE(open(options_for(dsn)).upkeep->migrate().ok());
    test::PgClient(dsn).query(
        "GRANT USAGE ON SCHEMA cairn TO plain; GRANT SELECT ON ALL TABLES IN SCHEMA cairn TO plain");
    CHECK(plain.upkeep->migrate().ok());
    CHECK(plain.materializer->load_positions("s").ok());
    CHECK(plain.places->upsert_places({}, 1).code() == StatusCode::kFailedPrecondition);
  }
  test::PgClient owner(dsn);
  owner.query("ALTER DATABASE " + database + " OWNER TO cairn; DROP OWNED BY plain CASCADE; DROP ROLE plain");
}

TEST_CASE("every table and view says what it is for") {
  const TestDatabase made;
  CHECK(made.client().value(
            "SELECT coalesce(string_agg(relname, ', '), 'none') FROM pg_class WHERE relnamespace = "
            "current_schema()::text::regnamespace AND relkind IN ('r', 'p', 'v') AND obj_description(oid, 'pg_class') "
            "IS NULL") == "none");
}

}  // namespace
}  // namespace cairn::sql

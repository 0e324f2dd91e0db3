#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/sql/interaction_stream.h"

namespace cairn::sql {
namespace {

Database open_for(const TestDatabase& made, const std::string& id, bool shared = false) {
  return open_database(made.options, test_types(), kDedupIds, Logger(),
                       {.id = id, .place = "host:/var/lib/" + id, .shared = shared})
      .value();
}

/// How many rows the first `end` events of the stream make.
std::string rows_of(const InteractionStream& stream, std::int64_t end) {
  return std::to_string(expect(stream.range(0, end)).rows.size());
}

bool mentions(const Status& status, const std::string& text) {
  return status.message().find(text) != std::string::npos;
}

TEST_CASE("a schema belongs to the state directory that starts on it first, and another is told both and the remedy") {
  const TestDatabase made;
  const auto first = open_for(made, "one");
  REQUIRE(first.upkeep->migrate().ok());
  CHECK(open_for(made, "one").upkeep->migrate().ok());
  const auto second = open_for(made, "two");
  const Status refused = second.upkeep->migrate();
  CHECK(refused.code() == StatusCode::kFailedPrecondition);
  for (const char* part : {"host:/var/lib/one", "host:/var/lib/two", "sql.shared", "cairn sql adopt"}) {
    CHECK_MESSAGE(mentions(refused, part), refused.message());
  }
  // Nor does it write, if it does not ask.
  CHECK(apply_range(*second.materializer, InteractionStream(1), 0, 10).status().code() ==
        StatusCode::kFailedPrecondition);
  CHECK(second.places->upsert_places(std::vector{Place{PlaceId("a"), "A", {1, 2}, ""}}, 7).code() ==
        StatusCode::kFailedPrecondition);
  CHECK(made.client().value("SELECT count(*) FROM user_interactions") == "0");
  CHECK(apply_range(*first.materializer, InteractionStream(1), 0, 10).ok());
}

TEST_CASE("a schema is shared only by state directories that all say so") {
  const TestDatabase made;
  REQUIRE(open_for(made, "one", true).upkeep->migrate().ok());
  CHECK(mentions(open_for(made, "two", false).upkeep->migrate(), "only one of them has sql.shared = true"));
  const auto second = open_for(made, "two", true);
  CHECK(second.upkeep->migrate().ok());
  CHECK(apply_range(*second.materializer, InteractionStream(1), 0, 10).ok());
  CHECK(mentions(open_for(made, "one", false).upkeep->migrate(), "host:/var/lib/two"));
  CHECK(open_for(made, "one", true).upkeep->migrate().ok());
}

TEST_CASE("a schema that is handed over belongs to the next that starts, and the one before stops writing") {
  const TestDatabase made;
  const auto first = open_for(made, "one");
  REQUIRE(first.upkeep->migrate().ok());
  const InteractionStream stream(1);
  REQUIRE(apply_range(*first.materializer, stream, 0, 10).ok());
  REQUIRE(release_schema(made.options).ok());
  const auto second = open_for(made, "two");
  REQUIRE(second.upkeep->migrate().ok());
  const Status stopped = apply_range(*first.materializer, stream, 10, 20).status();
  CHECK(stopped.code() == StatusCode::kFailedPrecondition);
  CHECK_MESSAGE(mentions(stopped, "taken over"), stopped.message());
  CHECK(first.upkeep->migrate().code() == StatusCode::kFailedPrecondition);
  // The positions of its sources are those that the rows reach to.
  CHECK(apply_range(*second.materializer, stream, 10, 20).ok());
  CHECK(made.client().value("SELECT count(*) FROM user_interactions") == rows_of(stream, 20));
}

TEST_CASE("a schema that was made before there were owners is its next user's") {
  const TestDatabase made;
  const InteractionStream stream(3);
  REQUIRE(apply_range(*made.database.materializer, stream, 0, 10).ok());
  made.client().query(
      "DROP TABLE schema_owners, position_marks, kept_answers, answer_invalidations, answer_invalidation_order; "
      "DROP FUNCTION invalidate_answers; ALTER TABLE places DROP COLUMN deleted_at, DROP COLUMN attributes, "
      "DROP COLUMN hours_from; ALTER TABLE user_interactions ALTER COLUMN written_at SET DEFAULT now(); "
      "ALTER TABLE event_id_order DROP COLUMN retracted_generation; ALTER TABLE seen_event_ids DROP COLUMN contents; "
      "DELETE FROM schema_migrations WHERE version >= 7");
  const auto upgraded = open_for(made, "one");
  REQUIRE(upgraded.upkeep->migrate().ok());
  CHECK(apply_range(*upgraded.materializer, stream, 10, 30).ok());
  CHECK(made.client().value("SELECT count(*) FROM user_interactions") == rows_of(stream, 30));
}

TEST_CASE("positions that were emptied or moved by hand stop the writer, and can be put back") {
  struct Case {
    const char* what;
    const char* restored;
  };
  const Case cases[] = {
      {"TRUNCATE consumer_positions", "1"},
      {"UPDATE consumer_positions SET next_offset = 40", "1"},
      {"UPDATE consumer_positions SET cursor = 'x'", "1"},
      {"TRUNCATE position_marks", "1"},
  };
  for (const Case& one : cases) {
    INFO(one.what);
    const TestDatabase made;
    const InteractionStream stream(2);
    REQUIRE(apply_range(*made.database.materializer, stream, 0, 100).ok());
    made.client().query(one.what);
    // By one who goes on, and by one who starts.
    for (const Status& refused : {apply_range(*made.database.materializer, stream, 100, 120).status(),
                                  made.database.materializer->load_positions("s").status()}) {
      CHECK(refused.code() == StatusCode::kFailedPrecondition);
      CHECK_MESSAGE(mentions(refused, "cairn sql restore-positions"), refused.message());
    }
    CHECK(made.database.materializer->load_positions("another source")->empty());
    const auto restored = restore_positions(made.options);
    REQUIRE_MESSAGE(restored.ok(), restored.status().to_string());
    CHECK(std::to_string(*restored) == one.restored);
    CHECK(*restore_positions(made.options) == 0);
    const auto positions = made.database.materializer->load_positions("s");
    REQUIRE(positions.ok());
    CHECK(positions->at(0).offset == Offset{100});
    if (positions->at(0).cursor.empty()) {
      CHECK(apply_range(*made.database.materializer, stream, 100, 120).ok());
      CHECK(made.client().value("SELECT count(*) FROM user_interactions") == rows_of(stream, 120));
    }
  }
}

TEST_CASE("a table of positions that was dropped comes back with what it held") {
  const TestDatabase made;
  const InteractionStream stream(2);
  REQUIRE(apply_range(*made.database.materializer, stream, 0, 100).ok());
  made.client().query("DROP TABLE consumer_positions");
  const Status refused = made.database.materializer->load_positions("s").status();
  CHECK_MESSAGE(mentions(refused, "cairn sql restore-positions"), refused.message());
  const auto restored = restore_positions(made.options);
  REQUIRE_MESSAGE(restored.ok(), restored.status().to_string());
  CHECK(*restored == 1);
  CHECK(made.database.materializer->load_positions("s")->at(0).offset == Offset{100});
  CHECK(made.database.upkeep->migrate().ok());
}

TEST_CASE("a batch that begins a source again after its positions were emptied writes nothing") {
  const TestDatabase made;
  const InteractionStream stream(4);
  REQUIRE(apply_range(*made.database.materializer, stream, 0, 100).ok());
  made.client().query("TRUNCATE consumer_positions");
  CHECK(apply_range(*made.database.materializer, stream, 0, 100).status().code() == StatusCode::kFailedPrecondition);
  CHECK(made.client().value("SELECT count(*) FROM user_interactions") == rows_of(stream, 100));
  CHECK(made.client().value("SELECT sum(events) FROM place_stats_hourly") == rows_of(stream, 100));
}

TEST_CASE("tables that were altered by hand are noticed before anything is written") {
  for (const char* change : {"ALTER TABLE user_interactions DROP COLUMN source",
                             "ALTER TABLE place_stats_hourly RENAME COLUMN value_sum TO total",
                             "DROP TABLE seen_event_ids", "ALTER TABLE places RENAME TO venues",
                             "ALTER TABLE user_interactions ALTER COLUMN value TYPE boolean USING false"}) {
    INFO(change);
    const TestDatabase made;
    made.client().query(change);
    const Status refused = made.database.upkeep->migrate();
    CHECK_MESSAGE(refused.code() == StatusCode::kNotFound, refused.to_string());
    CHECK(refused.message().find('\n') == std::string::npos);
  }
}

}  // namespace
}  // namespace cairn::sql

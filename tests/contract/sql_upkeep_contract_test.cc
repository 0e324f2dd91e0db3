// What every Upkeep promises, checked on each of them.

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/contract/sql_twins.h"

namespace cairn::sql {
namespace {

TEST_CASE_TEMPLATE("a server answers a ping before it has a schema", Twin, MemoryTwin, PostgresTwin) {
  const Twin twin(Schema::kEmpty);
  CHECK(twin.roles.upkeep->ping().ok());
}

TEST_CASE_TEMPLATE("before the migration there is nothing to maintain", Twin, MemoryTwin, PostgresTwin) {
  const Twin twin(Schema::kEmpty);
  CHECK(twin.roles.upkeep->maintain(SystemClock::instance().now()).code() == StatusCode::kFailedPrecondition);
}

TEST_CASE_TEMPLATE("migrating again changes nothing, and what was written stays", Twin, MemoryTwin, PostgresTwin) {
  const Twin twin(Schema::kEmpty);
  const InteractionStream stream(21);
  REQUIRE(twin.roles.upkeep->migrate().ok());
  REQUIRE(apply_range(*twin.roles.materializer, stream, 0, 50).ok());
  REQUIRE(twin.roles.places->upsert_places(std::vector{Place{PlaceId("a"), "A", {1, 2}, ""}}, 7).ok());
  CHECK(twin.roles.upkeep->migrate().ok());
  CHECK(*twin.roles.materializer->load_positions("s") == std::vector{position(50)});
  CHECK(*twin.roles.places->places_version() == 7);
  CHECK(twin.places().size() == 1);
  check_tables(twin, expect(stream.range(0, 50)));
  CHECK(apply_range(*twin.roles.materializer, stream, 0, 50).status().code() == StatusCode::kAborted);
}

TEST_CASE_TEMPLATE("maintenance forgets no event id, whatever the time", Twin, MemoryTwin, PostgresTwin) {
  const Twin twin;
  const EventTime now = SystemClock::instance().now();
  Interaction event = interaction("p", 0);
  event.event_id = "mine";
  REQUIRE(twin.roles.materializer->apply("s", std::vector{event}, {}, std::vector{position(1)}).ok());
  for (const std::chrono::days later : {std::chrono::days(0), std::chrono::days(1'000)}) {
    REQUIRE(twin.roles.upkeep->maintain(now + later).ok());
  }
  const auto again =
      twin.roles.materializer->apply("s", std::vector{event}, std::vector{position(1)}, std::vector{position(2)});
  CHECK(again->repeated == 1);
}

}  // namespace
}  // namespace cairn::sql

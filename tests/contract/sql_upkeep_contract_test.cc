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

TEST_CASE_TEMPLATE("an event id is forgotten when its time and its writing both lie more than four windows back", Twin,
                   MemoryTwin, PostgresTwin) {
  const Twin twin;
  const EventTime now = SystemClock::instance().now();
  std::vector<Interaction> events(2, interaction("p", 0));
  events[0].event_id = "old";
  events[0].time = now - 400 * kDedupWindow;
  events[1].event_id = "ahead";
  events[1].time = now + 20 * kDedupWindow;
  std::int64_t offset = 0;
  // Both events again: how many of them are taken for new ones.
  const auto taken = [&] {
    const auto applied =
        twin.roles.materializer->apply("s", events, std::vector{position(offset)}, std::vector{position(offset + 1)});
    REQUIRE_MESSAGE(applied.ok(), applied.status().to_string());
    ++offset;
    return applied->rows;
  };
  CHECK(taken() == 2);
  CHECK(taken() == 0);
  REQUIRE(twin.roles.upkeep->maintain(now).ok());
  CHECK(taken() == 0);  // a backfill's repeats may be about to come
  REQUIRE(twin.roles.upkeep->maintain(now + 4 * kDedupWindow - std::chrono::minutes(1)).ok());
  CHECK(taken() == 0);
  REQUIRE(twin.roles.upkeep->maintain(now + 5 * kDedupWindow + std::chrono::minutes(1)).ok());
  CHECK(taken() == 1);
  REQUIRE(twin.roles.upkeep->maintain(now + 25 * kDedupWindow + std::chrono::minutes(1)).ok());
  CHECK(taken() == 2);
}

}  // namespace
}  // namespace cairn::sql

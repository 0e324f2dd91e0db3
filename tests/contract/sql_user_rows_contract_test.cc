// What UserRows promises, checked on each of them.

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "tests/contract/sql_twins.h"

namespace cairn::sql {
namespace {

constexpr std::int64_t kThen = 1'700'000'000'000;

Interaction event(const std::string& user, std::int64_t ms, const std::string& place = "p") {
  return {UserId(user),         PlaceId(place),           TypeIndex{3}, event_time_from_ms(ms), 4.5,
          GeoPoint{1.5, -2.25}, user + std::to_string(ms)};
}

template <class Twin>
void write(const Twin& twin, const std::vector<Interaction>& events, std::int64_t offset) {
  const std::vector<SourcePosition> before{{Partition{0}, Offset{offset - 1}, ""}};
  const std::vector<SourcePosition> after{{Partition{0}, Offset{offset}, ""}};
  REQUIRE(twin.roles.materializer->apply("s", events, before, after).ok());
}

std::vector<std::int64_t> times_of(UserRows& rows, const std::string& user) {
  std::vector<std::int64_t> times;
  const auto found = rows.read(UserId(user));
  REQUIRE_MESSAGE(found.ok(), found.status().to_string());
  for (const UserRow& row : *found) times.push_back(to_ms(row.time));
  return times;
}

TEST_CASE_TEMPLATE("a user's rows are told whole, oldest first, and nobody else's", Twin, MemoryTwin, PostgresTwin) {
  const Twin twin;
  Interaction bare = event("u", kThen);
  bare.value.reset();
  bare.position.reset();
  bare.event_id.clear();
  write(twin, {event("u", kThen + 1), event("u2", kThen), bare}, 1);
  const auto rows = twin.roles.users->read(UserId("u"));
  REQUIRE_MESSAGE(rows.ok(), rows.status().to_string());
  REQUIRE(rows->size() == 2);
  const UserRow& first = rows->at(0);
  CHECK(first.time == event_time_from_ms(kThen));
  CHECK_FALSE(first.value);
  CHECK_FALSE(first.position);
  CHECK(first.event_id.empty());
  const UserRow& second = rows->at(1);
  CHECK(second.time == event_time_from_ms(kThen + 1));
  CHECK(second.place == "p");
  CHECK(second.type == "rate");
  CHECK(second.value == 4.5);
  CHECK(second.position == GeoPoint{1.5, -2.25});
  CHECK(second.event_id == "u" + std::to_string(kThen + 1));
  CHECK(second.source == "s");
  CHECK(twin.roles.users->read(UserId("nobody'; --"))->empty());
}

TEST_CASE_TEMPLATE("erasing takes rows up to a time, and all that were written before another; hours stay", Twin,
                   MemoryTwin, PostgresTwin) {
  const Twin twin;
  UserRows& users = *twin.roles.users;
  write(twin, {event("u", kThen), event("u", kThen + 5), event("u2", kThen)}, 1);
  CHECK(users.erase(UserId("u"), event_time_from_ms(kThen), event_time_from_ms(0)).value() == 1);
  CHECK(times_of(users, "u") == std::vector<std::int64_t>{kThen + 5});
  CHECK(users.erase(UserId("u"), event_time_from_ms(kThen), event_time_from_ms(0)).value() == 0);
  const auto hour_from_now =
      std::chrono::time_point_cast<EventTime::duration>(std::chrono::system_clock::now()) + std::chrono::hours(1);
  CHECK(users.erase(UserId("u"), event_time_from_ms(0), hour_from_now).value() == 1);
  CHECK(times_of(users, "u").empty());
  CHECK(times_of(users, "u2").size() == 1);
  const Expected tables = twin.tables();
  CHECK(tables.rows.size() == 1);
  REQUIRE(tables.stats.size() == 1);
}

TEST_CASE_TEMPLATE("before the migration there are no rows to erase or to tell", Twin, MemoryTwin, PostgresTwin) {
  const Twin twin(Schema::kEmpty);
  CHECK(twin.roles.users->read(UserId("u")).status().code() == StatusCode::kFailedPrecondition);
  CHECK(twin.roles.users->erase(UserId("u"), {}, {}).status().code() == StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace cairn::sql

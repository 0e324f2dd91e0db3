// What every PlaceMirror promises, checked on each of them.

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/contract/sql_twins.h"

namespace cairn::sql {
namespace {

Place place(const std::string& id, const std::string& name, GeoPoint position = {40.7, -74.0},
            const std::string& category = "cafe") {
  return {PlaceId(id), name, position, category};
}

TEST_CASE_TEMPLATE("a lower version never overwrites a higher one, and an equal one may be repeated", Twin, MemoryTwin,
                   PostgresTwin) {
  const Twin twin;
  CHECK(*twin.roles.places->places_version() == 0);
  REQUIRE(twin.roles.places->upsert_places(std::vector{place("a", "five")}, 5).ok());
  REQUIRE(twin.roles.places->upsert_places(std::vector{place("a", "four"), place("b", "four")}, 4).ok());
  // "b" is a place that the higher version did not name.
  CHECK(twin.places() == std::vector{place("a", "five"), place("b", "four")});
  CHECK(*twin.roles.places->places_version() == 5);
  REQUIRE(twin.roles.places->upsert_places(std::vector{place("a", "five again")}, 5).ok());
  CHECK(twin.places() == std::vector{place("a", "five again"), place("b", "four")});
  REQUIRE(twin.roles.places->upsert_places({}, 9).ok());
  CHECK(*twin.roles.places->places_version() == 9);
}

TEST_CASE_TEMPLATE("before the migration there is neither a version nor a place to write to", Twin, MemoryTwin,
                   PostgresTwin) {
  const Twin twin(Schema::kEmpty);
  CHECK(twin.roles.places->places_version().status().code() == StatusCode::kFailedPrecondition);
  CHECK(twin.roles.places->upsert_places(std::vector{place("a", "1")}, 1).code() == StatusCode::kFailedPrecondition);
}

TEST_CASE_TEMPLATE("of a place given twice the last counts", Twin, MemoryTwin, PostgresTwin) {
  const Twin twin;
  REQUIRE(twin.roles.places->upsert_places(std::vector{place("a", "1"), place("b", "2"), place("a", "3")}, 1).ok());
  CHECK(twin.places() == std::vector{place("a", "3"), place("b", "2")});
}

TEST_CASE_TEMPLATE("hostile names are only text", Twin, MemoryTwin, PostgresTwin) {
  const Twin twin;
  const std::vector<std::string> names{"Robert'); DROP TABLE places;--",
                                       "\\.",
                                       "tab\tnew\nline\rreturn",
                                       "\\N",
                                       "\"",
                                       "$$; SELECT 1",
                                       "🙂",
                                       "",
                                       "\\x41",
                                       "{}",
                                       "a\\tb"};
  std::vector<Place> places;
  for (const std::string& name : names) places.push_back(place("id " + name, name, {1, 2}, name));
  REQUIRE(twin.roles.places->upsert_places(places, 1).ok());
  std::sort(places.begin(), places.end(), [](const Place& a, const Place& b) { return a.id < b.id; });
  CHECK(twin.places() == places);
}

TEST_CASE_TEMPLATE("a bad place is named and none is written", Twin, MemoryTwin, PostgresTwin) {
  const Twin twin;
  const auto refused = [&](const Place& bad) {
    return twin.roles.places->upsert_places(std::vector{place("a", "good"), bad}, 1);
  };
  CHECK(refused(place("", "x")).message().find("place 1") != std::string::npos);
  CHECK(refused(place("b", "x", {0, 181})).code() == StatusCode::kInvalidArgument);
  CHECK(refused(place("b", std::string("x\0y", 3))).code() == StatusCode::kInvalidArgument);
  CHECK(refused(place("b", "x", {0, 0}, std::string("\0", 1))).code() == StatusCode::kInvalidArgument);
  CHECK(twin.roles.places->upsert_places({}, std::uint64_t{1} << 63).code() == StatusCode::kInvalidArgument);
  CHECK(twin.places().empty());
  CHECK(*twin.roles.places->places_version() == 0);
}

}  // namespace
}  // namespace cairn::sql

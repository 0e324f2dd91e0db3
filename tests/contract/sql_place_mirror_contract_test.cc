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

TEST_CASE_TEMPLATE("a deleted place keeps its row, which says so until a higher version brings it back", Twin,
                   MemoryTwin, PostgresTwin) {
  const Twin twin;
  const EventTime at = event_time_from_ms(1'700'000'000'123);
  PlaceMirror& mirror = *twin.roles.places;
  REQUIRE(mirror.upsert_places(std::vector{place("a", "1"), place("b", "1")}, 1).ok());
  REQUIRE(
      mirror.write_places({}, std::vector{DeletedPlace{place("a", "1"), at}, DeletedPlace{place("new", "1"), at}}, 3)
          .ok());
  CHECK(twin.places() == std::vector{place("a", "1"), place("b", "1"), place("new", "1")});
  CHECK(twin.deleted_places() == std::vector{PlaceId("a"), PlaceId("new")});
  CHECK(*mirror.places_version() == 3);
  REQUIRE(mirror.upsert_places(std::vector{place("a", "older")}, 2).ok());
  CHECK(twin.deleted_places() == std::vector{PlaceId("a"), PlaceId("new")});
  REQUIRE(mirror.write_places({}, std::vector{DeletedPlace{place("b", "1"), at}}, 0).ok());  // older than b's row
  CHECK(twin.deleted_places() == std::vector{PlaceId("a"), PlaceId("new")});
  REQUIRE(mirror.write_places(std::vector{place("a", "back")}, std::vector{DeletedPlace{place("b", "1"), at}}, 4).ok());
  CHECK(twin.places() == std::vector{place("a", "back"), place("b", "1"), place("new", "1")});
  CHECK(twin.deleted_places() == std::vector{PlaceId("b"), PlaceId("new")});
  CHECK(mirror.write_places({}, std::vector{DeletedPlace{place("", "1"), at}}, 5).code() ==
        StatusCode::kInvalidArgument);
}

TEST_CASE_TEMPLATE("a deletion with the history takes the hours of before, once, and no interaction", Twin, MemoryTwin,
                   PostgresTwin) {
  const Twin twin;
  const auto visit = [&](const char* id, std::int64_t offset) {
    const Interaction one{UserId("u"), PlaceId(id), TypeIndex{2}, event_time_from_ms(1'700'000'000'000), {}, {}, ""};
    const std::vector<SourcePosition> before{{Partition{0}, Offset{offset - 1}, ""}};
    const std::vector<SourcePosition> after{{Partition{0}, Offset{offset}, ""}};
    REQUIRE(twin.roles.materializer->apply("s", {&one, 1}, before, after).ok());
  };
  visit("a", 1);
  visit("b", 2);
  const std::vector<DeletedPlace> kept{{place("a", ""), event_time_from_ms(1)}};
  const std::vector<DeletedPlace> erased{{place("a", ""), event_time_from_ms(2), true}};
  REQUIRE(twin.roles.places->write_places({}, kept, 1).ok());
  CHECK(twin.tables().stats.size() == 2);
  REQUIRE(twin.roles.places->write_places({}, erased, 2).ok());
  CHECK(twin.tables().stats.size() == 1);
  CHECK(twin.tables().rows.size() == 2);
  visit("a", 3);
  REQUIRE(twin.roles.places->write_places({}, erased, 3).ok());  // told again, as after a crash
  CHECK(twin.tables().stats.size() == 2);
}

TEST_CASE_TEMPLATE("an event of before its place was erased is taken out of no hour that began anew", Twin, MemoryTwin,
                   PostgresTwin) {
  const Twin twin;
  std::int64_t offset = 0;
  const auto apply = [&](const std::vector<Interaction>& batch) {
    const std::vector<SourcePosition> before =
        offset == 0 ? std::vector<SourcePosition>{} : std::vector{SourcePosition{Partition{0}, Offset{offset}, ""}};
    ++offset;
    const std::vector<SourcePosition> after{{Partition{0}, Offset{offset}, ""}};
    const auto applied = twin.roles.materializer->apply("s", batch, before, after);
    REQUIRE_MESSAGE(applied.ok(), applied.status().to_string());
  };
  const auto rating = [](std::int64_t number, double value, bool retracts = false) {
    Interaction one{UserId("u"),
                    PlaceId("a"),
                    TypeIndex{3},
                    event_time_from_ms(1'700'000'000'000 + number),
                    value,
                    {},
                    "e" + std::to_string(number)};
    one.retracts = retracts;
    return one;
  };
  const auto hours = [&] { return twin.tables().stats; };
  apply({rating(0, 1.0), rating(1, 5.0)});
  REQUIRE(
      twin.roles.places->write_places({}, std::vector{DeletedPlace{{PlaceId("a"), ""}, event_time_from_ms(2), true}}, 1)
          .ok());
  REQUIRE(hours().empty());
  apply({rating(2, 2.0), rating(3, 4.0)});
  const auto anew = hours();
  REQUIRE(anew.size() == 1);
  apply({rating(0, 1.0, true)});
  CHECK(hours() == anew);
  CHECK(twin.tables().rows.size() == 3);
  apply({rating(3, 4.0, true)});
  // What is left is what the other one alone makes.
  const Twin plain;
  const std::vector<SourcePosition> one{{Partition{0}, Offset{1}, ""}};
  REQUIRE(plain.roles.materializer->apply("s", std::vector{rating(2, 2.0)}, {}, one).ok());
  CHECK(hours() == plain.tables().stats);
}

}  // namespace
}  // namespace cairn::sql

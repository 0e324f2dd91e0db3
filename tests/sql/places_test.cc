#include <doctest/doctest.h>

#include <algorithm>
#include <random>

#include "tests/sql/interaction_stream.h"

namespace cairn::sql {
namespace {

Place place(const std::string& id, const std::string& name, GeoPoint position = {40.7, -74.0},
            const std::string& category = "cafe") {
  return {PlaceId(id), name, position, category};
}

std::string name_of(test::PgClient& client, const std::string& id) {
  return client.value("SELECT name FROM places WHERE place_id = $id$" + id + "$id$");
}

TEST_CASE("a lower version never overwrites a higher one, and an equal one may be repeated") {
  const TestDatabase made;
  test::PgClient client = made.client();
  CHECK(*made.database->places_version() == 0);
  REQUIRE(made.database->upsert_places(std::vector{place("a", "five")}, 5).ok());
  REQUIRE(made.database->upsert_places(std::vector{place("a", "four"), place("b", "four")}, 4).ok());
  CHECK(name_of(client, "a") == "five");
  CHECK(name_of(client, "b") == "four");  // a place that the later version did not name
  CHECK(*made.database->places_version() == 5);
  REQUIRE(made.database->upsert_places(std::vector{place("a", "five again")}, 5).ok());
  CHECK(name_of(client, "a") == "five again");
  REQUIRE(made.database->upsert_places({}, 9).ok());
  CHECK(*made.database->places_version() == 9);
}

TEST_CASE("of a place given twice the last counts") {
  const TestDatabase made;
  REQUIRE(made.database->upsert_places(std::vector{place("a", "1"), place("b", "2"), place("a", "3")}, 1).ok());
  test::PgClient client = made.client();
  CHECK(name_of(client, "a") == "3");
  CHECK(client.value("SELECT count(*) FROM places") == "2");
}

TEST_CASE("hostile names are only text") {
  const TestDatabase made;
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
  REQUIRE(made.database->upsert_places(places, 1).ok());
  test::PgClient client = made.client();
  for (const std::string& name : names) {
    CHECK(name_of(client, "id " + name) == name);
    CHECK(client.value("SELECT category FROM places WHERE place_id = $id$id " + name + "$id$") ==
          (name.empty() ? "NULL" : name));
  }
}

TEST_CASE("a bad place is named and none is written") {
  const TestDatabase made;
  const auto refused = [&](const Place& bad) {
    return made.database->upsert_places(std::vector{place("a", "good"), bad}, 1);
  };
  CHECK(refused(place("", "x")).message().find("place 1") != std::string::npos);
  CHECK(refused(place("b", "x", {0, 181})).code() == StatusCode::kInvalidArgument);
  CHECK(refused(place("b", std::string("x\0y", 3))).code() == StatusCode::kInvalidArgument);
  CHECK(refused(place("b", "x", {0, 0}, std::string("\0", 1))).code() == StatusCode::kInvalidArgument);
  CHECK(refused(place("b", "\xc3")).code() == StatusCode::kInvalidArgument);
  CHECK(made.database->upsert_places({}, std::uint64_t{1} << 63).code() == StatusCode::kInvalidArgument);
  CHECK(made.client().value("SELECT count(*) FROM places") == "0");
  CHECK(*made.database->places_version() == 0);
}

TEST_CASE("ten thousands of places in one call are all there, and within-distance agrees with the haversine formula") {
  const TestDatabase made;
  std::mt19937_64 random(12);
  std::uniform_real_distribution<double> offset(-0.2, 0.2);
  std::vector<Place> places;
  for (int i = 0; i < 25'000; ++i) {
    places.push_back(place(std::string("p") + std::to_string(i), "n", {40.7 + offset(random), -74.0 + offset(random)},
                           i % 3 == 0 ? "cafe" : "bar"));
  }
  REQUIRE(made.database->upsert_places(places, 1).ok());
  test::PgClient client = made.client();
  CHECK(client.value("SELECT count(*) FROM places") == "25000");
  const GeoPoint center{40.7, -74.0};
  const auto near = std::count_if(places.begin(), places.end(), [&](const Place& p) {
    return p.category == "cafe" && distance_meters(p.position, center) <= 3000;
  });
  REQUIRE(near > 50);
  CHECK(client.value("SELECT count(*) FROM places WHERE category = 'cafe' AND "
                     "ST_DWithin(location, ST_MakePoint(-74.0, 40.7)::geography, 3000, false)") ==
        std::to_string(near));
}

TEST_CASE("within-distance and category are answered by one index") {
  const TestDatabase made;
  std::string plan;
  for (const auto& row :
       made.client().query("SET enable_seqscan = off; EXPLAIN SELECT * FROM places WHERE "
                           "ST_DWithin(location, ST_MakePoint(-74, 40.7)::geography, 500) AND category = 'cafe'")) {
    plan += *row[0] + "\n";
  }
  INFO(plan);
  CHECK(plan.find("places_location_category") != std::string::npos);
  const std::size_t condition = plan.find("Index Cond");
  REQUIRE(condition != std::string::npos);
  CHECK(plan.find("category = 'cafe'", condition) < plan.find('\n', condition));
}

}  // namespace
}  // namespace cairn::sql

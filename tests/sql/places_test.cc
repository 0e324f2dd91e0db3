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

TEST_CASE("a name that is not UTF-8 is the server's own refusal, and no place is written") {
  const TestDatabase made;
  const std::vector<Place> places{place("a", "good"), place("b", "\xc3")};
  CHECK(made.database.places->upsert_places(places, 1).code() == StatusCode::kInvalidArgument);
  CHECK(made.client().value("SELECT count(*) FROM places") == "0");
  CHECK(*made.database.places->places_version() == 0);
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
  REQUIRE(made.database.places->upsert_places(places, 1).ok());
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

TEST_CASE("attributes are JSON in the table, as they were imported last, and those of a deleted place stay") {
  const TestDatabase made;
  test::PgClient client = made.client();
  Place with = place("a", "n", {40, -74}, "cafe");
  with.attributes = {{"cuisine", std::vector<AttributeScalar>{std::string("thai"), 3.0, true}},
                     {"name\\\"\t", std::string("tab\tquote\"back\\line\n\xC3\xA9")},
                     {"price", 4.5},
                     {"vegan", true}};
  REQUIRE(made.database.places->upsert_places(std::vector{with, place("b", "n", {40, -74}, "cafe")}, 1).ok());
  CHECK(client.value("SELECT attributes FROM places WHERE place_id = 'b'") == "{}");
  CHECK(client.value("SELECT place_id FROM places WHERE attributes @> '{\"cuisine\": [\"thai\"], \"vegan\": true}'") ==
        "a");
  CHECK(client.value("SELECT attributes ->> 'price' FROM places WHERE place_id = 'a'") == "4.5");
  CHECK(client.value("SELECT attributes ->> E'name\\\\\"\\t' FROM places WHERE place_id = 'a'") ==
        "tab\tquote\"back\\line\n\xC3\xA9");
  with.attributes = {{"price", 5.0}};
  REQUIRE(made.database.places->upsert_places(std::vector{with}, 2).ok());
  CHECK(client.value("SELECT attributes FROM places WHERE place_id = 'a'") == "{\"price\": 5}");
  const DeletedPlace gone{with, event_time_from_ms(1'714'564'800'000)};
  REQUIRE(made.database.places->write_places({}, std::span(&gone, 1), 3).ok());
  CHECK(client.value("SELECT attributes FROM places WHERE place_id = 'a'") == "{\"price\": 5}");
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

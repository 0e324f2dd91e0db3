#include "engine/cache/grid.h"

#include <doctest/doctest.h>

#include <random>

#include "features/geohash.h"

namespace {

using namespace cairn;
using cache::on_grid;

TEST_CASE("a position is moved to the centre of its cell, which stays its cell") {
  // geohash.org has dr5ru6 around Times Square; 1.2 km x 0.61 km, so nothing in it is further than 0.7 km from its
  // centre.
  const RecommendRequest request{.user = UserId("u"), .position = GeoPoint{40.7580, -73.9855}, .snap = true};
  const auto placed = on_grid(request, 6);
  REQUIRE_MESSAGE(placed.ok(), placed.status().to_string());
  CHECK(placed->cell == "dr5ru7");
  CHECK_FALSE(placed->snap);
  CHECK(placed->user == UserId("u"));
  CHECK(distance_meters(*placed->position, *request.position) < 700.0);
}

TEST_CASE("all positions of a cell are one, and its centre lies in it, whatever the letters") {
  const std::uint32_t seed = 11;
  INFO("seed ", seed);
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> lat(-90.0, 90.0);
  std::uniform_real_distribution<double> lon(-180.0, 180.0);
  for (int i = 0; i < 10'000; ++i) {
    const int letters = 1 + static_cast<int>(random() % 12);
    const std::uint64_t bits = features::geohash_bits({lat(random), lon(random)}, letters);
    const GeoPoint center = features::geohash_center(bits, letters);
    REQUIRE(features::geohash_bits(center, letters) == bits);
  }
}

TEST_CASE("the centre of a named cell is where geohash.org puts it") {
  // ezs42 is the example of Wikipedia's article: 42.605, -5.603.
  const auto placed = on_grid({.cell = "EZS42"}, 6);
  REQUIRE(placed.ok());
  CHECK(placed->cell == "ezs42");
  CHECK(placed->position->lat == doctest::Approx(42.60498046875));
  CHECK(placed->position->lon == doctest::Approx(-5.60302734375));
}

TEST_CASE("what is no cell, and what is two positions or none, is refused by name") {
  const auto message = [](const RecommendRequest& request) {
    const auto placed = on_grid(request, 6);
    REQUIRE_FALSE(placed.ok());
    CHECK(placed.status().code() == StatusCode::kInvalidArgument);
    return placed.status().message();
  };
  CHECK(message({.cell = "dr5r"}).find("geohash of 5 to 8 letters") != std::string::npos);
  CHECK(message({.cell = "dr5ru7ccc"}).find("dr5ru7ccc") != std::string::npos);
  CHECK(message({.cell = "dr5rua"}).find("dr5rua") != std::string::npos);
  CHECK(message({.position = GeoPoint{1, 2}, .cell = "dr5ru"}).find("not both") != std::string::npos);
  CHECK(message({.snap = true}).find("snap") != std::string::npos);
  CHECK(message({.position = GeoPoint{91, 2}, .snap = true}).find("lat") != std::string::npos);
}

TEST_CASE("a request that names no grid stays as it is") {
  const auto placed = on_grid({.user = UserId("u"), .position = GeoPoint{1, 2}}, 6);
  REQUIRE(placed.ok());
  CHECK(placed->cell.empty());
  CHECK(placed->position->lat == 1.0);
}

}  // namespace

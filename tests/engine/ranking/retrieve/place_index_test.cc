#include "engine/ranking/retrieve/place_index.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace {

using cairn::GeoPoint;
using cairn::ranking::PlaceIndex;
namespace gpu = cairn::gpu;
using Stored = cairn::state::Catalog::Stored;

Stored place(std::uint64_t id, GeoPoint position, std::string category = "") {
  return {id, 1, {cairn::PlaceId("p" + std::to_string(id)), "", position, std::move(category)}};
}

/// Where random places are drawn from: a city, a spot, the date line, a pole, the whole Earth.
GeoPoint draw(std::mt19937& random, int kind) {
  std::uniform_real_distribution<double> unit(-1.0, 1.0);
  const double a = unit(random);
  const double b = unit(random);
  switch (kind) {
    case 0:
      return {40.7 + a * 0.2, -74.0 + b * 0.3};
    case 1:
      return {40.7 + a * 1e-5, -74.0 + b * 1e-5};
    case 2:
      return {-17.0 + a * 2.0, b > 0 ? 180.0 - b * 2.0 : -180.0 - b * 2.0};
    case 3:
      return {a > 0 ? 90.0 - a : -90.0 - a, b * 180.0};
    default:
      return {a * 90.0, b * 180.0};
  }
}

TEST_CASE("a geofence holds exactly the places that a scan of all finds") {
  for (std::uint32_t seed = 1; seed <= 60; ++seed) {
    INFO("seed ", seed);
    std::mt19937 random(seed);
    const int kind = static_cast<int>(seed % 5);
    const int count = static_cast<int>(random() % 3000);
    std::vector<Stored> places;
    for (int i = 0; i < count; ++i) places.push_back(place(static_cast<std::uint64_t>(i), draw(random, kind)));
    const PlaceIndex index(places, cairn::features::Dictionary(), 1);
    REQUIRE(index.size() == places.size());

    for (int question = 0; question < 20; ++question) {
      const GeoPoint center = draw(random, kind);
      const double radius = std::exp(std::uniform_real_distribution<double>(0.0, 17.0)(random));  // 1 m to 24,000 km
      std::set<std::string> expected;
      for (const Stored& one : places) {
        if (cairn::distance_meters(center, one.place.position) <= radius) expected.insert(one.place.id.str());
      }
      std::set<std::string> found;
      std::uint32_t previous = 0;
      for (const PlaceIndex::Near& near : index.within(center, radius)) {
        CHECK((found.empty() || near.row > previous));
        previous = near.row;
        found.insert(index.place(near.row).id.str());
        CHECK(near.meters == doctest::Approx(cairn::distance_meters(center, index.position(near.row))));
      }
      INFO("center ", center.lat, " ", center.lon, " radius ", radius);
      CHECK(found == expected);
    }
  }
}

TEST_CASE("a place as far away as the radius is within it") {
  const GeoPoint center{40.7, -74.0};
  const GeoPoint there{40.71, -74.02};
  const PlaceIndex index({place(0, there)}, cairn::features::Dictionary(), 1);
  const double meters = cairn::distance_meters(center, there);
  CHECK(index.within(center, meters).size() == 1);
  CHECK(index.within(center, std::nextafter(meters, 0.0)).empty());
}

TEST_CASE("a small geofence is a few runs of rows") {
  std::mt19937 random(5);
  std::vector<Stored> places;
  for (std::uint64_t i = 0; i < 50'000; ++i) places.push_back(place(i, draw(random, 0)));
  const PlaceIndex index(places, cairn::features::Dictionary(), 1);
  const std::vector<gpu::RowRange> ranges = index.ranges_around({40.7, -74.0}, 1000.0);
  std::uint32_t rows = 0;
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    CHECK(ranges[i].begin < ranges[i].end);
    if (i > 0) CHECK(ranges[i - 1].end < ranges[i].begin);
    rows += ranges[i].end - ranges[i].begin;
  }
  const std::size_t inside = index.within({40.7, -74.0}, 1000.0).size();
  CHECK(inside > 50);
  CHECK(ranges.size() <= 32);
  CHECK(rows <= 20 * inside);  // out of 50,000
}

/// Whether one of the runs holds a place of the crowd.
bool holds_crowd(const PlaceIndex& index, const std::vector<gpu::RowRange>& ranges, GeoPoint crowd) {
  for (const gpu::RowRange& range : ranges) {
    for (std::uint32_t row = range.begin; row < range.end; ++row) {
      if (cairn::distance_meters(index.position(row), crowd) < 1.0) return true;
    }
  }
  return false;
}

TEST_CASE("a crowd beside a geofence is in none of its runs, on whichever side it is") {
  const double meters_a_degree = 111'195.0;
  for (std::uint32_t seed = 1; seed <= 200; ++seed) {
    INFO("seed ", seed);
    std::mt19937 random(seed);
    std::uniform_real_distribution<double> unit(-1.0, 1.0);
    const GeoPoint center{unit(random) * 60.0, unit(random) * 170.0};
    const double radius = std::exp(std::uniform_real_distribution<double>(4.0, 10.0)(random));  // 55 m to 22 km
    const double north = radius * std::uniform_real_distribution<double>(1.5, 4.0)(random) / meters_a_degree;
    const double east = north / std::cos(center.lat * 0.017453292519943295);
    const double aside = unit(random);  // how far along the side, of the radius
    for (const GeoPoint crowd : {GeoPoint{center.lat + north, center.lon + aside * east / 4.0},
                                 GeoPoint{center.lat - north, center.lon + aside * east / 4.0},
                                 GeoPoint{center.lat + aside * north / 4.0, center.lon + east},
                                 GeoPoint{center.lat + aside * north / 4.0, center.lon - east}}) {
      CAPTURE(crowd.lat);
      CAPTURE(crowd.lon);
      std::vector<Stored> places{place(0, center)};
      for (std::uint64_t i = 1; i <= 200; ++i) places.push_back(place(i, crowd));
      const PlaceIndex index(places, cairn::features::Dictionary(), 1);
      const auto ranges = index.ranges_around(center, radius);
      CHECK_FALSE(ranges.empty());
      CHECK_FALSE(holds_crowd(index, ranges, crowd));
    }
  }
}

TEST_CASE("around a centre on the date line the other side of the Earth is in no run") {
  for (const double lon : {-180.0, 180.0}) {
    CAPTURE(lon);
    const GeoPoint crowd{-17.0, 0.0};
    std::vector<Stored> places{place(0, {-17.0, 179.999}), place(1, {-17.0, -179.999})};
    for (std::uint64_t i = 2; i <= 200; ++i) places.push_back(place(i, crowd));
    const PlaceIndex index(places, cairn::features::Dictionary(), 1);
    const auto ranges = index.ranges_around({-17.0, lon}, 1000.0);
    CHECK_FALSE(holds_crowd(index, ranges, crowd));
    CHECK(index.within({-17.0, lon}, 1000.0).size() == 2);
  }
}

TEST_CASE("rows, ids and categories lead to each other") {
  cairn::features::Dictionary categories;
  const auto cafe = categories.intern("Cafe");
  const PlaceIndex index({place(7, {1, 1}, "Cafe"), place(3, {2, 2})}, categories, 42);
  CHECK(index.version() == 42);
  const std::uint32_t row = index.row_of(7);
  CHECK(index.place(row).id.str() == "p7");
  CHECK(index.place_id(row) == 7);
  CHECK(index.category(row) == cafe);
  CHECK(index.category(index.row_of(3)) == PlaceIndex::kNoCategory);
  CHECK(index.row_of(4) == gpu::kNoRow);
  CHECK(index.row_of(1'000'000) == gpu::kNoRow);
}

TEST_CASE("places at one spot stand in order of their ids") {
  const PlaceIndex index({place(9, {1, 1}), place(2, {1, 1}), place(5, {1, 1})}, cairn::features::Dictionary(), 1);
  CHECK(index.place(0).id.str() == "p2");
  CHECK(index.place(1).id.str() == "p5");
  CHECK(index.place(2).id.str() == "p9");
}

}  // namespace

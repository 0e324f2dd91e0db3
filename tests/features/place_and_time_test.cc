#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <random>
#include <string>

#include "features/calendar.h"
#include "features/geohash.h"

using cairn::event_time_from_ms;
using cairn::GeoPoint;
using namespace cairn::features;

namespace {

// The definition: halve the range, keep the half, longitude first.
std::string by_bisection(GeoPoint p, int letters) {
  double lon[2] = {-180, 180};
  double lat[2] = {-90, 90};
  std::string text;
  for (int letter = 0; letter < letters; ++letter) {
    int digit = 0;
    for (int bit = 0; bit < 5; ++bit) {
      const bool even = (letter * 5 + bit) % 2 == 0;
      double* range = even ? lon : lat;
      const double middle = (range[0] + range[1]) / 2;
      const bool upper = (even ? p.lon : p.lat) >= middle;
      range[upper ? 0 : 1] = middle;
      digit = digit * 2 + (upper ? 1 : 0);
    }
    text += "0123456789bcdefghjkmnpqrstuvwxyz"[digit];
  }
  return text;
}

std::string text_of(GeoPoint p, int letters) { return geohash_text(geohash_bits(p, letters), letters); }

}  // namespace

TEST_CASE("hours of the week are those of the calendar, before 1970 too") {
  CHECK(hour_of_week(event_time_from_ms(0)) == 72);                    // Thursday 1970-01-01 00:00
  CHECK(hour_of_week(event_time_from_ms(3'599'999)) == 72);            //          00:59:59.999
  CHECK(hour_of_week(event_time_from_ms(3'600'000)) == 73);            //          01:00
  CHECK(hour_of_week(event_time_from_ms(-1)) == 71);                   // Wednesday 1969-12-31 23:59:59.999
  CHECK(hour_of_week(event_time_from_ms(1'704'067'200'000)) == 0);     // Monday 2024-01-01 00:00
  CHECK(hour_of_week(event_time_from_ms(1'704'067'199'999)) == 167);   // Sunday 2023-12-31 23:59:59.999
  CHECK(hour_of_week(event_time_from_ms(1'709'213'400'000)) == 85);    // Thursday 2024-02-29 13:30
  CHECK(hour_of_week(event_time_from_ms(946'684'800'000)) == 120);     // Saturday 2000-01-01 00:00
  CHECK(hour_of_week(event_time_from_ms(-2'208'988'800'000)) == 0);    // Monday 1900-01-01 00:00
  CHECK(hour_of_week(event_time_from_ms(-2'208'988'800'001)) == 167);  // Sunday 1899-12-31 23:59:59.999
}

TEST_CASE("an hour tile is rounded down on both sides of 1970") {
  CHECK(hour_tile(event_time_from_ms(0)) == 0);
  CHECK(hour_tile(event_time_from_ms(3'599'999)) == 0);
  CHECK(hour_tile(event_time_from_ms(3'600'000)) == 1);
  CHECK(hour_tile(event_time_from_ms(-1)) == -1);
  CHECK(hour_tile(event_time_from_ms(-3'600'000)) == -1);
  CHECK(hour_tile(event_time_from_ms(-3'600'001)) == -2);
  CHECK(hour_tile(event_time_from_ms(1'704'067'200'000)) == 473'352);
}

TEST_CASE("the ends of event time have an hour of the week") {
  const int first = hour_of_week(event_time_from_ms(std::numeric_limits<std::int64_t>::min()));
  const int last = hour_of_week(event_time_from_ms(std::numeric_limits<std::int64_t>::max()));
  CHECK(first >= 0);
  CHECK(first < 168);
  CHECK(last >= 0);
  CHECK(last < 168);
}

TEST_CASE("geohashes are those that others publish") {
  CHECK(text_of({57.64911, 10.40744}, 11) == "u4pruydqqvj");  // Niemeyer's own example
  CHECK(text_of({42.605, -5.603}, 5) == "ezs42");
  CHECK(text_of({48, -126}, 12) == "c0w3hf1s70w3");  // PostGIS manual, ST_GeoHash
}

TEST_CASE("the edges of the Earth are in its last cells") {
  CHECK(text_of({90, 180}, 12) == "zzzzzzzzzzzz");
  CHECK(text_of({-90, -180}, 12) == "000000000000");
  CHECK(text_of({90, -180}, 1) == "b");
  CHECK(text_of({-90, 180}, 1) == "p");
  CHECK(text_of({0, 0}, 1) == "s");
  CHECK(text_of({-0.0, -0.0}, 1) == "s");
}

TEST_CASE("every position is in the cell that halving the range finds, boundaries and their neighbours included") {
  const std::uint64_t seed = 7;
  INFO("seed ", seed);
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> lat(-90, 90);
  std::uniform_real_distribution<double> lon(-180, 180);
  for (int i = 0; i < 2'000; ++i) {
    GeoPoint p{lat(random), lon(random)};
    if (i % 2 == 0) {  // onto a boundary, or one representable number beside it
      p.lat = std::ldexp(std::floor(std::ldexp(p.lat / 90, i % 29)), -(i % 29)) * 90;
      p.lon = std::ldexp(std::floor(std::ldexp(p.lon / 180, i % 30)), -(i % 30)) * 180;
      if (i % 4 == 0) p = {std::nextafter(p.lat, -90.0), std::nextafter(p.lon, 180.0)};
      if (i % 8 == 2) p = {std::nextafter(p.lat, 90.0), std::nextafter(p.lon, -180.0)};
    }
    INFO("lat ", p.lat, " lon ", p.lon);
    const int letters = i % 12 + 1;
    CHECK(text_of(p, letters) == by_bisection(p, letters));
    CHECK(text_of(p, 12) == by_bisection(p, 12));
  }
}

TEST_CASE("a geohash is read back, and nothing else is one") {
  CHECK(parse_geohash("ezs42") == geohash_bits({42.605, -5.603}, 5));
  CHECK(parse_geohash("zzzzzzzzzzzz") == (std::uint64_t{1} << 60) - 1);
  CHECK(parse_geohash("0") == 0);
  for (const char* text : {"", "a", "ezs4i", "l", "o", "EZS42", "ezs 42", "zzzzzzzzzzzzz"}) {
    INFO(text);
    CHECK_FALSE(parse_geohash(text).has_value());
  }
}

#include "engine/ranking/explain/phrases.h"

#include <doctest/doctest.h>

namespace {

using namespace cairn;
using namespace cairn::ranking;

TEST_CASE("distances are said in metres, beyond 950 m in kilometres") {
  CHECK(distance_phrase(0.0) == "0 m away");
  CHECK(distance_phrase(949.4) == "949 m away");
  CHECK(distance_phrase(950.0) == "950 m away");
  CHECK(distance_phrase(950.1) == "1.0 km away");
  CHECK(distance_phrase(12'345.0) == "12.3 km away");
}

TEST_CASE("times past are said in minutes, hours and days") {
  CHECK(ago_phrase(-3.0) == "0 min ago");
  CHECK(ago_phrase(0.5) == "30 min ago");
  CHECK(ago_phrase(1.49) == "89 min ago");
  CHECK(ago_phrase(1.6) == "2 h ago");
  CHECK(ago_phrase(47.4) == "47 h ago");
  CHECK(ago_phrase(48.0) == "2 days ago");
  CHECK(ago_phrase(240.0) == "10 days ago");
}

TEST_CASE("numbers agree with their nouns") {
  CHECK(counted_phrase(0, "visit") == "0 visits");
  CHECK(counted_phrase(1, "visit") == "1 visit");
  CHECK(counted_phrase(2, "visit") == "2 visits");
  CHECK(times_phrase(1) == "once");
  CHECK(times_phrase(2) == "2 times");
}

TEST_CASE("hours are named by day and hour in UTC") {
  CHECK(hour_phrase(event_time_from_ms(0)) == "Thu 00 h UTC");  // 1970-01-01
  CHECK(hour_phrase(event_time_from_ms(-1)) == "Wed 23 h UTC");
  CHECK(hour_phrase(event_time_from_ms(1'700'000'000'000)) == "Tue 22 h UTC");  // 2023-11-14 22:13:20
}

}  // namespace

#include "engine/ranking/score/week_kernel.h"

#include <doctest/doctest.h>

namespace {

using namespace cairn;
using ranking::PlaceSignal;
using ranking::PlaceSignals;
using ranking::WeekCoefficients;
using ranking::WeekKernel;

/// What a visit at one hour of the week says about another.
double weight(const WeekCoefficients& c, int then, int asked) {
  PlaceSignal place;
  place.week = {{static_cast<std::uint16_t>(then), 1}};
  return WeekKernel(c, asked).of(place);
}

constexpr int kMonday = 0;
constexpr int kWednesday = 48;
constexpr int kFriday = 96;
constexpr int kSaturday = 120;
constexpr int kSunday = 144;

// Bells of width 2 hours: e^-1/8 = 0.8824969026 an hour off, e^-1/2 = 0.6065306597 two hours off.
constexpr WeekCoefficients kTwoHours{
    .reach_hours = 2, .hour_width_hours = 2.0, .same_day = 1.0, .same_kind_of_day = 0.5, .other_day = 0.25};

TEST_CASE("a visit says most about its own hour and less about hours nearby") {
  CHECK(weight(kTwoHours, kWednesday + 12, kWednesday + 12) == doctest::Approx(1.0));
  CHECK(weight(kTwoHours, kWednesday + 11, kWednesday + 12) == doctest::Approx(0.8824969026));
  CHECK(weight(kTwoHours, kWednesday + 14, kWednesday + 12) == doctest::Approx(0.6065306597));
  CHECK(weight(kTwoHours, kWednesday + 15, kWednesday + 12) == 0.0);
  CHECK(weight(kTwoHours, kWednesday + 9, kWednesday + 12) == 0.0);
}

TEST_CASE("workdays are one kind of day and the weekend is the other") {
  CHECK(weight(kTwoHours, kMonday + 12, kWednesday + 12) == doctest::Approx(0.5));
  CHECK(weight(kTwoHours, kFriday + 12, kWednesday + 12) == doctest::Approx(0.5));
  CHECK(weight(kTwoHours, kSaturday + 12, kWednesday + 12) == doctest::Approx(0.25));
  CHECK(weight(kTwoHours, kSunday + 12, kSaturday + 12) == doctest::Approx(0.5));
  CHECK(weight(kTwoHours, kFriday + 12, kSaturday + 12) == doctest::Approx(0.25));
  CHECK(weight(kTwoHours, kFriday + 13, kSaturday + 12) == doctest::Approx(0.25 * 0.8824969026));
}

TEST_CASE("nearness in hours goes across midnight and across the end of the week") {
  // Sunday 23 h stands an hour before Monday 0 h, and as a visit near 0 h it is one of Monday.
  CHECK(weight(kTwoHours, kSunday + 23, kMonday) == doctest::Approx(0.8824969026));
  CHECK(weight(kTwoHours, kMonday, kSunday + 23) == doctest::Approx(0.8824969026));
  CHECK(weight(kTwoHours, kWednesday - 1, kWednesday + 1) == doctest::Approx(0.6065306597));
  // Friday 23 h is near Saturday 0 h, another workday's 23 h near its next day's 0 h.
  CHECK(weight(kTwoHours, kFriday + 23, kMonday) == doctest::Approx(0.25 * 0.8824969026));
}

TEST_CASE("what several visits say adds up, for a place as for a category") {
  PlaceSignal place;
  place.week = {{kMonday + 12, 4}, {kWednesday + 12, 3}, {kSaturday + 12, 8}, {kSaturday + 20, 100}};
  PlaceSignals::CategoryTotals totals;
  for (const auto& [hour, visits] : place.week) totals.week[hour] = visits;
  const WeekKernel kernel(kTwoHours, kWednesday + 12);
  CHECK(kernel.of(place) == doctest::Approx(3.0 + 4 * 0.5 + 8 * 0.25));
  CHECK(kernel.of(totals) == doctest::Approx(3.0 + 4 * 0.5 + 8 * 0.25));
}

}  // namespace

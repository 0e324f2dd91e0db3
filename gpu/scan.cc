#include "gpu/scan.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace cairn::gpu {
namespace {

constexpr double kOne = 1 << 30;
/// The most that one rounding to float moves a number, in parts of it.
constexpr double kUnit = 1.0 / (1 << 24);
constexpr double kRadiusKm = 6371.0087714150598;

std::int32_t rounded(double coordinate) { return static_cast<std::int32_t>(std::lround(coordinate * kOne)); }

}  // namespace

FixedPoint fixed_point(double lat_degrees, double lon_degrees) noexcept {
  constexpr double kRadians = std::numbers::pi / 180.0;
  const double lat = lat_degrees * kRadians;
  const double lon = lon_degrees * kRadians;
  return {rounded(std::cos(lat) * std::cos(lon)), rounded(std::cos(lat) * std::sin(lon)), rounded(std::sin(lat))};
}

// With u = 2^-24, the most of one rounding, and h = chord² / 4 = sin²(angle / 2):
//
// Fixed point. Each of six coordinates is rounded by at most 2^-31, so both points together move by at most
// 2 √3 · 2^-31 = 1.62e-9 (1.03e-5 km), and the chord by no more. Up to a quarter of the circumference, h <= 1/2, the
// arc changes by at most √2 times that: 1.46e-5 km.
//
// Arithmetic. Differences are exact in integers; the conversion of each rounds it once, so its square is off by 2 u,
// and the square and two additions round once more each: h is off by 5 u. The angle is 2 asin(√h), and for h <= 1/2 its
// relative change is at most 2 / π of h's: 3.2 u. The root and the last product round once each. The polynomial is off
// by 0.25 u before its coefficients are rounded, and by less than 1.3 u as it is computed; a test asserts 4 u for
// square, root, polynomial and product together on a dense grid. In all less than 7 u.
//
// Far away. Beyond a quarter the angle is π - 2 asin(√(1 - h)), with 1 - h exact. An error e of h, at most 5 u
// + 1.7e-9, moves it by at most 2 √e, worst at the antipode: 1.1e-3, that is 7.0 km of 20,015. That far_share also
// covers shorter distances beyond a quarter, where the error is about e / √(1 - h), and the rounding of the result.
//
// Logarithm. The table's values and ln 2 are rounded to float, the polynomial is off by 0.63 u, and five operations
// round; all mantissas at all exponents were computed and are off by at most 2.4 u times max(1, |ln|), a part of which
// a test asserts. Its argument is one addition or multiply-add of positive numbers and off by u, which moves the
// logarithm by u.
//
// Exponential. Off by less than 2.2 u of itself for an exact argument -x: the table's value and the result are rounded,
// the rest is small. The factor per_km / ln 2 is rounded twice, to 2 u x, which moves exp(-x) by at most
// 2 u x exp(-x) <= 2 u / e = 0.74 u.
//
// Operations. The prior and the table's value, the five terms and what is added are six additions after the first part,
// each off by u times a partial sum, which is at most the sum of the magnitudes. One more for the weight that is
// multiplied by the scale of a query's codes.
const ScanError kScanError = {.distance_km = 1.5e-5,
                              .distance_share = 7.0 * kUnit,
                              .far_share = 3.6e-4,
                              .distance_km_max = std::numbers::pi / 2.0 * kRadiusKm * (1.0 - 1e-5),
                              .ln = 3.4 * kUnit,
                              .exp = 3.0 * kUnit,
                              .operations = 8.0};

}  // namespace cairn::gpu

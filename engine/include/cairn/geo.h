#pragma once

#include <cmath>
#include <numbers>

namespace cairn {

/// A position on the Earth, in degrees of WGS 84 (SRID 4326).
struct GeoPoint {
  double lat = 0.0;  ///< [-90, 90]
  double lon = 0.0;  ///< [-180, 180]

  friend bool operator==(const GeoPoint&, const GeoPoint&) = default;
};

/// Whether both coordinates are finite and in range.
[[nodiscard]] inline bool valid_position(GeoPoint p) noexcept {
  return p.lat >= -90.0 && p.lat <= 90.0 && p.lon >= -180.0 && p.lon <= 180.0;  // NaN fails every comparison
}

/// Mean radius of the Earth (IUGG R1), in metres: the radius PostGIS uses for ST_DistanceSphere.
inline constexpr double kEarthRadiusMeters = 6371008.7714150598;

/// Great-circle distance in metres on the sphere of radius kEarthRadiusMeters (haversine formula, well conditioned
/// for small distances). Within 0.6 % of the distance on the ellipsoid.
[[nodiscard]] inline double distance_meters(GeoPoint a, GeoPoint b) noexcept {
  constexpr double kRadians = std::numbers::pi / 180.0;
  const double sin_lat = std::sin((b.lat - a.lat) * kRadians * 0.5);
  const double sin_lon = std::sin((b.lon - a.lon) * kRadians * 0.5);
  const double h = sin_lat * sin_lat + std::cos(a.lat * kRadians) * std::cos(b.lat * kRadians) * sin_lon * sin_lon;
  return 2.0 * kEarthRadiusMeters * std::asin(std::sqrt(h < 1.0 ? h : 1.0));
}

}  // namespace cairn

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/learning/datasets/city.h"
#include "engine/learning/datasets/random.h"

// The parts of an invented city, between the files that make it. Not for use outside.
namespace cairn::datasets::city {

inline constexpr std::size_t kDistrictKinds = 5;
enum class DistrictKind : std::uint8_t { kCentre, kResidential, kCampus, kWaterside, kWorks };

/// What a category of places is like. Profiles are one digit an hour, from midnight on: how much goes on then.
struct Category {
  std::string_view name;
  int share;                              ///< of the places, in thousandths
  int rate;                               ///< how often people think of it
  int dwell_minutes;                      ///< typical length of a visit
  std::string_view weekday;               ///< 24 digits, Monday to Friday
  std::string_view weekend;               ///< 24 digits
  std::string_view affinities;            ///< one digit per DistrictKind
  std::array<std::string_view, 3> names;  ///< patterns: %A adjective, %N noun, %S surname, %L landmark
};

[[nodiscard]] std::span<const Category> categories() noexcept;

/// Fills a pattern of a category with words.
[[nodiscard]] std::string make_name(std::string_view pattern, Random& random);
[[nodiscard]] std::string make_district_name(std::size_t index);

/// Metres east and north of the city's centre. A plane is exact enough for a city and needs no trigonometry.
struct Spot {
  double east = 0.0;
  double north = 0.0;
};
[[nodiscard]] double distance(Spot a, Spot b) noexcept;
/// WGS 84 to a millionth of a degree.
[[nodiscard]] GeoPoint to_position(Spot spot) noexcept;
[[nodiscard]] Spot scatter(Spot around, double metres, Random& random) noexcept;

struct District {
  std::string name;
  DistrictKind kind;
  std::vector<Spot> squares;  ///< where its places gather
};

struct CityPlace {
  Spot spot;
  std::size_t category;
  double quality;  ///< mean of its ratings, 1 to 5
};

/// Places, and who is popular among those of a category.
struct CityPlan {
  std::vector<District> districts;
  std::vector<CityPlace> places;
  std::vector<Place> catalogue;  ///< the same places as others see them
  struct Popularity {
    std::vector<std::size_t> places;
    Weighted weights;  ///< over `places`
  };
  std::vector<Popularity> by_category;
};
[[nodiscard]] CityPlan plan_city(const CityOptions& options);

/// What the users do there, in time order.
[[nodiscard]] std::vector<Interaction> live_city(const CityOptions& options, const CityPlan& plan);

}  // namespace cairn::datasets::city

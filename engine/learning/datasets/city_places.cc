#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "engine/learning/datasets/city_model.h"

namespace cairn::datasets::city {
namespace {

// An invented city has to be somewhere: here it lies in the plain of the Po, at 45 degrees north.
constexpr GeoPoint kCentre{45.0, 10.0};
constexpr double kMetresPerDegree = 111'195.0;
constexpr double kCosineOfLatitude = 0.70710678118654752;

constexpr double kCityRadiusMetres = 9'000.0;
constexpr double kDistrictRadiusMetres = 900.0;
constexpr double kSquareRadiusMetres = 110.0;
constexpr std::size_t kPlacesPerDistrict = 110;
constexpr std::uint64_t kPlanStream = 0;

double to_millionths(double degrees) { return std::round(degrees * 1e6) / 1e6; }

DistrictKind draw_kind(std::size_t index, Random& random) {
  if (index == 0) return DistrictKind::kCentre;
  const double x = random.uniform();
  if (x < 0.12) return DistrictKind::kCentre;
  if (x < 0.62) return DistrictKind::kResidential;
  if (x < 0.72) return DistrictKind::kCampus;
  return x < 0.86 ? DistrictKind::kWaterside : DistrictKind::kWorks;
}

District make_district(std::size_t index, Random& random) {
  District district{.name = make_district_name(index), .kind = draw_kind(index, random), .squares = {}};
  // The product of two uniform numbers keeps most districts near the middle.
  const double reach = index == 0 ? 0.0 : kCityRadiusMetres * random.uniform() * (0.3 + 0.7 * random.uniform());
  const Spot middle = scatter({}, reach, random);
  const std::size_t squares = 3 + random.below(5);
  for (std::size_t i = 0; i < squares; ++i) {
    district.squares.push_back(scatter(middle, kDistrictRadiusMetres * 0.5, random));
  }
  return district;
}

std::vector<District> make_districts(std::size_t places, Random& random) {
  std::vector<District> districts(std::max<std::size_t>(5, places / kPlacesPerDistrict));
  for (std::size_t i = 0; i < districts.size(); ++i) districts[i] = make_district(i, random);
  return districts;
}

/// Categories in proportion to their share and to how well they suit the kind of district.
std::vector<Weighted> category_weights() {
  std::vector<Weighted> by_kind;
  for (std::size_t kind = 0; kind < kDistrictKinds; ++kind) {
    std::vector<double> weights;
    for (const Category& category : categories()) {
      weights.push_back(static_cast<double>(category.share) * (category.affinities[kind] - '0'));
    }
    by_kind.emplace_back(weights);
  }
  return by_kind;
}

/// Gives every place a name that no other has: the pattern's, then with its district, then with a number.
class Names {
 public:
  std::string take(const Category& category, const std::string& district, Random& random) {
    std::string name = make_name(category.names[random.below(category.names.size())], random);
    if (taken_[name]++ == 0) return name;
    name += ", " + district;
    const std::size_t copy = ++taken_[name];
    return copy == 1 ? name : name + " " + std::to_string(copy);
  }

 private:
  std::unordered_map<std::string, std::size_t> taken_;
};

void add_place(std::size_t index, const District& district, std::size_t category, Names* names, Random& random,
               CityPlan* plan) {
  const Spot square = district.squares[random.below(district.squares.size())];
  const CityPlace place{.spot = scatter(square, kSquareRadiusMetres, random),
                        .category = category,
                        .quality = std::clamp(3.6 + 0.7 * random.bell(), 1.0, 5.0)};
  plan->places.push_back(place);
  plan->catalogue.push_back({.id = PlaceId("p" + std::to_string(index + 1)),
                             .name = names->take(categories()[category], district.name, random),
                             .position = to_position(place.spot),
                             .category = std::string(categories()[category].name)});
}

/// Ranks the places of each category at random and weighs them by rank.
std::vector<CityPlan::Popularity> make_popularity(const std::vector<CityPlace>& places, Random& random) {
  std::vector<CityPlan::Popularity> by_category(categories().size());
  for (const std::size_t place : shuffled(places.size(), random)) {
    by_category[places[place].category].places.push_back(place);
  }
  for (CityPlan::Popularity& popularity : by_category) {
    popularity.weights = Weighted(zipf_weights(popularity.places.size(), 2.0));
  }
  return by_category;
}

}  // namespace

double distance(Spot a, Spot b) noexcept {
  const double east = a.east - b.east;
  const double north = a.north - b.north;
  return std::sqrt(east * east + north * north);
}

GeoPoint to_position(Spot spot) noexcept {
  return {.lat = to_millionths(kCentre.lat + spot.north / kMetresPerDegree),
          .lon = to_millionths(kCentre.lon + spot.east / (kMetresPerDegree * kCosineOfLatitude))};
}

Spot scatter(Spot around, double metres, Random& random) noexcept {
  const double east = random.bell();
  const double north = random.bell();
  return {around.east + metres * east, around.north + metres * north};
}

CityPlan plan_city(const CityOptions& options) {
  Random random(options.seed, kPlanStream);
  CityPlan plan;
  plan.districts = make_districts(options.places, random);
  const Weighted by_size(zipf_weights(plan.districts.size(), 3.0));
  const std::vector<Weighted> by_kind = category_weights();
  Names names;
  for (std::size_t i = 0; i < options.places; ++i) {
    const District& district = plan.districts[by_size.draw(random)];
    const std::size_t category = by_kind[static_cast<std::size_t>(district.kind)].draw(random);
    add_place(i, district, category, &names, random, &plan);
  }
  plan.by_category = make_popularity(plan.places, random);
  return plan;
}

}  // namespace cairn::datasets::city

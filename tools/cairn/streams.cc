#include "tools/cairn/streams.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "cairn/geo.h"
#include "engine/learning/datasets/city.h"
#include "engine/learning/datasets/traces.h"
#include "tools/cairn/place_source.h"

namespace cairn::cli {

namespace {

Result<Place> place_of(const std::string& text) {
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  const auto is = [&](const char* name, bool (nlohmann::json::*kind)() const noexcept) {
    return json.contains(name) && (json.at(name).*kind)();
  };
  if (!json.is_object()) return invalid_argument("is no JSON object of a place");
  Place place;
  if (is("place_id", &nlohmann::json::is_string)) place.id = PlaceId(json.at("place_id").get<std::string>());
  if (is("place_id", &nlohmann::json::is_number_unsigned)) {
    place.id = PlaceId(std::to_string(json.at("place_id").get<std::uint64_t>()));
  }
  if (!valid_id(place.id.str())) return invalid_argument("place_id must have 1 to 128 bytes and no NUL");
  if (!is("lat", &nlohmann::json::is_number) || !is("lon", &nlohmann::json::is_number)) {
    return invalid_argument("lat and lon must be numbers");
  }
  place.position = {json.at("lat").get<double>(), json.at("lon").get<double>()};
  if (!valid_position(place.position)) return invalid_argument("lat must be in [-90, 90] and lon in [-180, 180]");
  if (is("name", &nlohmann::json::is_string)) place.name = json.at("name").get<std::string>();
  if (is("category", &nlohmann::json::is_string)) place.category = json.at("category").get<std::string>();
  return place;
}

}  // namespace

Result<datasets::Dataset> load_dataset(const std::string& name, const std::string& data, std::uint64_t seed) {
  if (name == "city") {
    datasets::CityOptions options;
    options.seed = seed;
    return datasets::generate_city(options);
  }
  if (data.empty()) return invalid_argument("--dataset " + name + " needs --data DIR, the folder with its files");
  return name == "foursquare" ? datasets::load_foursquare(data) : datasets::load_gowalla(data);
}

Result<std::vector<Place>> read_places(const std::string& path) {
  CAIRN_ASSIGN_OR_RETURN(PlaceSource source, PlaceSource::open(path));
  std::vector<Place> places;
  for (std::string text;;) {
    const auto at_line = [&](Status status) {
      return std::move(status).with_context(path + ":" + std::to_string(source.first_line()));
    };
    const Result<bool> more = source.next(&text);
    if (!more.ok()) return at_line(more.status());
    if (!*more) return places;
    Result<Place> place = place_of(text);
    if (!place.ok()) return at_line(place.status());
    places.push_back(*std::move(place));
  }
}

}  // namespace cairn::cli

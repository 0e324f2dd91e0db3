#include "tools/cairn/streams.h"

#include <utility>

#include "engine/learning/datasets/city.h"
#include "engine/learning/datasets/traces.h"
#include "tools/cairn/place_source.h"

namespace cairn::cli {

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
    const Result<bool> more = source.next(&text);
    if (!more.ok()) return Status(more.status()).with_context(path);
    if (!*more) return places;
    Result<Place> place = place_of(text);
    if (!place.ok()) return Status(place.status()).with_context(path + ":" + std::to_string(source.first_line()));
    places.push_back(*std::move(place));
  }
}

}  // namespace cairn::cli

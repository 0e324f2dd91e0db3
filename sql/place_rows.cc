#include "sql/place_rows.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <string>

namespace cairn::sql {

Status check_places(std::span<const Place> places, std::uint64_t version) {
  // The table keeps the version as a bigint, which is signed.
  if (version > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    return invalid_argument("version " + std::to_string(version) + " is beyond 2^63 - 1");
  }
  for (std::size_t i = 0; i < places.size(); ++i) {
    const Place& place = places[i];
    const char* problem = nullptr;
    if (!valid_id(place.id.str())) problem = "its id must have 1 to 128 bytes and no NUL";
    if (!valid_position(place.position)) problem = "its position is not in [-90, 90] x [-180, 180]";
    if (place.name.find('\0') != std::string::npos) problem = "its name holds a NUL";
    if (place.category.find('\0') != std::string::npos) problem = "its category holds a NUL";
    if (problem != nullptr) {
      return invalid_argument("place " + std::to_string(i) + " ('" + place.id.str() + "'): " + problem);
    }
  }
  return ok_status();
}

std::vector<const Place*> last_of_each(std::span<const Place> places) {
  std::vector<const Place*> sorted;
  sorted.reserve(places.size());
  for (const Place& place : places) sorted.push_back(&place);
  // One order for all writers, so that two of them cannot wait for each other; and ON CONFLICT refuses to update a row
  // twice in one statement, so each id may come once.
  std::stable_sort(sorted.begin(), sorted.end(), [](const Place* a, const Place* b) { return a->id < b->id; });
  // unique() keeps the first of equal ones; seen from the end that is the last given.
  const auto first = std::unique(sorted.rbegin(), sorted.rend(), [](auto* a, auto* b) { return a->id == b->id; });
  sorted.erase(sorted.begin(), first.base());
  return sorted;
}

}  // namespace cairn::sql

#include "engine/cache/grid.h"

#include "features/geohash.h"

namespace cairn::cache {

std::string small_letters(std::string cell) {
  for (char& letter : cell) letter = letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
  return cell;
}

Result<RecommendRequest> on_grid(const RecommendRequest& request, int letters) {
  RecommendRequest placed = request;
  placed.snap = false;
  if (!request.cell.empty()) {
    if (request.position) return invalid_argument("cell: name a cell, or lat and lon, not both");
    placed.cell = small_letters(request.cell);
    const auto length = static_cast<int>(placed.cell.size());
    const auto bits = features::parse_geohash(placed.cell);
    if (!bits || length < kGridLettersMin || length > kGridLettersMax) {
      return invalid_argument("cell: '" + request.cell.substr(0, 32) + "' is no geohash of " +
                              std::to_string(kGridLettersMin) + " to " + std::to_string(kGridLettersMax) + " letters");
    }
    placed.position = features::geohash_center(*bits, length);
    return placed;
  }
  if (!request.snap) return placed;
  if (!request.position) return invalid_argument("snap: name the position (lat and lon) that is to be moved");
  if (!valid_position(*request.position)) {
    return invalid_argument("lat must be in [-90, 90] and lon in [-180, 180]");
  }
  const std::uint64_t bits = features::geohash_bits(*request.position, letters);
  placed.cell = features::geohash_text(bits, letters);
  placed.position = features::geohash_center(bits, letters);
  return placed;
}

}  // namespace cairn::cache

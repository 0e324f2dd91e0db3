#include "engine/ranking/retrieve/place_index.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <tuple>
#include <utility>

#include "engine/ranking/retrieve/hilbert.h"
#include "features/geohash.h"

namespace cairn::ranking {

/// A rectangle of grid cells, all four borders included.
struct PlaceIndex::Box {
  GridCell low;
  GridCell high;

  [[nodiscard]] bool disjoint(GridCell corner, std::uint32_t side) const noexcept {
    return corner.x > high.x || corner.y > high.y || corner.x + (side - 1) < low.x || corner.y + (side - 1) < low.y;
  }
  [[nodiscard]] bool contains(GridCell corner, std::uint32_t side) const noexcept {
    return corner.x >= low.x && corner.y >= low.y && corner.x + (side - 1) <= high.x && corner.y + (side - 1) <= high.y;
  }
};

PlaceIndex::PlaceIndex(std::vector<state::Catalog::Stored> places, const features::Dictionary& categories,
                       std::uint64_t version, Renamed renamed)
    : version_(version), renamed_(std::move(renamed)) {
  // Keys are computed once and sorted with where they came from: a place is large and moves only once, at the end. Ties
  // are settled by id, so that the same catalogue makes the same rows whatever order it was imported in.
  std::vector<std::pair<std::uint64_t, std::size_t>> order;
  order.reserve(places.size());
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (!places[i].deleted) order.emplace_back(hilbert_key(grid_cell(places[i].place.position)), i);
  }
  std::sort(order.begin(), order.end(), [&](const auto& a, const auto& b) {
    return std::tie(a.first, places[a.second].place.id) < std::tie(b.first, places[b.second].place.id);
  });
  for (const auto& [key, i] : order) {
    state::Catalog::Stored& stored = places[i];
    if (rows_.size() <= stored.id) rows_.resize(stored.id + 1, gpu::kNoRow);
    rows_[stored.id] = size();
    keys_.push_back(key);
    const gpu::FixedPoint point = gpu::fixed_point(stored.place.position.lat, stored.place.position.lon);
    x_.push_back(point.x);
    y_.push_back(point.y);
    z_.push_back(point.z);
    ids_.push_back(stored.id);
    cells_.push_back(features::geohash_bits(stored.place.position, kCellLetters));
    const auto category = stored.place.category.empty() ? std::nullopt : categories.find(stored.place.category);
    categories_.push_back(category ? static_cast<std::uint32_t>(*category) : kNoCategory);
    positions_.push_back(stored.place.position);
    places_.push_back(std::move(stored.place));
  }
  attributes_ = std::make_unique<const AttributeIndex>(places_);
}

std::uint64_t PlaceIndex::cell(std::uint32_t row, int letters) const noexcept {
  // A coarser cell is a prefix of a finer one, five bits a letter.
  if (letters <= kCellLetters) return cells_[row] >> (5 * (kCellLetters - letters));
  return features::geohash_bits(positions_[row], letters);
}

std::vector<gpu::RowRange> PlaceIndex::ranges_around(GeoPoint center, double radius_meters) const {
  constexpr double kDegrees = 180.0 / std::numbers::pi;
  // A margin far above the rounding of distance_meters keeps a place on the rim inside.
  const double angle = std::min(radius_meters * (1.0 + 1e-9) + 0.01, kEarthRadiusMeters * 4.0) / kEarthRadiusMeters;
  const double south = center.lat - angle * kDegrees;
  const double north = center.lat + angle * kDegrees;
  double half_width = 180.0;  // a circle that holds a pole spans every meridian
  if (south > -90.0 && north < 90.0) {
    half_width = std::asin(std::min(1.0, std::sin(angle) / std::cos(center.lat / kDegrees))) * kDegrees + 1e-9;
  }
  // asin(sin(angle) / cos(lat)) is the widest meridian that the circle touches, which is not at the centre's latitude.
  const double west = center.lon - half_width;
  const double east = center.lon + half_width;

  std::vector<gpu::RowRange> ranges;
  const auto add = [&](double from, double to) {
    const Box box{grid_cell({south, from}), grid_cell({north, to})};
    collect(box, HilbertSquare(), {0, size()}, &ranges);
  };
  // A circle across the antimeridian is two boxes, one on each side of it.
  if (east - west >= 360.0) {
    add(-180.0, 180.0);
  } else {
    add(std::max(west, -180.0), std::min(east, 180.0));
    if (west < -180.0) add(west + 360.0, 180.0);
    if (east > 180.0) add(-180.0, east - 360.0);
  }
  std::sort(ranges.begin(), ranges.end(),
            [](const gpu::RowRange& a, const gpu::RowRange& b) { return a.begin < b.begin; });
  // Neighbouring squares are often neighbours on the curve, and what touches is one run.
  std::vector<gpu::RowRange> joined;
  for (const gpu::RowRange& range : ranges) {
    if (!joined.empty() && range.begin <= joined.back().end) {
      joined.back().end = std::max(joined.back().end, range.end);
    } else {
      joined.push_back(range);
    }
  }
  return joined;
}

void PlaceIndex::collect(const Box& box, const HilbertSquare& square, gpu::RowRange rows,
                         std::vector<gpu::RowRange>* ranges) const {
  constexpr std::uint32_t kWorthSplitting = 64;  // fewer rows are cheaper to test than to leave out
  // From the whole grid down: squares outside the box or without places end, squares inside it or nearly empty are
  // taken whole, and the rest is split in four.
  const std::uint32_t side = 1u << square.level;
  if (rows.begin == rows.end || box.disjoint(square.corner, side)) return;
  if (square.level == 0 || rows.end - rows.begin <= kWorthSplitting || box.contains(square.corner, side)) {
    ranges->push_back(rows);
    return;
  }
  for (unsigned i = 0; i < 4; ++i) {
    const HilbertSquare quarter = square.quarter(i);
    std::uint32_t end = rows.end;
    if (i < 3) {
      const std::uint64_t past = square.quarter(i + 1).first;
      const auto next = std::lower_bound(keys_.begin() + rows.begin, keys_.begin() + rows.end, past);
      end = static_cast<std::uint32_t>(next - keys_.begin());
    }
    collect(box, quarter, {rows.begin, end}, ranges);
    rows.begin = end;
  }
}

std::vector<PlaceIndex::Near> PlaceIndex::within(GeoPoint center, double radius_meters) const {
  std::vector<Near> near;  // runs hold a few places outside the circle: each is measured
  for (const gpu::RowRange& range : ranges_around(center, radius_meters)) {
    for (std::uint32_t row = range.begin; row < range.end; ++row) {
      const double meters = distance_meters(center, positions_[row]);
      if (meters <= radius_meters) near.push_back({row, static_cast<float>(meters)});
    }
  }
  return near;
}

}  // namespace cairn::ranking

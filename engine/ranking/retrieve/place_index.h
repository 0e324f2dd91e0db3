#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "cairn/geo.h"
#include "cairn/place.h"
#include "cairn/prefetch.h"
#include "engine/ranking/retrieve/attribute_index.h"
#include "engine/ranking/retrieve/hilbert.h"
#include "engine/state/catalog.h"
#include "gpu/scan.h"
#include "gpu/top_k.h"

namespace cairn::ranking {

/// Every place, in Hilbert order of position, so that what lies close together stands close together: a geofence is a
/// few contiguous runs of rows. Immutable; a changed catalogue makes a new index.
class PlaceIndex {
 public:
  static constexpr int kCellLetters = 6;  ///< about 1.2 km x 0.6 km
  static constexpr std::uint32_t kNoCategory = std::numeric_limits<std::uint32_t>::max();

  /// Old names of categories to what they are called by now.
  using Renamed = std::unordered_map<std::string, std::string>;

  /// Equal positions stand in order of place id; places that are deleted are left out. `version` is the catalogue's.
  PlaceIndex(std::vector<state::Catalog::Stored> places, const features::Dictionary& categories, std::uint64_t version,
             Renamed renamed = {});

  [[nodiscard]] std::uint32_t size() const noexcept { return static_cast<std::uint32_t>(places_.size()); }
  [[nodiscard]] std::uint64_t version() const noexcept { return version_; }

  // Columns, by row.
  [[nodiscard]] GeoPoint position(std::uint32_t row) const noexcept { return positions_[row]; }
  [[nodiscard]] gpu::FixedPoint point(std::uint32_t row) const noexcept { return {x_[row], y_[row], z_[row]}; }
  [[nodiscard]] const Place& place(std::uint32_t row) const noexcept { return places_[row]; }
  [[nodiscard]] std::uint32_t category(std::uint32_t row) const noexcept { return categories_[row]; }
  [[nodiscard]] std::uint64_t cell(std::uint32_t row) const noexcept {
    return cells_[row];
  }  ///< geohash bits, kCellLetters
  /// That of so many letters, 1 to 12. More than kCellLetters are made for each call.
  [[nodiscard]] std::uint64_t cell(std::uint32_t row, int letters) const noexcept;
  [[nodiscard]] std::uint64_t place_id(std::uint32_t row) const noexcept { return ids_[row]; }  ///< dictionary id

  /// Asks the processor for the columns of a row that is read soon.
  void prefetch(std::uint32_t row) const noexcept {
    cairn::prefetch(&ids_[row]);
    cairn::prefetch(&categories_[row]);
    cairn::prefetch(&cells_[row]);
  }

  [[nodiscard]] const AttributeIndex& attributes() const noexcept { return *attributes_; }

  /// What a category that is asked for is called in this index: `name` itself, unless it is an old one.
  [[nodiscard]] std::string category_now(const std::string& name) const {
    const auto found = renamed_.find(name);
    return found == renamed_.end() ? name : found->second;
  }
  [[nodiscard]] const Renamed& renamed() const noexcept { return renamed_; }

  // The same as columns for a scan, in fixed point.
  [[nodiscard]] std::span<const std::int32_t> x() const noexcept { return x_; }
  [[nodiscard]] std::span<const std::int32_t> y() const noexcept { return y_; }
  [[nodiscard]] std::span<const std::int32_t> z() const noexcept { return z_; }

  /// The row of a place by its dictionary id, or gpu::kNoRow.
  [[nodiscard]] std::uint32_t row_of(std::uint64_t place) const noexcept {
    return place < rows_.size() ? rows_[place] : gpu::kNoRow;
  }

  /// Runs of rows that together hold every place within `radius_meters` of `center` and few others, ascending and
  /// disjoint. Right across the antimeridian and at the poles.
  [[nodiscard]] std::vector<gpu::RowRange> ranges_around(GeoPoint center, double radius_meters) const;

  /// A place within a distance.
  struct Near {
    std::uint32_t row = 0;
    float meters = 0.0F;
  };
  /// Exactly the places with distance_meters(center, place) <= radius_meters, ascending by row.
  [[nodiscard]] std::vector<Near> within(GeoPoint center, double radius_meters) const;

 private:
  struct Box;
  /// `rows` are those of `square`.
  void collect(const Box& box, const HilbertSquare& square, gpu::RowRange rows,
               std::vector<gpu::RowRange>* ranges) const;

  const std::uint64_t version_;
  std::vector<Place> places_;
  std::vector<GeoPoint> positions_;  ///< those of places_, close together
  std::vector<std::int32_t> x_;
  std::vector<std::int32_t> y_;
  std::vector<std::int32_t> z_;
  std::vector<std::uint64_t> keys_;        ///< Hilbert keys, ascending
  std::vector<std::uint32_t> categories_;  ///< dictionary ids
  std::vector<std::uint64_t> cells_;
  std::vector<std::uint64_t> ids_;
  std::vector<std::uint32_t> rows_;  ///< by dictionary id
  std::unique_ptr<const AttributeIndex> attributes_;
  const Renamed renamed_;
};

/// The square of the angle between two points, in radians. Within 1e-6 of itself as far as a tenth of the way round the
/// Earth, and too small beyond, where it is used for what is near.
[[nodiscard]] inline double squared_angle(const gpu::FixedPoint& a, const gpu::FixedPoint& b) noexcept {
  const auto x = static_cast<double>(a.x) - b.x;
  const auto y = static_cast<double>(a.y) - b.y;
  const auto z = static_cast<double>(a.z) - b.z;
  const double chord = (x * x + y * y + z * z) * 0x1p-60;
  // angle = 2 asin(chord / 2), squared, as a series
  return chord * (1.0 + chord * (1.0 / 12.0 + chord / 90.0));
}

}  // namespace cairn::ranking

#pragma once

#include <cstdint>

#include "cairn/geo.h"

namespace cairn::ranking {

/// Bits per axis of a Hilbert key: at 24 a cell is 1.2 m high and at most 2.4 m wide.
inline constexpr int kHilbertOrder = 24;

/// A position on the grid of 2^kHilbertOrder x 2^kHilbertOrder cells over longitude (x) and latitude (y).
struct GridCell {
  std::uint32_t x = 0;
  std::uint32_t y = 0;
};

[[nodiscard]] inline GridCell grid_cell(GeoPoint p) noexcept {
  constexpr double kCells = double{1u << kHilbertOrder};
  const auto clamp = [](double v) {
    if (v <= 0.0) return std::uint32_t{0};
    return v >= kCells - 1.0 ? (1u << kHilbertOrder) - 1 : static_cast<std::uint32_t>(v);
  };
  return {clamp((p.lon + 180.0) / 360.0 * kCells), clamp((p.lat + 90.0) / 180.0 * kCells)};
}

/// The cell's place on the Hilbert curve of order kHilbertOrder (Hilbert, 1891). Every aligned square of
/// 2^k x 2^k cells is one contiguous run of 4^k keys that begins at a multiple of 4^k.
[[nodiscard]] constexpr std::uint64_t hilbert_key(GridCell cell) noexcept {
  std::uint32_t x = cell.x;
  std::uint32_t y = cell.y;
  std::uint64_t key = 0;
  for (int bit = kHilbertOrder - 1; bit >= 0; --bit) {
    const std::uint32_t side = 1u << bit;
    const bool right = (x & side) != 0;
    const bool upper = (y & side) != 0;
    const std::uint64_t quadrant = right ? (upper ? 2u : 3u) : (upper ? 1u : 0u);
    key = key << 2 | quadrant;
    x &= side - 1;
    y &= side - 1;
    if (!upper) {  // the two lower quadrants hold the curve turned
      if (right) {
        x = side - 1 - x;
        y = side - 1 - y;
      }
      const std::uint32_t swap = x;
      x = y;
      y = swap;
    }
  }
  return key;
}

/// An aligned square of 2^level x 2^level cells, and how the curve runs through it.
struct HilbertSquare {
  GridCell corner;
  int level = kHilbertOrder;
  std::uint64_t first = 0;  ///< key: that of its first cell on the curve
  bool turned = false;      ///< as hilbert_key() turns the quadrants: both axes run the other way,
  bool swapped = false;     ///< and x and y are exchanged

  /// The `i`-th of the four on the curve. Requires: level > 0.
  [[nodiscard]] constexpr HilbertSquare quarter(unsigned i) const noexcept {
    const bool right = i >= 2;
    const bool upper = i == 1 || i == 2;
    const std::uint32_t half = 1u << (level - 1);
    return {.corner = {corner.x + ((swapped ? upper : right) != turned ? half : 0),
                       corner.y + ((swapped ? right : upper) != turned ? half : 0)},
            .level = level - 1,
            .first = first + (std::uint64_t{i} << 2 * (level - 1)),
            .turned = turned != (i == 3),
            .swapped = swapped == upper};
  }
};

}  // namespace cairn::ranking

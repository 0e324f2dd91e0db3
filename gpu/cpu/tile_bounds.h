#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "gpu/cpu/buffer.h"
#include "gpu/cpu/scan_kernels.h"
#include "gpu/scan.h"
#include "gpu/scan_terms.h"

/// Bounds that let a scan leave out what cannot be answered: neighbours in a table are often neighbours on the Earth,
/// so a tile of 64 rows can be judged by where it is and by the best that any of its rows has. As in dynamic pruning of
/// text retrieval (block-max indexes: Ding and Suel, SIGIR 2011), what is left out is proven to be below the threshold,
/// and answers have the same bits as without.
namespace cairn::gpu {

/// Tiles in groups of as many as a tile has rows, so that the kernels of rows also serve tiles.
[[nodiscard]] constexpr std::size_t padded_tiles(std::size_t tiles) {
  return (tiles + kScanTileRows - 1) / kScanTileRows * kScanTileRows;
}

inline constexpr std::size_t kGroupBlocks = kScanTileRows / kScanBlockTiles;

/// Where the rows of each tile are, and how long their vectors are. Immutable once made.
class TileShapes {
 public:
  TileShapes() = default;
  explicit TileShapes(const ScanRows& rows, std::size_t threads);

  /// At least the norm of each vector of the tile, as its products are computed.
  void set_norm(std::size_t tile, double norm);

  [[nodiscard]] static std::size_t bytes_needed(std::size_t tiles);
  [[nodiscard]] std::size_t bytes() const noexcept { return memory_.bytes(); }
  [[nodiscard]] bool empty() const noexcept { return tiles_ == 0; }
  [[nodiscard]] std::size_t tiles() const noexcept { return tiles_; }
  /// The middles, as FixedPoint; an array of padded_tiles() each.
  [[nodiscard]] const std::int32_t* x() const noexcept { return memory_.as<std::int32_t>(); }
  [[nodiscard]] const std::int32_t* y() const noexcept { return x() + padded_tiles(tiles_); }
  [[nodiscard]] const std::int32_t* z() const noexcept { return y() + padded_tiles(tiles_); }
  /// How far rows are from the middle, in kScanUnitKm, with what the scan's distances may be off.
  [[nodiscard]] const float* reach() const noexcept { return memory_.as<float>() + 3 * padded_tiles(tiles_); }
  [[nodiscard]] const float* norms() const noexcept { return memory_.as<float>() + 4 * padded_tiles(tiles_); }

 private:
  std::size_t tiles_ = 0;
  Buffer memory_;
};

/// One query's bounds, by tile.
class TileBounds {
 public:
  enum class Where : std::uint8_t { kWithin, kAcross, kBeyond };

  struct Columns {
    const float* prior = nullptr;  ///< the largest value of each tile; null: there is none
    float prior_magnitude = 0.0F;  ///< of all its finite values
    const float* logs = nullptr;
  };

  /// Computes the bounds of all tiles of the blocks, which ascend. `call` and `terms` are the query's. Does nothing
  /// where a bound would take the least value of a tile, or where numbers are so large that sums might be infinite.
  void make(const ScanKernels& kernels, const TileShapes& shapes, const ScanQuery& query, const ScanTerms& terms,
            const ScoreCall& call, const Columns& columns, double query_norm, std::span<const std::uint32_t> blocks);

  [[nodiscard]] bool made() const noexcept { return !without_vector_.empty(); }
  /// Whether there is a radius; else every tile is within it.
  [[nodiscard]] bool measures() const noexcept { return !where_.empty(); }
  /// Of the tile's rows those within the radius: all of them, perhaps some, or none, the rim included.
  [[nodiscard]] Where where(std::size_t tile) const noexcept { return where_[tile]; }
  /// By tile: no row has a score above this, but for what the vector and what is listed add. Never NaN.
  [[nodiscard]] const float* without_vector() const noexcept { return without_vector_.data(); }

  /// Which of at most 64 tiles, a bit each from the first, may have a row that reaches the threshold, whatever the
  /// product with its vector: all of a block that may have one when there are vectors, which are read by blocks.
  [[nodiscard]] std::uint64_t reaching(std::size_t first, std::size_t tiles, float threshold) const noexcept {
    if (!with_vector_.empty()) {
      return with_vector_[first / kScanBlockTiles] < threshold ? 0 : ~std::uint64_t{0};
    }
    std::uint64_t reach = 0;
    for (std::size_t t = 0; t < tiles; ++t) {
      reach |= std::uint64_t{without_vector_[first + t] < threshold ? 0U : 1U} << t;
    }
    return reach;
  }
  /// By tile the product with a vector below which a row stays below the threshold; -infinity where none does.
  void least_products(std::size_t first, std::size_t tiles, float threshold, float* least) const noexcept;

 private:
  struct Group;
  void bound(const ScanKernels& kernels, const TileShapes& shapes, std::size_t group);
  void place(const Group& group, std::size_t first);
  void add_vector(std::size_t first);

  /// Terms of distance, as the kernels take them.
  struct OfDistance {
    ScoreCall call = {};
    std::size_t logs = 0;
    bool exp = false;
  };

  ScanTerms terms_ = {};
  ScoreCall first_ = {};
  OfDistance shrinking_ = {};
  OfDistance growing_ = {};
  Columns columns_ = {};
  float largest_logs_ = 0.0F;  ///< of logs_table
  float added_ = 0.0F;         ///< to each bound: the largest of tag_table, and the margin
  const float* norms_ = nullptr;
  float norm_max_ = 0.0F;            ///< of vectors whose products are surely finite
  float vector_margin_ = 0.0F;       ///< what products may be off where they are too small for a float's precision
  float vector_reach_ = 0.0F;        ///< by how much a vector of norm 1 may move a score
  float products_per_score_ = 0.0F;  ///< 1 / weight of a product; below 0 products say nothing
  std::vector<float> without_vector_;
  std::vector<float> with_vector_;  ///< by block, the largest of its tiles; empty when there is no vector
  std::vector<Where> where_;
};

}  // namespace cairn::gpu

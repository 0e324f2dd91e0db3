#pragma once

// Read by files that are compiled for one instruction set each: plain structures and pointers only, no inline code.

#include <cstddef>
#include <cstdint>

#include "gpu/scan_numbers.h"

namespace cairn::gpu {

/// Rows that are scored together: what is computed of them stays in the first cache from pass to pass.
inline constexpr std::size_t kScanBlockRows = 512;
/// Kernels work on whole tiles; masks have a word a tile.
inline constexpr std::size_t kScanTileRows = 64;
inline constexpr std::size_t kScanBlockTiles = kScanBlockRows / kScanTileRows;
/// Queries whose products with the vectors of a block are computed together.
inline constexpr std::size_t kScanDotQueries = 4;

/// The scores of some tiles of rows for one query. Arrays of rows begin at the first of these rows.
struct ScoreCall {
  std::size_t tiles;
  const std::int32_t* x;
  const std::int32_t* y;
  const std::int32_t* z;
  const std::uint32_t* tags;
  const float* prior;  ///< zeros where there is none
  const float* logs;

  std::int32_t query_x;
  std::int32_t query_y;
  std::int32_t query_z;
  const float* tag_table;
  const float* logs_table;
  const float* pairs;  ///< where there are both tables: by tag the values of both, side by side
  float logs_weight;
  float log_per_unit[2];
  float log_weight[2];
  float exp_per_unit;  ///< times -1 / ln 2
  float exp_weight;
  float exp_units_max;  ///< beyond it the exponential does not change any more
  const float* dots;
  float dot_weight;
  float radius;
  float rim_end;

  float* distances;       ///< distances, where anything needs them
  float* scores;          ///< one a row
  std::uint64_t* inside;  ///< a word a tile: rows whose tag and distance pass
  std::uint64_t* rim;     ///< a word a tile: rows whose tag passes, between radius and rim
};

/// Products of queries with the vectors of some tiles of rows.
struct DotsCall {
  std::size_t tiles;
  const std::uint8_t* vectors;  ///< the first tile
  std::size_t tile_bytes;
  /// fp32: dim. A tile holds the 64 values of the first column, of the second and so on.
  /// int8: fours of columns. A tile holds 64 scales; then for each four columns four codes of each row, each plus 128.
  std::size_t columns;
  std::size_t queries;                   ///< 1 to kScanDotQueries
  const void* query[kScanDotQueries];    ///< floats, or four codes a column
  std::int32_t excess[kScanDotQueries];  ///< int8: what the 128 in each code add to a sum
  float* dots[kScanDotQueries];          ///< one a row
};

/// Room that listing needs behind the rows it writes.
inline constexpr std::size_t kScanRoom = 16;

/// Lists the rows whose bits are set and whose scores reach the threshold. There is room for all rows and kScanRoom.
struct ListCall {
  std::size_t tiles;
  const float* scores;
  const std::uint64_t* mask;
  float threshold;  ///< NaN: no row reaches it
  std::uint32_t first_row;
  std::uint32_t* rows;
  float* row_scores;
  std::uint64_t set;  ///< out: how many bits are set
};

/// The kernels of one instruction set. Scores have the same bits on each.
struct ScanKernels {
  /// Distances, and scores of what is known of a row and its tag; sets `inside`. By: whether distances are needed;
  /// 0: no table by tag, 1: one, 2: one that bans tags; 0: no logarithms of tables, 1: of positive normal numbers, 2:
  /// of any.
  void (*first[2][3][3])(const ScoreCall&);
  /// Adds to the scores. By: how many logarithms of distance; whether an exponential; whether products of vectors.
  void (*second[3][2][2])(const ScoreCall&);
  /// Takes rows beyond the radius out of `inside`, and sets `rim`.
  void (*radius)(const ScoreCall&);
  void (*dots_fp32)(const DotsCall&);
  void (*dots_int8)(const DotsCall&);
  /// Which of 64 rows have a tag whose value is not -infinity, a bit each.
  std::uint64_t (*unbanned)(const std::uint32_t* tags, const float* tag_table);
  /// Which tiles have a value that is at least the tile's bound, a bit each. NaN is at least nothing.
  std::uint64_t (*tiles_reaching)(const float* values, const float* bounds, std::size_t tiles);
  std::size_t (*list)(ListCall*);  ///< returns how many
  /// The least and the largest of some scores, none of them NaN.
  void (*range)(const float* scores, std::size_t count, float* least, float* largest);
  /// How many scores reach a bound. There are kScanRoom more numbers behind them, whatever they are.
  std::size_t (*count)(const float* scores, std::size_t count, float bound);
  /// Moves the rows whose scores reach the bound to the front, in their order; returns how many.
  std::size_t (*keep)(std::uint32_t* rows, float* scores, std::size_t count, float bound);
};

extern const ScanKernels kScanScalar;
extern const ScanKernels kScanAvx2;
extern const ScanKernels kScanAvx512;

}  // namespace cairn::gpu

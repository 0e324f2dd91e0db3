#pragma once

// Read by files that are compiled for one instruction set each: plain structures and pointers only, no inline code.

#include <cstddef>
#include <cstdint>

namespace cairn::gpu {

/// Rows whose codes stand together: each kernel works on whole tiles.
inline constexpr std::size_t kTileRows = 64;
/// Rows that dot products are computed for together.
inline constexpr std::size_t kDotRows = 16;
/// Queries whose sums stay in registers together; query codes are laid out in blocks of so many, the last may be less.
inline constexpr std::size_t kQueryBlock = 6;

/// Codes of a matrix in tiles of 64 rows. A tile is contiguous: first the scales of its rows, [group][row], unless all
/// have the tile's; then the codes. int8: for each four columns, the four codes of row 0, of row 1 …, each code + 128
/// in a byte. int4: for each eight columns likewise, columns 0 to 3 in the low halves of four bytes and 4 to 7 in the
/// high ones, each code + 8. Columns are padded with codes 0 to whole fours (int8) or eights (int4) in each group.
struct CodeTilesView {
  const std::uint8_t* tiles;
  std::size_t tile_bytes;
  std::size_t scale_bytes;         ///< what a tile's scales take; 0: its rows have the tile's scale
  const float* tile_scales;        ///< int8: the scale of each tile, where its rows have it
  const std::uint64_t* scannable;  ///< a word a tile: the rows that have codes
  std::size_t groups;
  const std::uint32_t* group_quads;  ///< groups + 1: where each group's fours of columns begin
};

/// Where a query's hits go. There is room for all rows of the tiles that are scanned.
struct HitList {
  std::uint32_t* rows;
  float* upper;  ///< bounds of the score in units of the query's scale
  float* lower;
  std::size_t count;
};

/// One query of a scan.
struct TileQuery {
  float threshold;               ///< what the upper bound of a hit reaches at least
  const float* bias;             ///< one a row, or null
  float inverse_scale;           ///< turns a bias into units of the query's scale
  const std::uint64_t* allowed;  ///< a word a tile, or null
  HitList hits;
};

/// Bounds the scores of the rows of some tiles for some queries, and lists the rows whose bounds reach the threshold.
struct ScanCall {
  CodeTilesView codes;
  std::size_t tile_begin;
  std::size_t tile_end;
  std::uint64_t mask;  ///< rows of each tile that may be listed
  std::size_t queries;
  const std::int32_t* query_codes;  ///< blocks of [quad][query of the block], four codes each
  const std::int32_t* margin;       ///< [group][query]: how far a group's exact sum can be above the sum of codes
  const std::int32_t* offset;       ///< [group][query]: added to a sum, it undoes the 128 or 8 in each stored code
  const float* width;        ///< [group][query]: how far the lower bound is below the upper, in scales of the row
  const float* least_bound;  ///< [query]: a row whose bound, without bias, is below this is no hit
  std::int32_t* beyond_sum;  ///< [query]: scratch of the kernel
  TileQuery* query;
};

/// Dot products of 16 rows with some queries, by fused multiply-adds in the order of the columns.
struct DotCall {
  const float* const* rows;  ///< 16 pointers
  std::size_t dim;
  const float* queries;  ///< [query][dim]
  std::size_t query_count;
  float* scratch;  ///< 16 × dim
  float* out;      ///< [query][16]
};

/// The kernels of one instruction set.
struct TopKKernels {
  /// The least and the largest of the values, of which there is one at least and none NaN.
  void (*range_of)(const float* values, std::size_t count, float* least, float* largest);
  /// How many of the values are at least `bound`.
  std::size_t (*count_reaching)(const float* values, std::size_t count, float bound);
  /// Moves the hits whose upper bounds are at least `bound` to the front, in their order; sets the count.
  void (*keep_reaching)(HitList* hits, float bound);
  void (*scan_int8)(const ScanCall&);
  void (*scan_int4)(const ScanCall&);
  void (*dot)(const DotCall&);
  void (*halves_to_floats)(const std::uint16_t* halves, std::size_t count, float* floats);
  void (*floats_to_halves)(const float* floats, std::size_t count, std::uint16_t* halves);
};

/// The scalar forms of range_of, count_reaching and keep_reaching, which AVX2 has no better ones for.
void scalar_range_of(const float* values, std::size_t count, float* least, float* largest);
std::size_t scalar_count_reaching(const float* values, std::size_t count, float bound);
void scalar_keep_reaching(HitList* hits, float bound);

extern const TopKKernels kTopKScalar;
extern const TopKKernels kTopKAvx2;
extern const TopKKernels kTopKAvx512;

enum class InstructionSet : std::uint8_t;

/// Requires: this machine has the instruction set.
[[nodiscard]] const TopKKernels& top_k_kernels(InstructionSet set) noexcept;

}  // namespace cairn::gpu

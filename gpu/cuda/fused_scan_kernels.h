#pragma once

#include <cstddef>
#include <cstdint>

#include "gpu/cuda/device.h"
#include "gpu/cuda/kernels.h"
#include "gpu/cuda/layout.h"
#include "gpu/rows.h"

// What the kernels of the fused scan are given, and the functions that launch them. All pointers are to device memory.

namespace cairn::gpu::cuda {

/// Queries whose products with a tile are computed together, in four fragments.
inline constexpr std::uint32_t kScanGroupSlots = 32;
inline constexpr std::uint32_t kScanGroupPairs = kScanGroupSlots / kFragmentQueries / 2;
/// Queries of one pass at most.
inline constexpr std::uint32_t kScanSlotsMax = 64;
/// Answers that the device sorts; more are sorted by the host.
inline constexpr std::uint32_t kScanSortMax = 2048;

/// How the vectors of a table are kept.
enum class ScanVectors : std::uint8_t { kNone, kInt8, kFp32 };

/// A table as kernels see it. Arrays of rows are padded to whole tiles.
struct ScanTableArgs {
  std::uint32_t rows = 0;
  std::uint32_t tiles = 0;
  ScanVectors vectors = ScanVectors::kNone;
  std::uint32_t dim = 0;
  const std::int32_t* x = nullptr;
  const std::int32_t* y = nullptr;
  const std::int32_t* z = nullptr;
  const std::uint32_t* tags = nullptr;
  std::uint32_t steps = 0;               ///< kInt8: of a tile
  const unsigned char* codes = nullptr;  ///< kInt8: [tile][step][chunk_bytes]
  const float* scales = nullptr;         ///< kInt8: one a row
  const float* values = nullptr;         ///< kFp32: [tile][column][kTileRows]
};

/// The terms of one query's scores, as gpu/scan_terms.h gives them, and which of its rows are wanted.
struct ScanSlot {
  const float* prior = nullptr;  ///< null: 0
  const float* logs = nullptr;   ///< null: no such term
  const float* tag_table = nullptr;
  const float* logs_table = nullptr;
  std::int32_t x = 0;
  std::int32_t y = 0;
  std::int32_t z = 0;
  float logs_weight = 0.0F;
  std::uint32_t log_terms = 0;
  float log_per_unit[2] = {};
  float log_weight[2] = {};
  std::uint32_t has_exp = 0;
  float exp_per_unit = 0.0F;
  float exp_weight = 0.0F;
  float exp_units_max = 0.0F;
  std::uint32_t needs_distance = 0;
  std::uint32_t has_radius = 0;
  float radius = 0.0F;
  float rim_end = 0.0F;
  std::uint32_t has_vector = 0;
  float dot_weight = 0.0F;
  float threshold = 0.0F;  ///< no row below it is answered; NaN: no row at all is
};

/// The lists of one query.
struct ScanLists {
  const RowRange* ranges = nullptr;  ///< null: all rows
  const std::uint64_t* allowed = nullptr;
  const std::uint32_t* excluded = nullptr;
  const std::uint32_t* added_rows = nullptr;
  const float* added = nullptr;
  std::uint32_t range_count = 0;
  std::uint32_t excluded_count = 0;
  std::uint32_t added_count = 0;
  std::uint32_t listed_begin = 0;  ///< where its scores stand in `listed_scores`
  std::uint32_t k = 0;
  float slack = 0.0F;
};

/// What a pass found for a slot. More found than room: `found` or `rim` is larger than the pass's capacity, and the
/// answer is not complete.
struct ScanSlotResult {
  std::uint32_t found = 0;     ///< candidates
  std::uint32_t answered = 0;  ///< candidates that reach `least`
  std::uint32_t rim = 0;
  std::uint32_t passed = 0;
  float least = 0.0F;  ///< what the answer has to reach: the k-th best score found less the slack, or -infinity
};

/// Some queries of a batch, answered together.
struct ScanPassArgs {
  std::uint32_t slot_count = 0;
  std::uint32_t slot_stride = 0;  ///< slot_count, rounded up to whole groups
  const ScanSlot* slots = nullptr;
  const ScanLists* lists = nullptr;
  const TileRun* runs = nullptr;  ///< null: one run, from tile 0
  std::uint32_t run_count = 0;
  std::uint32_t work_tiles = 0;

  const unsigned char* query_codes = nullptr;  ///< kInt8: [group][step][pair][kQueryPairBytes]
  const float* query_values = nullptr;         ///< kFp32: [column][slot_stride]
  std::uint32_t shared_query_bytes = 0;  ///< of the query codes, which blocks copy; 0: they read them where they are

  std::uint32_t* words = nullptr;  ///< [work][slot_stride]: a bit a row that the lists let pass; null: all do
  float* thresholds = nullptr;     ///< one a slot, and so are the next three
  std::uint32_t* counts = nullptr;
  std::uint32_t* rim_counts = nullptr;
  std::uint32_t* passed = nullptr;
  float* listed_scores = nullptr;  ///< of the rows that are added to; NaN: does not pass

  std::uint32_t capacity = 0;
  std::uint32_t rim_capacity = 0;
  std::uint32_t* candidate_rows = nullptr;  ///< [slot][capacity]
  float* candidate_scores = nullptr;        ///< [slot][capacity]
  std::uint32_t* rim_rows = nullptr;        ///< [slot][rim_capacity]

  std::uint32_t result_stride = 0;  ///< at most kScanSortMax
  std::uint32_t rim_stride = 0;
  ScanSlotResult* results = nullptr;
  std::uint32_t* result_rows = nullptr;  ///< [slot][result_stride], best first, where all of an answer fits
  float* result_scores = nullptr;
  std::uint32_t* result_rim = nullptr;  ///< [slot][rim_stride]: the first of the rim, in any order
};

/// Tiles that a pass looks at: item i of `items` is the tile that the runs give for i × stride.
struct ScanStage {
  std::uint32_t items = 0;
  std::uint32_t stride = 1;
  std::uint32_t last = 0;  ///< 1: all tiles; rows that pass and those of the rim are counted
};

/// Shared memory of a block of the scan beside the query codes.
[[nodiscard]] std::size_t fused_scan_shared_bytes(const ScanTableArgs& table, const ScanPassArgs& pass);

/// Sets the words, takes excluded rows out of them, scores the rows that are added to and takes these out too.
/// `excluded_max` and `added_max` are the longest lists of any slot.
void launch_scan_lists(Stream& stream, const ScanTableArgs& table, const ScanPassArgs& pass, std::uint32_t excluded_max,
                       std::uint32_t added_max);

/// Makes the rows of a stage that reach their slot's threshold candidates.
void launch_fused_scan(Stream& stream, const DeviceTraits& traits, const ScanTableArgs& table, const ScanPassArgs& pass,
                       ScanStage stage);

/// Begins a stage: raises each threshold to what the candidates of the stage before prove, and drops them. For the last
/// stage the rows that are added to become candidates.
void launch_scan_begin(Stream& stream, const ScanPassArgs& pass, bool last);

/// Chooses each slot's answer among its candidates, and sorts it where it fits.
void launch_scan_finish(Stream& stream, const ScanPassArgs& pass);

/// column[rows[i]] = values[i] for each of `count`, above 0; no row comes twice.
void launch_scatter(Stream& stream, float* column, const std::uint32_t* rows, const float* values, std::uint32_t count);

}  // namespace cairn::gpu::cuda

#pragma once

#include <cstddef>
#include <cstdint>

#include "gpu/cuda/bounds.h"
#include "gpu/cuda/device.h"
#include "gpu/cuda/layout.h"
#include "gpu/top_k.h"

// What kernels are given, and the functions that launch them. All pointers are to device memory.

namespace cairn::gpu::cuda {

/// Where the values of rows are read that scores are computed from.
enum class ValueKind : std::uint8_t { kFloatRows, kHalfRows, kHalfTiles, kInt8Tiles, kInt4Tiles };

/// A matrix as kernels see it.
struct MatrixArgs {
  std::uint32_t rows = 0;
  std::uint32_t tiles = 0;
  ValueKind values = ValueKind::kFloatRows;
  const void* row_values = nullptr;  ///< kFloatRows, kHalfRows: rows × dim

  CodeKind code_kind = CodeKind::kInt8;
  StepLayout layout = {};                ///< of codes; without codes only dim is set
  const unsigned char* codes = nullptr;  ///< [tile][step][chunk_bytes]; rows past the end have codes 0
  const float* scales = nullptr;         ///< [tile][group][kTileRows]
  const std::uint32_t* norms = nullptr;  ///< [tiles × kTileRows], packed; error infinite where no bound holds
  const float* tile_norms = nullptr;     ///< [tile][2]: the largest code norm and error norm
};

/// RowFilter on the device. Null pointers restrict nothing.
struct FilterArgs {
  const RowRange* ranges = nullptr;
  std::uint32_t range_count = 0;
  std::uint32_t excluded_count = 0;
  const std::uint64_t* allowed = nullptr;
  const std::uint32_t* excluded = nullptr;
  const float* bias = nullptr;
};

/// A run of tiles; `work_begin` counts the tiles of the runs before it.
struct TileRun {
  std::uint32_t work_begin = 0;
  std::uint32_t tile_begin = 0;
};

/// One query of a pass.
struct Slot {
  std::uint32_t query = 0;   ///< row of `queries`
  std::uint32_t filter = 0;  ///< element of `filters`
  float threshold = 0.0F;    ///< that the k-th best score is known to reach, or -infinity
};

/// What a pass found for a slot.
struct SlotResult {
  std::uint32_t found = 0;
  std::uint32_t scored = 0;      ///< rows whose score was computed
  std::uint32_t overflowed = 0;  ///< 1: there were more candidates than room
  std::uint32_t unbounded = 0;   ///< 1: no bound holds for this query
  float threshold = 0.0F;        ///< the k-th best score found, or -infinity
};

/// Tiles that a scan looks at: work w in [begin, end) is the tile that the runs give for w × stride.
struct WorkRange {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  std::uint32_t stride = 1;
};

enum class ScanGoal : std::uint8_t {
  kSample,   ///< for each slot and tile the best lower bound, into `samples`
  kCollect,  ///< for each slot the rows whose upper bound reaches the threshold, into the candidates
};

/// A pass: some queries of a batch, answered together.
struct PassArgs {
  std::uint32_t slot_count = 0;
  std::uint32_t dim = 0;
  std::uint32_t k = 0;         ///< at least 1
  std::uint32_t filtered = 0;  ///< 0: no filter restricts rows
  std::uint32_t biased = 0;    ///< 0: no filter has a bias

  const float* queries = nullptr;
  const Slot* slots = nullptr;
  const FilterArgs* filters = nullptr;
  const TileRun* runs = nullptr;  ///< null: one run, from tile 0
  std::uint32_t run_count = 0;

  std::uint32_t fragments = 1;           ///< of queries in a group: 1 or 8
  unsigned char* query_codes = nullptr;  ///< [group of slots][step][pair][kQueryPairBytes]
  QueryBound* bounds = nullptr;          ///< one a slot
  std::uint32_t* unbounded = nullptr;    ///< one a slot
  float* thresholds = nullptr;           ///< one a slot
  float* samples = nullptr;              ///< [slot][sample_stride]
  std::uint32_t sample_stride = 0;

  std::uint32_t capacity = 0;               ///< candidates of a slot
  std::uint32_t* counts = nullptr;          ///< one a slot: candidates found, those without room too
  std::uint32_t* kept_counts = nullptr;     ///< one a slot
  std::uint32_t* candidate_rows = nullptr;  ///< [slot][capacity], and so are the next four
  float* candidate_lower = nullptr;
  float* candidate_upper = nullptr;
  std::uint32_t* kept_rows = nullptr;
  std::uint64_t* keys = nullptr;

  std::uint32_t* result_rows = nullptr;  ///< [slot][k]
  float* result_scores = nullptr;        ///< [slot][k]
  SlotResult* results = nullptr;
};

/// How many queries a block of the scan multiplies with at once, in fragments of 8.
inline constexpr std::uint32_t kWideFragments = 8;

/// Shared memory of a block of the scan.
[[nodiscard]] std::size_t scan_shared_bytes(CodeKind kind, std::uint32_t steps, std::uint32_t fragments);

/// Sets, for each slot, codes and bounds (where the matrix has codes), threshold, and counts 0.
void launch_prepare(Stream& stream, const MatrixArgs& matrix, const PassArgs& pass);

/// Scans by codes. The matrix has codes, and shared memory for the pass's fragments.
void launch_code_scan(Stream& stream, const DeviceTraits& traits, const MatrixArgs& matrix, const PassArgs& pass,
                      ScanGoal goal, WorkRange work);

/// Scans by scores: lower and upper bounds are the score itself.
void launch_exact_scan(Stream& stream, const DeviceTraits& traits, const MatrixArgs& matrix, const PassArgs& pass,
                       ScanGoal goal, WorkRange work);

/// Raises each threshold to what the slot's `sample_count` samples prove of the k-th best score.
void launch_raise_thresholds(Stream& stream, const PassArgs& pass, std::uint32_t sample_count);

/// Finds the k best of each slot's candidates: drops those that k others are surely better than, scores the others in
/// fp32, and sorts.
void launch_finish(Stream& stream, const DeviceTraits& traits, const MatrixArgs& matrix, const PassArgs& pass);

/// Puts the results of each slot back among its candidates, with their k-th score as threshold.
void launch_reseed(Stream& stream, const PassArgs& pass);

}  // namespace cairn::gpu::cuda

#include <cmath>

#include "gpu/cuda/fused_scan_kernels.h"
#include "gpu/cuda/rows.h"
#include "gpu/cuda/selection.h"
#include "gpu/cuda/simt.h"
#define CAIRN_SCAN_INLINE static CAIRN_DEVICE
#include "gpu/scan_arithmetic.h"

// The fused scan. A warp takes a tile of 32 rows for all queries of the pass: it multiplies the tile's vectors with 32
// queries at a time, then each lane computes the scores of one row, query after query, so that all lanes do the same
// terms. Only rows that reach their query's threshold leave the warp.

namespace cairn::gpu::cuda {
namespace {

constexpr std::uint32_t kScanThreads = 128;
constexpr std::uint32_t kScanWarps = kScanThreads / 32;
/// Words between the products of two queries: so no two lanes that write fragments meet in a bank of shared memory.
constexpr std::uint32_t kDotStride = 36;
constexpr std::uint32_t kDotWords = kScanGroupSlots * kDotStride;
/// Queries whose chains of multiply-adds a lane computes side by side.
constexpr std::uint32_t kChains = 16;
constexpr std::uint32_t kAllRows = 0xFFFFFFFFU;
constexpr std::uint32_t kNanBits = 0x7FC00000U;
constexpr std::uint32_t kSelectThreads = 512;
constexpr std::uint32_t kListThreads = 128;

/// The arrays of gpu/scan_numbers.h, on their way to a kernel.
struct ScanTables {
  float ln_inverse[16];
  float ln_middle[16];
  std::uint32_t exp_bits[16];
};

ScanTables make_tables() {
  ScanTables tables;
  for (std::size_t i = 0; i < 16; ++i) {
    tables.ln_inverse[i] = kLnInverse[i];
    tables.ln_middle[i] = kLnMiddle[i];
    tables.exp_bits[i] = kExpBits[i];
  }
  return tables;
}

/// One row: what gpu/cpu/scan_scalar.cc does, operation for operation.
struct Lane {
  using Floats = float;
  using Ints = std::uint32_t;
  using Mask = bool;

  static CAIRN_DEVICE float fill(float value) { return value; }
  static CAIRN_DEVICE Ints add(Ints a, Ints b) { return a + b; }
  static CAIRN_DEVICE float add(float a, float b) { return add_rounded(a, b); }
  static CAIRN_DEVICE float subtract(float a, float b) { return add_rounded(a, -b); }
  static CAIRN_DEVICE float multiply(float a, float b) { return multiply_rounded(a, b); }
  static CAIRN_DEVICE float fma(float a, float b, float c) { return fmaf(a, b, c); }
  static CAIRN_DEVICE float root(float a) { return root_rounded(a); }
  static CAIRN_DEVICE float minimum(float a, float b) { return a < b ? a : b; }
  static CAIRN_DEVICE float maximum(float a, float b) { return a > b ? a : b; }
  static CAIRN_DEVICE float to_floats(Ints a) { return static_cast<float>(static_cast<std::int32_t>(a)); }
  static CAIRN_DEVICE Ints bits(float a) { return bits_of(a); }
  static CAIRN_DEVICE float floats_of(Ints a) { return float_of(a); }
  template <int kBits>
  static CAIRN_DEVICE Ints shift_right(Ints a) {
    return a >> kBits;
  }
  template <int kBits>
  static CAIRN_DEVICE Ints shift_left(Ints a) {
    return a << kBits;
  }
  static CAIRN_DEVICE float lookup(const float* table, Ints index) { return table[index & 15U]; }
  static CAIRN_DEVICE float lookup(const std::uint32_t* table, Ints index) { return float_of(table[index & 15U]); }
  static CAIRN_DEVICE float mantissa(float a) { return float_of((bits_of(a) & 0x007FFFFFU) | 0x3F800000U); }
  static CAIRN_DEVICE float exponent(float a) {
    return static_cast<float>(static_cast<std::int32_t>(bits_of(a) >> 23) - 127);
  }
  static CAIRN_DEVICE bool has_no_ln(float a) { return !(a >= 0x1p-126F && a <= 0x1.fffffep127F); }
  static CAIRN_DEVICE bool greater(float a, float b) { return a > b; }
  static CAIRN_DEVICE std::uint32_t bits(bool mask) { return mask ? 1 : 0; }
  static CAIRN_DEVICE float choose(bool mask, float if_set, float otherwise) { return mask ? if_set : otherwise; }
};

using Arithmetic = ScanArithmetic<Lane, ScanTables>;

/// What all queries read of a row.
struct RowPlace {
  std::uint32_t row;
  std::uint32_t tag;
  std::uint32_t x;
  std::uint32_t y;
  std::uint32_t z;
};

CAIRN_DEVICE RowPlace place_of(const ScanTableArgs& table, std::uint32_t row) {
  return {row, table.tags[row], static_cast<std::uint32_t>(table.x[row]), static_cast<std::uint32_t>(table.y[row]),
          static_cast<std::uint32_t>(table.z[row])};
}

struct RowScore {
  float score;
  bool inside;  ///< its tag and its distance pass
  bool rim;     ///< its tag passes, and its distance is between radius and rim
};

/// The score of ScanQuery's definition, but for what is added to listed rows. `dot` is the product of the vectors,
/// where the query has one.
CAIRN_DEVICE RowScore score_row(const ScanSlot& slot, const ScanTables& tables, const RowPlace& at, float dot) {
  RowScore out = {slot.prior != nullptr ? slot.prior[at.row] : 0.0F, true, false};
  float distance = 0.0F;
  if (slot.needs_distance != 0) {
    distance =
        Arithmetic::distance(at.x - static_cast<std::uint32_t>(slot.x), at.y - static_cast<std::uint32_t>(slot.y),
                             at.z - static_cast<std::uint32_t>(slot.z));
  }
  if (slot.tag_table != nullptr) {
    const float value = slot.tag_table[at.tag];
    out.inside = value != -kInfinity;
    out.score = Lane::add(out.score, value);
  }
  if (slot.logs != nullptr) {
    const float x = Lane::add(slot.logs[at.row], slot.logs_table[at.tag]);
    out.score = Lane::fma(slot.logs_weight, Arithmetic::ln(tables, x), out.score);
    if (Lane::has_no_ln(x)) out.score = float_of(kNanBits);
  }
  CAIRN_UNROLL
  for (std::uint32_t i = 0; i < 2; ++i) {
    if (i >= slot.log_terms) break;
    const float x = Lane::fma(slot.log_per_unit[i], distance, 1.0F);
    out.score = Lane::fma(slot.log_weight[i], Arithmetic::ln(tables, x), out.score);
  }
  if (slot.has_exp != 0) {
    const float decay = Arithmetic::decay(tables, slot.exp_per_unit, slot.exp_units_max, distance);
    out.score = Lane::fma(slot.exp_weight, decay, out.score);
  }
  if (slot.has_vector != 0) out.score = Lane::fma(slot.dot_weight, dot, out.score);
  if (slot.has_radius != 0) {
    const bool in_radius = distance <= slot.radius;
    out.rim = out.inside && !in_radius && distance <= slot.rim_end;
    out.inside = out.inside && in_radius;
  }
  return out;
}

/// The rows of a tile that exist.
CAIRN_DEVICE std::uint32_t rows_in_tile(const ScanTableArgs& table, std::uint32_t tile) {
  const std::uint32_t rows = table.rows - tile * kTileRows;
  return rows >= kTileRows ? kAllRows : ~(kAllRows << rows);
}

/// The rows of a tile, a bit each, that some ranges hold.
CAIRN_DEVICE std::uint32_t bits_in_ranges(const RowRange* ranges, std::uint32_t count, std::uint32_t first) {
  std::uint32_t begin = 0;
  std::uint32_t end = count;
  while (begin < end) {  // the first range that ends after the tile's first row
    const std::uint32_t middle = begin + (end - begin) / 2;
    if (ranges[middle].end <= first) {
      begin = middle + 1;
    } else {
      end = middle;
    }
  }
  std::uint32_t bits = 0;
  for (; begin < count; ++begin) {
    const std::uint32_t from = ranges[begin].begin > first ? ranges[begin].begin - first : 0;
    if (from >= kTileRows) break;
    const std::uint32_t to = ranges[begin].end - first;
    const std::uint32_t below = to >= kTileRows ? kAllRows : ~(kAllRows << to);
    bits |= below & (kAllRows << from);
  }
  return bits;
}

/// Sets the words. Threads share out pairs of a tile and a slot.
CAIRN_KERNEL void words_kernel(const CAIRN_GRID_CONSTANT ScanTableArgs table,
                               const CAIRN_GRID_CONSTANT ScanPassArgs pass) {
  const std::size_t count = static_cast<std::size_t>(pass.work_tiles) * pass.slot_stride;
  const std::size_t step = static_cast<std::size_t>(grid_x()) * block_threads();
  for (std::size_t i = static_cast<std::size_t>(block_x()) * block_threads() + thread_index(); i < count; i += step) {
    const auto slot = static_cast<std::uint32_t>(i % pass.slot_stride);
    const auto work = static_cast<std::uint32_t>(i / pass.slot_stride);
    std::uint32_t word = 0;
    if (slot < pass.slot_count) {
      const ScanLists& lists = pass.lists[slot];
      const std::uint32_t tile = tile_in_runs(pass.runs, pass.run_count, work);
      const std::uint32_t first = tile * kTileRows;
      word = rows_in_tile(table, tile);
      if (lists.allowed != nullptr) word &= static_cast<std::uint32_t>(lists.allowed[first / 64] >> (first % 64));
      if (lists.ranges != nullptr) word &= bits_in_ranges(lists.ranges, lists.range_count, first);
    }
    pass.words[i] = word;
  }
}

/// The word that holds a row of a slot, or null where no run holds its tile.
CAIRN_DEVICE std::uint32_t* word_of(const ScanPassArgs& pass, std::uint32_t slot, std::uint32_t row) {
  const std::uint32_t tile = row / kTileRows;
  std::uint32_t work = tile;
  if (pass.runs != nullptr) {
    if (pass.run_count == 0 || pass.runs[0].tile_begin > tile) return nullptr;
    std::uint32_t begin = 0;
    std::uint32_t end = pass.run_count;
    while (end - begin > 1) {  // the last run whose first tile is this one or before it
      const std::uint32_t middle = begin + (end - begin) / 2;
      if (pass.runs[middle].tile_begin <= tile) {
        begin = middle;
      } else {
        end = middle;
      }
    }
    work = pass.runs[begin].work_begin + (tile - pass.runs[begin].tile_begin);
    const std::uint32_t work_end = begin + 1 < pass.run_count ? pass.runs[begin + 1].work_begin : pass.work_tiles;
    if (work >= work_end) return nullptr;
  }
  return pass.words + static_cast<std::size_t>(work) * pass.slot_stride + slot;
}

/// Grid: parts of the lists; slots.
CAIRN_KERNEL void exclude_kernel(const CAIRN_GRID_CONSTANT ScanTableArgs table,
                                 const CAIRN_GRID_CONSTANT ScanPassArgs pass) {
  const std::uint32_t slot = block_y();
  const ScanLists& lists = pass.lists[slot];
  for (std::uint32_t i = block_x() * block_threads() + thread_index(); i < lists.excluded_count;
       i += grid_x() * block_threads()) {
    const std::uint32_t row = lists.excluded[i];
    if (row >= table.rows) continue;
    std::uint32_t* word = word_of(pass, slot, row);
    if (word != nullptr) atomic_and(word, ~(1U << (row % kTileRows)));
  }
}

/// The product of a row's vector and a slot's query, one column after the other.
CAIRN_DEVICE float dot_of_row(const ScanTableArgs& table, const ScanPassArgs& pass, std::uint32_t slot,
                              std::uint32_t row) {
  const std::uint32_t tile = row / kTileRows;
  const std::uint32_t in_tile = row % kTileRows;
  if (table.vectors == ScanVectors::kFp32) {
    const float* values = table.values + static_cast<std::size_t>(tile) * table.dim * kTileRows + in_tile;
    float sum = 0.0F;
    for (std::uint32_t column = 0; column < table.dim; ++column) {
      const float query = pass.query_values[static_cast<std::size_t>(column) * pass.slot_stride + slot];
      sum = fmaf(query, values[static_cast<std::size_t>(column) * kTileRows], sum);
    }
    return sum;
  }
  const unsigned char* codes =
      table.codes + static_cast<std::size_t>(tile) * table.steps * chunk_bytes(CodeKind::kInt8);
  const unsigned char* queries = pass.query_codes + static_cast<std::size_t>(slot / kScanGroupSlots) * table.steps *
                                                        kScanGroupPairs * kQueryPairBytes;
  std::int32_t sum = 0;
  for (std::uint32_t column = 0; column < table.dim; ++column) {
    const StepByte at = {column / kStepBytes, column % kStepBytes};
    const auto code = static_cast<std::int8_t>(
        codes[static_cast<std::size_t>(at.step) * chunk_bytes(CodeKind::kInt8) + byte_offset(in_tile, at.byte)]);
    const auto query = static_cast<std::int8_t>(queries[query_offset(kScanGroupPairs, slot % kScanGroupSlots, at)]);
    sum += code * query;
  }
  return multiply_rounded(static_cast<float>(sum), table.scales[row]);
}

CAIRN_DEVICE void append_rim(const ScanPassArgs& pass, std::uint32_t slot, std::uint32_t row, std::uint32_t at) {
  if (at < pass.rim_capacity) pass.rim_rows[static_cast<std::size_t>(slot) * pass.rim_capacity + at] = row;
}

/// Scores the rows that are added to and takes them out of the words: so the scan of all rows need not search for them.
/// Grid: parts of the lists; slots.
CAIRN_KERNEL void listed_kernel(const CAIRN_GRID_CONSTANT ScanTableArgs table,
                                const CAIRN_GRID_CONSTANT ScanPassArgs pass,
                                const CAIRN_GRID_CONSTANT ScanTables tables) {
  const std::uint32_t slot = block_y();
  const ScanLists& lists = pass.lists[slot];
  const ScanSlot& terms = pass.slots[slot];
  for (std::uint32_t i = block_x() * block_threads() + thread_index(); i < lists.added_count;
       i += grid_x() * block_threads()) {
    const std::uint32_t row = lists.added_rows[i];
    const std::uint32_t bit = 1U << (row % kTileRows);
    float score = float_of(kNanBits);
    std::uint32_t* word = word_of(pass, slot, row);
    // Other rows of the word may be taken out meanwhile, but this one by nobody else: each stands in the list once.
    if (word != nullptr && (*word & bit) != 0) {
      atomic_and(word, ~bit);
      const float dot = terms.has_vector != 0 ? dot_of_row(table, pass, slot, row) : 0.0F;
      const RowScore scored = score_row(terms, tables, place_of(table, row), dot);
      if (scored.inside) {
        score = add_rounded(scored.score, lists.added[i]);
        atomic_add(pass.passed + slot, 1);
      }
      if (scored.rim) append_rim(pass, slot, row, atomic_add(pass.rim_counts + slot, 1));
    }
    pass.listed_scores[lists.listed_begin + i] = score;
  }
}

/// What a block of the scan shares, before the products of its warps.
struct alignas(16) SharedScan {
  ScanTables tables;
  ScanSlot slots[kScanSlotsMax];
  std::uint32_t passed[kScanSlotsMax];
};

/// Products of a tile's codes with a group's queries, into the warp's `dots` by query and row.
CAIRN_DEVICE void multiply_codes(const ScanTableArgs& table, std::uint32_t tile, const unsigned char* queries,
                                 std::uint32_t slots, std::uint32_t lane, std::uint32_t* dots) {
  std::int32_t sums[2][2 * kScanGroupPairs][4];
  CAIRN_UNROLL
  for (std::uint32_t i = 0; i < 2 * 2 * kScanGroupPairs * 4; ++i) {
    sums[i / (8 * kScanGroupPairs)][i / 4 % (2 * kScanGroupPairs)][i % 4] = 0;
  }
  const unsigned char* codes =
      table.codes + static_cast<std::size_t>(tile) * table.steps * chunk_bytes(CodeKind::kInt8) + lane * 16;
  const unsigned char* step_queries = queries + lane * 16;
#if defined(__CUDACC__)
#pragma unroll 4
#endif
  for (std::uint32_t step = 0; step < table.steps; ++step) {
    const Words4 a = *reinterpret_cast<const Words4*>(codes);
    const Words4 b = *reinterpret_cast<const Words4*>(codes + 512);
    const std::uint32_t first[4] = {a.x, a.y, a.z, a.w};
    const std::uint32_t second[4] = {b.x, b.y, b.z, b.w};
    CAIRN_UNROLL
    for (std::uint32_t pair = 0; pair < kScanGroupPairs; ++pair) {
      if (pair * 2 * kFragmentQueries >= slots) break;
      const Words4 q = *reinterpret_cast<const Words4*>(step_queries + pair * kQueryPairBytes);
      multiply_int8(sums[0][2 * pair], first, q.x, q.y);
      multiply_int8(sums[1][2 * pair], second, q.x, q.y);
      multiply_int8(sums[0][2 * pair + 1], first, q.z, q.w);
      multiply_int8(sums[1][2 * pair + 1], second, q.z, q.w);
    }
    codes += chunk_bytes(CodeKind::kInt8);
    step_queries += kScanGroupPairs * kQueryPairBytes;
  }
  CAIRN_UNROLL
  for (std::uint32_t half = 0; half < 2; ++half) {
    CAIRN_UNROLL
    for (std::uint32_t fragment = 0; fragment < 2 * kScanGroupPairs; ++fragment) {
      CAIRN_UNROLL
      for (std::uint32_t i = 0; i < 4; ++i) {
        const std::uint32_t query = fragment * kFragmentQueries + product_query(lane, i);
        dots[query * kDotStride + half * 16 + product_row(lane, i)] =
            static_cast<std::uint32_t>(sums[half][fragment][i]);
      }
    }
  }
}

/// The same with values: a chain of multiply-adds for each query, in the order of the columns.
CAIRN_DEVICE void multiply_values(const ScanTableArgs& table, const ScanPassArgs& pass, std::uint32_t tile,
                                  std::uint32_t first_slot, std::uint32_t slots, std::uint32_t lane,
                                  std::uint32_t* dots) {
  for (std::uint32_t first = 0; first < slots; first += kChains) {
    float sums[kChains];
    CAIRN_UNROLL
    for (std::uint32_t i = 0; i < kChains; ++i) sums[i] = 0.0F;
    const float* values = table.values + static_cast<std::size_t>(tile) * table.dim * kTileRows + lane;
    const float* queries = pass.query_values + first_slot + first;
    for (std::uint32_t column = 0; column < table.dim; ++column) {
      const float value = values[static_cast<std::size_t>(column) * kTileRows];
      CAIRN_UNROLL
      for (std::uint32_t i = 0; i < kChains; i += 4) {
        // The same for all lanes: one access for four queries.
        const Words4 four = *reinterpret_cast<const Words4*>(queries + i);
        sums[i] = fmaf(float_of(four.x), value, sums[i]);
        sums[i + 1] = fmaf(float_of(four.y), value, sums[i + 1]);
        sums[i + 2] = fmaf(float_of(four.z), value, sums[i + 2]);
        sums[i + 3] = fmaf(float_of(four.w), value, sums[i + 3]);
      }
      queries += pass.slot_stride;
    }
    CAIRN_UNROLL
    for (std::uint32_t i = 0; i < kChains; ++i) dots[(first + i) * kDotStride + lane] = bits_of(sums[i]);
  }
}

/// The place of each lane whose bit is set, behind what is counted: one atomic for a warp. `bits` is not 0.
CAIRN_DEVICE std::uint32_t append_places(std::uint32_t* count, std::uint32_t bits, std::uint32_t lane) {
  std::uint32_t first = 0;
  if (lane == 0) first = atomic_add(count, count_bits(bits));
  return shuffle_from(first, 0) + count_bits(bits & ((1U << lane) - 1U));
}

/// Grid: parts of the work. Shared memory: fused_scan_shared_bytes(), then the query codes if blocks copy them.
template <ScanVectors kVectors>
CAIRN_KERNEL void CAIRN_LAUNCH_BOUNDS(kScanThreads, 6)
    fused_scan_kernel(const CAIRN_GRID_CONSTANT ScanTableArgs table, const CAIRN_GRID_CONSTANT ScanPassArgs pass,
                      const CAIRN_GRID_CONSTANT ScanTables tables, const ScanStage stage) {
  const std::uint32_t lane = thread_index() % 32;
  const std::uint32_t warp = thread_index() / 32;
  auto& shared = *reinterpret_cast<SharedScan*>(dynamic_shared());
  auto* all_dots = reinterpret_cast<std::uint32_t*>(dynamic_shared() + sizeof(SharedScan));
  std::uint32_t* dots = all_dots + warp * kDotWords;
  auto* shared_queries = reinterpret_cast<unsigned char*>(all_dots + kScanWarps * kDotWords);
  const unsigned char* queries = pass.shared_query_bytes > 0 ? shared_queries : pass.query_codes;

  if (thread_index() < 16) {
    shared.tables.ln_inverse[thread_index()] = tables.ln_inverse[thread_index()];
    shared.tables.ln_middle[thread_index()] = tables.ln_middle[thread_index()];
    shared.tables.exp_bits[thread_index()] = tables.exp_bits[thread_index()];
  }
  for (std::uint32_t slot = thread_index(); slot < pass.slot_count; slot += kScanThreads) {
    shared.slots[slot] = pass.slots[slot];
    shared.slots[slot].threshold = pass.thresholds[slot];
    shared.passed[slot] = 0;
  }
  for (std::uint32_t at = thread_index() * 16; at < pass.shared_query_bytes; at += kScanThreads * 16) {
    *reinterpret_cast<Words4*>(shared_queries + at) = *reinterpret_cast<const Words4*>(pass.query_codes + at);
  }
  sync_block();

  for (std::uint32_t item = block_x() * kScanWarps + warp; item < stage.items; item += grid_x() * kScanWarps) {
    const std::uint32_t work = item * stage.stride;
    const std::uint32_t tile = tile_in_runs(pass.runs, pass.run_count, work);
    const RowPlace at = place_of(table, tile * kTileRows + lane);
    float scale = 0.0F;
    if constexpr (kVectors == ScanVectors::kInt8) scale = table.scales[at.row];
    const std::uint32_t existing = rows_in_tile(table, tile);
    for (std::uint32_t first = 0; first < pass.slot_count; first += kScanGroupSlots) {
      const std::uint32_t slots = pass.slot_count - first < kScanGroupSlots ? pass.slot_count - first : kScanGroupSlots;
      // Lane l looks after slot l of the group: its rows, and how many of them pass.
      std::uint32_t words = lane < slots ? existing : 0;
      if (pass.words != nullptr) words = pass.words[static_cast<std::size_t>(work) * pass.slot_stride + first + lane];
      if (!any_of_warp(words != 0)) continue;
      if constexpr (kVectors == ScanVectors::kInt8) {
        const std::size_t group = static_cast<std::size_t>(table.steps) * kScanGroupPairs * kQueryPairBytes;
        multiply_codes(table, tile, queries + first / kScanGroupSlots * group, slots, lane, dots);
      }
      if constexpr (kVectors == ScanVectors::kFp32) {
        multiply_values(table, pass, tile, first, slots, lane, dots);
      }
      if (kVectors != ScanVectors::kNone) sync_warp();
      std::uint32_t passed = 0;
      for (std::uint32_t q = 0; q < slots; ++q) {
        const std::uint32_t word = shuffle_from(words, q);
        if (word == 0) continue;  // for all lanes
        const ScanSlot& slot = shared.slots[first + q];
        float dot = 0.0F;
        if constexpr (kVectors == ScanVectors::kInt8) {
          dot = multiply_rounded(static_cast<float>(static_cast<std::int32_t>(dots[q * kDotStride + lane])), scale);
        }
        if constexpr (kVectors == ScanVectors::kFp32) dot = float_of(dots[q * kDotStride + lane]);
        const RowScore scored = score_row(slot, shared.tables, at, dot);
        const bool allowed = (word >> lane & 1U) != 0;
        const bool inside = allowed && scored.inside;
        if (stage.last != 0) {
          const std::uint32_t here = ballot(inside);
          if (lane == q) passed = count_bits(here);
          if (slot.has_radius != 0) {
            const std::uint32_t rim = ballot(allowed && scored.rim);
            if (rim != 0) {
              const std::uint32_t place = append_places(pass.rim_counts + first + q, rim, lane);
              if (allowed && scored.rim) append_rim(pass, first + q, at.row, place);
            }
          }
        }
        const bool hit = inside && scored.score >= slot.threshold;  // not so for NaN
        const std::uint32_t hits = ballot(hit);
        if (hits == 0) continue;
        const std::uint32_t place = append_places(pass.counts + first + q, hits, lane);
        if (hit && place < pass.capacity) {
          const std::size_t to = static_cast<std::size_t>(first + q) * pass.capacity + place;
          pass.candidate_rows[to] = at.row;
          pass.candidate_scores[to] = scored.score;
        }
      }
      if (passed != 0) atomic_add(&shared.passed[first + lane], passed);
      // The products of the next group are written where these were read.
      if (kVectors != ScanVectors::kNone) sync_warp();
    }
  }
  sync_block();
  if (stage.last == 0) return;
  for (std::uint32_t slot = thread_index(); slot < pass.slot_count; slot += kScanThreads) {
    if (shared.passed[slot] != 0) atomic_add(pass.passed + slot, shared.passed[slot]);
  }
}

/// What the answer has to reach as far as `count` candidates tell: the k-th best score less the slack. For the block.
CAIRN_DEVICE float least_of(Selection<std::uint32_t>& selection, const ScanLists& lists, const float* scores,
                            std::uint32_t count) {
  // Less an infinite slack, everything reaches it.
  if (lists.k == 0 || count < lists.k || !(lists.slack < kInfinity)) return -kInfinity;
  const std::uint32_t kth =
      kth_largest(selection, count, lists.k, [&](std::uint32_t i) { return order_of(scores[i]); });
  return add_rounded(value_of(kth), -lists.slack);
}

/// Grid: one block a slot.
CAIRN_KERNEL void begin_kernel(const CAIRN_GRID_CONSTANT ScanPassArgs pass, std::uint32_t last) {
  CAIRN_SHARED Selection<std::uint32_t> selection;
  CAIRN_SHARED std::uint32_t count;
  const std::uint32_t slot = block_x();
  const ScanLists& lists = pass.lists[slot];
  const std::size_t first = static_cast<std::size_t>(slot) * pass.capacity;
  const std::uint32_t found = pass.counts[slot];
  // Of candidates without room nothing is known; the k-th best of the others is a threshold all the same.
  const float least =
      least_of(selection, lists, pass.candidate_scores + first, found < pass.capacity ? found : pass.capacity);
  const float before = pass.thresholds[slot];
  const float threshold = least > before ? least : before;  // NaN stays
  if (thread_index() == 0) count = 0;
  sync_block();
  for (std::uint32_t i = thread_index(); last != 0 && i < lists.added_count; i += block_threads()) {
    const float score = pass.listed_scores[lists.listed_begin + i];
    if (!(score >= threshold)) continue;
    const std::uint32_t place = atomic_add(&count, 1);
    if (place >= pass.capacity) continue;
    pass.candidate_rows[first + place] = lists.added_rows[i];
    pass.candidate_scores[first + place] = score;
  }
  sync_block();
  if (thread_index() == 0) {
    pass.thresholds[slot] = threshold;
    pass.counts[slot] = count;
  }
}

/// Sorts 2^n keys, the largest first, and moves the scores along (Batcher's bitonic sort).
CAIRN_DEVICE void sort_answers(std::uint64_t* keys, float* scores, std::uint32_t size) {
  for (std::uint32_t run = 2; run <= size; run *= 2) {
    for (std::uint32_t distance = run / 2; distance > 0; distance /= 2) {
      sync_block();
      for (std::uint32_t pair = thread_index(); pair < size / 2; pair += block_threads()) {
        const std::uint32_t low = pair / distance * distance * 2 + pair % distance;
        const std::uint32_t high = low + distance;
        const std::uint64_t a = keys[low];
        const std::uint64_t b = keys[high];
        if ((a < b) != ((low & run) == 0)) continue;
        const float score = scores[low];
        keys[low] = b;
        keys[high] = a;
        scores[low] = scores[high];
        scores[high] = score;
      }
    }
  }
  sync_block();
}

/// Grid: one block a slot.
CAIRN_KERNEL void finish_kernel(const CAIRN_GRID_CONSTANT ScanPassArgs pass) {
  CAIRN_SHARED Selection<std::uint32_t> selection;
  CAIRN_SHARED std::uint64_t keys[kScanSortMax];
  CAIRN_SHARED float scores[kScanSortMax];
  CAIRN_SHARED std::uint32_t taken;
  const std::uint32_t slot = block_x();
  const std::size_t first = static_cast<std::size_t>(slot) * pass.capacity;
  const std::uint32_t found = pass.counts[slot];
  const std::uint32_t count = found < pass.capacity ? found : pass.capacity;
  const float least = least_of(selection, pass.lists[slot], pass.candidate_scores + first, count);
  if (thread_index() == 0) taken = 0;
  sync_block();
  for (std::uint32_t i = thread_index(); i < count; i += block_threads()) {
    const float score = pass.candidate_scores[first + i];
    if (score < least) continue;
    const std::uint32_t place = atomic_add(&taken, 1);
    if (place >= kScanSortMax) continue;
    keys[place] = key_of(score, pass.candidate_rows[first + i]);
    scores[place] = score;  // keys do not keep the sign of a zero
  }
  sync_block();
  const std::uint32_t answered = taken;
  if (answered <= pass.result_stride) {
    std::uint32_t size = 1;
    while (size < answered) size *= 2;
    for (std::uint32_t i = answered + thread_index(); i < size; i += block_threads()) keys[i] = 0;
    sort_answers(keys, scores, size);
    for (std::uint32_t i = thread_index(); i < answered; i += block_threads()) {
      pass.result_rows[static_cast<std::size_t>(slot) * pass.result_stride + i] = row_of(keys[i]);
      pass.result_scores[static_cast<std::size_t>(slot) * pass.result_stride + i] = scores[i];
    }
  }
  const std::uint32_t rim = pass.rim_counts[slot];
  const std::uint32_t shown = rim < pass.rim_stride ? rim : pass.rim_stride;
  for (std::uint32_t i = thread_index(); i < shown; i += block_threads()) {
    pass.result_rim[static_cast<std::size_t>(slot) * pass.rim_stride + i] =
        pass.rim_rows[static_cast<std::size_t>(slot) * pass.rim_capacity + i];
  }
  if (thread_index() == 0) {
    ScanSlotResult result;
    result.found = found;
    result.answered = answered;
    result.rim = rim;
    result.passed = pass.passed[slot];
    result.least = least;
    pass.results[slot] = result;
  }
}

template <ScanVectors kVectors>
void launch_scan_of(Stream& stream, const DeviceTraits& traits, const ScanTableArgs& table, const ScanPassArgs& pass,
                    ScanStage stage) {
  const std::size_t shared = fused_scan_shared_bytes(table, pass) + pass.shared_query_bytes;
  allow_shared_bytes(&fused_scan_kernel<kVectors>, shared);
  const std::uint32_t blocks =
      traits.multiprocessors * blocks_at_once(&fused_scan_kernel<kVectors>, kScanThreads, shared);
  const std::uint32_t useful = ceil_divide(stage.items, kScanWarps);
  launch(stream, blocks < useful ? blocks : useful, 1, kScanThreads, shared, &fused_scan_kernel<kVectors>, table, pass,
         make_tables(), stage);
}

constexpr std::uint32_t kScatterThreads = 256;

CAIRN_KERNEL void scatter_kernel(float* column, const std::uint32_t* rows, const float* values, std::uint32_t count) {
  const std::uint32_t i = block_x() * kScatterThreads + thread_index();
  if (i < count) column[rows[i]] = values[i];
}

/// Blocks for lists of up to so many elements; those of a few thousand have one each.
std::uint32_t list_parts(std::uint32_t longest) {
  return longest < 64 * kListThreads ? ceil_divide(longest, kListThreads) : 64;
}

}  // namespace

std::size_t fused_scan_shared_bytes(const ScanTableArgs& table, const ScanPassArgs& /*pass*/) {
  const std::size_t dots = table.vectors == ScanVectors::kNone ? 0 : std::size_t{kScanWarps} * kDotWords * 4;
  return sizeof(SharedScan) + dots;
}

void launch_scan_lists(Stream& stream, const ScanTableArgs& table, const ScanPassArgs& pass, std::uint32_t excluded_max,
                       std::uint32_t added_max) {
  if (pass.words == nullptr) return;
  const std::size_t words = static_cast<std::size_t>(pass.work_tiles) * pass.slot_stride;
  const std::size_t blocks = (words + 255) / 256;
  launch(stream, static_cast<std::uint32_t>(blocks < 65536 ? blocks : 65536), 1, 256, 0, &words_kernel, table, pass);
  if (excluded_max > 0) {
    launch(stream, list_parts(excluded_max), pass.slot_count, kListThreads, 0, &exclude_kernel, table, pass);
  }
  if (added_max > 0) {
    launch(stream, list_parts(added_max), pass.slot_count, kListThreads, 0, &listed_kernel, table, pass, make_tables());
  }
}

void launch_fused_scan(Stream& stream, const DeviceTraits& traits, const ScanTableArgs& table, const ScanPassArgs& pass,
                       ScanStage stage) {
  if (stage.items == 0) return;
  switch (table.vectors) {
    case ScanVectors::kNone:
      return launch_scan_of<ScanVectors::kNone>(stream, traits, table, pass, stage);
    case ScanVectors::kInt8:
      return launch_scan_of<ScanVectors::kInt8>(stream, traits, table, pass, stage);
    case ScanVectors::kFp32:
      return launch_scan_of<ScanVectors::kFp32>(stream, traits, table, pass, stage);
  }
}

void launch_scan_begin(Stream& stream, const ScanPassArgs& pass, bool last) {
  launch(stream, pass.slot_count, 1, kSelectThreads, 0, &begin_kernel, pass, last ? 1U : 0U);
}

void launch_scatter(Stream& stream, float* column, const std::uint32_t* rows, const float* values,
                    std::uint32_t count) {
  launch(stream, ceil_divide(count, kScatterThreads), 1, kScatterThreads, 0, &scatter_kernel, column, rows, values,
         count);
}

void launch_scan_finish(Stream& stream, const ScanPassArgs& pass) {
  launch(stream, pass.slot_count, 1, kSelectThreads, 0, &finish_kernel, pass);
}

}  // namespace cairn::gpu::cuda

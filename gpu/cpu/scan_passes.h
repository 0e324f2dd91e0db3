#pragma once

// The scan's passes over rows, written once for all instruction sets. Each file of one set includes this and passes in
// its `Lanes`, a type of its own anonymous namespace, so that nothing here is shared between files. `Lanes` has so many
// numbers in a register and the operations on them, each rounded once, as IEEE 754 says: the same operations in the
// same order give the same bits on all. The files are compiled with -ffp-contract=off.

#include <cstddef>
#include <cstdint>
#include <limits>

#include "gpu/cpu/scan_kernels.h"
#include "gpu/scan_arithmetic.h"

namespace cairn::gpu {

template <class L>
struct ScanPasses {
  using Floats = typename L::Floats;
  using Ints = typename L::Ints;
  using Mask = typename L::Mask;
  static constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
  static constexpr std::size_t kParts = kScanTileRows / L::kCount;

  /// The tables as they are; each instruction set looks up in its own way.
  struct Tables {
    static constexpr const float (&ln_inverse)[16] = kLnInverse;
    static constexpr const float (&ln_middle)[16] = kLnMiddle;
    static constexpr const std::uint32_t (&exp_bits)[16] = kExpBits;
  };
  using Arithmetic = ScanArithmetic<L, Tables>;

  CAIRN_SCAN_INLINE Floats distance(const ScoreCall& call, std::size_t row) {
    return Arithmetic::distance(L::subtract(L::load(call.x + row), L::fill(call.query_x)),
                                L::subtract(L::load(call.y + row), L::fill(call.query_y)),
                                L::subtract(L::load(call.z + row), L::fill(call.query_z)));
  }
  CAIRN_SCAN_INLINE Floats ln(Floats x) { return Arithmetic::ln(Tables{}, x); }
  CAIRN_SCAN_INLINE Floats decay(const ScoreCall& call, Floats distance) {
    return Arithmetic::decay(Tables{}, call.exp_per_unit, call.exp_units_max, distance);
  }

  template <bool kDistance, std::size_t kTable, std::size_t kLogs>
  CAIRN_SCAN_INLINE std::uint64_t first_part(const ScoreCall& call, std::size_t row) {
    if constexpr (kDistance) L::store(call.distances + row, distance(call, row));
    Floats value = L::fill(0.0F);
    Floats logs_value = L::fill(0.0F);
    if constexpr (kTable > 0 && kLogs > 0) L::gather_pairs(call.pairs, call.tags + row, &value, &logs_value);
    if constexpr (kTable > 0 && kLogs == 0) value = L::gather(call.tag_table, L::load(call.tags + row));
    if constexpr (kTable == 0 && kLogs > 0) logs_value = L::gather(call.logs_table, L::load(call.tags + row));
    Floats score = L::load(call.prior + row);
    std::uint64_t passes = ~std::uint64_t{0} >> (64 - L::kCount);
    if constexpr (kTable > 0) score = L::add(score, value);
    // NaN is not -infinity: its rows pass, though they are never answered.
    if constexpr (kTable > 1) passes = L::bits(L::differs(value, L::fill(-std::numeric_limits<float>::infinity())));
    if constexpr (kLogs > 0) {
      const Floats x = L::add(L::load(call.logs + row), logs_value);
      score = L::fma(L::fill(call.logs_weight), ln(x), score);
      // What has no logarithm here has no score.
      if constexpr (kLogs > 1) score = L::choose(L::has_no_ln(x), L::fill(kNaN), score);
    }
    L::store(call.scores + row, score);
    return passes;
  }

  template <bool kDistance, std::size_t kTable, std::size_t kLogs>
  static void first(const ScoreCall& call) {
    for (std::size_t tile = 0; tile < call.tiles; ++tile) {
      std::uint64_t passes = 0;
#pragma GCC unroll 4
      for (std::size_t part = 0; part < kParts; ++part) {
        passes |= first_part<kDistance, kTable, kLogs>(call, tile * kScanTileRows + part * L::kCount)
                  << (part * L::kCount);
      }
      call.inside[tile] = passes;
    }
  }

  template <std::size_t kLogTerms, bool kExp, bool kDots>
  static void second(const ScoreCall& call) {
#pragma GCC unroll 4
    for (std::size_t row = 0; row < call.tiles * kScanTileRows; row += L::kCount) {
      Floats score = L::load(call.scores + row);
      Floats distance = L::fill(0.0F);
      if constexpr (kLogTerms > 0 || kExp) distance = L::load(call.distances + row);
#pragma GCC unroll 2
      for (std::size_t i = 0; i < kLogTerms; ++i) {
        const Floats x = L::fma(L::fill(call.log_per_unit[i]), distance, L::fill(1.0F));
        score = L::fma(L::fill(call.log_weight[i]), ln(x), score);
      }
      if constexpr (kExp) score = L::fma(L::fill(call.exp_weight), decay(call, distance), score);
      if constexpr (kDots) score = L::fma(L::fill(call.dot_weight), L::load(call.dots + row), score);
      L::store(call.scores + row, score);
    }
  }

  static void radius(const ScoreCall& call) {
    for (std::size_t tile = 0; tile < call.tiles; ++tile) {
      std::uint64_t in_radius = 0;
      std::uint64_t in_rim = 0;
      for (std::size_t part = 0; part < kParts; ++part) {
        const Floats distance = L::load(call.distances + tile * kScanTileRows + part * L::kCount);
        in_radius |= static_cast<std::uint64_t>(L::bits(L::at_most(distance, L::fill(call.radius))))
                     << (part * L::kCount);
        in_rim |= static_cast<std::uint64_t>(L::bits(L::at_most(distance, L::fill(call.rim_end))))
                  << (part * L::kCount);
      }
      call.rim[tile] = call.inside[tile] & in_rim & ~in_radius;
      call.inside[tile] &= in_radius;
    }
  }

  static std::uint64_t unbanned(const std::uint32_t* tags, const float* tag_table) {
    const Floats banned = L::fill(-std::numeric_limits<float>::infinity());
    std::uint64_t passes = 0;
#pragma GCC unroll 4
    for (std::size_t part = 0; part < kParts; ++part) {
      const Floats value = L::gather(tag_table, L::load(tags + part * L::kCount));
      passes |= static_cast<std::uint64_t>(L::bits(L::differs(value, banned))) << (part * L::kCount);
    }
    return passes;
  }

  /// One tile of fp32 vectors and N queries: a chain of fused multiply-adds for each row.
  template <std::size_t N>
  CAIRN_SCAN_INLINE void dot_fp32(const DotsCall& call, std::size_t tile, std::size_t q) {
    const auto* columns = reinterpret_cast<const float*>(call.vectors + tile * call.tile_bytes);
    constexpr std::size_t kTogether = kParts < 4 ? kParts : 4;
    for (std::size_t first = 0; first < kParts; first += kTogether) {
      Floats sums[N][kTogether];
#pragma GCC unroll 4
      for (std::size_t n = 0; n < N; ++n) {
#pragma GCC unroll 4
        for (std::size_t p = 0; p < kTogether; ++p) sums[n][p] = L::fill(0.0F);
      }
      for (std::size_t j = 0; j < call.columns; ++j) {
        const float* values = columns + j * kScanTileRows + first * L::kCount;
#pragma GCC unroll 4
        for (std::size_t n = 0; n < N; ++n) {
          const Floats query = L::fill(static_cast<const float*>(call.query[q + n])[j]);
#pragma GCC unroll 4
          for (std::size_t p = 0; p < kTogether; ++p)
            sums[n][p] = L::fma(query, L::load(values + p * L::kCount), sums[n][p]);
        }
      }
#pragma GCC unroll 4
      for (std::size_t n = 0; n < N; ++n) {
#pragma GCC unroll 4
        for (std::size_t p = 0; p < kTogether; ++p)
          L::store(call.dots[q + n] + tile * kScanTileRows + (first + p) * L::kCount, sums[n][p]);
      }
    }
  }

  /// The same with codes: sums are exact in integers, then scaled by the row's scale. One query alone has two sums for
  /// each row, since an addition to a sum waits for the one before it.
  template <std::size_t N>
  CAIRN_SCAN_INLINE void dot_int8(const DotsCall& call, std::size_t tile, std::size_t q) {
    const std::uint8_t* bytes = call.vectors + tile * call.tile_bytes;
    const auto* scales = reinterpret_cast<const float*>(bytes);
    const std::uint8_t* codes = bytes + kScanTileRows * sizeof(float);
    constexpr std::size_t kTogether = kParts < 4 ? kParts : 4;
    constexpr std::size_t kSums = N == 1 ? 2 : N;
    for (std::size_t first = 0; first < kParts; first += kTogether) {
      Ints sums[kSums][kTogether];
#pragma GCC unroll 4
      for (std::size_t n = 0; n < kSums; ++n) {
#pragma GCC unroll 4
        for (std::size_t p = 0; p < kTogether; ++p) {
          sums[n][p] = n < N ? L::first_sum(call.excess[q + n]) : L::fill(std::int32_t{0});
        }
      }
      const std::uint8_t* four = codes + first * L::kCount * 4;
      std::size_t quad = 0;
      if constexpr (N == 1) {
        for (; quad + 2 <= call.columns; quad += 2, four += 2 * kScanTileRows * 4) {
          add_quad<1>(call, q, quad, four, &sums[0]);
          add_quad<1>(call, q, quad + 1, four + kScanTileRows * 4, &sums[1]);
        }
      }
      for (; quad < call.columns; ++quad, four += kScanTileRows * 4) add_quad<N>(call, q, quad, four, sums);
#pragma GCC unroll 4
      for (std::size_t n = 0; n < N; ++n) {
#pragma GCC unroll 4
        for (std::size_t p = 0; p < kTogether; ++p) {
          const std::size_t row = (first + p) * L::kCount;
          const Ints sum = N == 1 ? L::add(sums[0][p], sums[1][p]) : sums[n][p];
          L::store(call.dots[q + n] + tile * kScanTileRows + row,
                   L::multiply(L::to_floats(sum), L::load(scales + row)));
        }
      }
    }
  }

  /// Adds the products of four columns.
  template <std::size_t N, std::size_t kTogether>
  CAIRN_SCAN_INLINE void add_quad(const DotsCall& call, std::size_t q, std::size_t quad, const std::uint8_t* codes,
                                  Ints (*sums)[kTogether]) {
    Ints query[N];
#pragma GCC unroll 4
    for (std::size_t n = 0; n < N; ++n) query[n] = L::fill(static_cast<const std::int32_t*>(call.query[q + n])[quad]);
#pragma GCC unroll 4
    for (std::size_t p = 0; p < kTogether; ++p) {
      const auto row_codes = L::load_codes(codes + p * L::kCount * 4);
#pragma GCC unroll 4
      for (std::size_t n = 0; n < N; ++n) sums[n][p] = L::add_products(sums[n][p], row_codes, query[n]);
    }
  }

  static void dots_fp32(const DotsCall& call) {
    for (std::size_t tile = 0; tile < call.tiles; ++tile) {
      std::size_t q = 0;
      for (; q + L::kDotQueries <= call.queries; q += L::kDotQueries) dot_fp32<L::kDotQueries>(call, tile, q);
      for (; q < call.queries; ++q) dot_fp32<1>(call, tile, q);
    }
  }

  static void dots_int8(const DotsCall& call) {
    for (std::size_t tile = 0; tile < call.tiles; ++tile) {
      std::size_t q = 0;
      for (; q + L::kDotQueries <= call.queries; q += L::kDotQueries) dot_int8<L::kDotQueries>(call, tile, q);
      for (; q < call.queries; ++q) dot_int8<1>(call, tile, q);
    }
  }

  /// Which of some scores reach a bound, a bit each. NaN is at most and at least nothing.
  CAIRN_SCAN_INLINE std::uint64_t reaching(const float* scores, Floats bound) {
    return L::bits(L::at_most(bound, L::load(scores)));
  }

  static std::uint64_t tiles_reaching(const float* values, const float* bounds, std::size_t tiles) {
    std::uint64_t reaching_tiles = 0;
    for (std::size_t tile = 0; tile < tiles; ++tile) {
      const Floats bound = L::fill(bounds[tile]);
      std::uint64_t reach = 0;
#pragma GCC unroll 8
      for (std::size_t part = 0; part < kParts; ++part) {
        reach |= reaching(values + tile * kScanTileRows + part * L::kCount, bound);
      }
      reaching_tiles |= std::uint64_t{reach != 0 ? 1U : 0U} << tile;
    }
    return reaching_tiles;
  }

  static std::size_t list(ListCall* call) {
    const Floats threshold = L::fill(call->threshold);
    // First which tiles have a hit, then their hits: the processor has to guess once how many there are, not for each.
    std::uint64_t hits[kScanBlockTiles];
    std::uint32_t tiles[kScanBlockTiles];
    std::size_t with_hits = 0;
    call->set = 0;
    for (std::size_t tile = 0; tile < call->tiles; ++tile) {
      const float* scores = call->scores + tile * kScanTileRows;
      std::uint64_t reach = 0;
#pragma GCC unroll 8
      for (std::size_t part = 0; part < kParts; ++part) {
        reach |= reaching(scores + part * L::kCount, threshold) << (part * L::kCount);
      }
      reach &= call->mask[tile];
      call->set += static_cast<std::uint64_t>(__builtin_popcountll(call->mask[tile]));
      hits[with_hits] = reach;
      tiles[with_hits] = static_cast<std::uint32_t>(tile);
      with_hits += reach != 0 ? 1 : 0;
    }
    std::size_t count = 0;
    for (std::size_t i = 0; i < with_hits; ++i) {
      const std::uint32_t first = tiles[i] * static_cast<std::uint32_t>(kScanTileRows);
      count +=
          L::list(hits[i], call->scores + first, call->first_row + first, call->rows + count, call->row_scores + count);
    }
    return count;
  }

  static void range(const float* scores, std::size_t count, float* least, float* largest) {
    *least = std::numeric_limits<float>::infinity();
    *largest = -std::numeric_limits<float>::infinity();
    if (count < L::kCount) {
      for (std::size_t i = 0; i < count; ++i) {
        *least = scores[i] < *least ? scores[i] : *least;
        *largest = scores[i] > *largest ? scores[i] : *largest;
      }
      return;
    }
    // The last register reads some scores a second time.
    Floats low = L::load(scores + count - L::kCount);
    Floats high = low;
    for (std::size_t i = 0; i + L::kCount <= count; i += L::kCount) {
      low = L::minimum(low, L::load(scores + i));
      high = L::maximum(high, L::load(scores + i));
    }
    *least = L::least(low);
    *largest = L::largest(high);
  }

  static std::size_t count(const float* scores, std::size_t count, float bound) {
    const Floats bounds = L::fill(bound);
    std::size_t found = 0;
    std::size_t i = 0;
    for (; i + L::kCount <= count; i += L::kCount) {
      found += static_cast<std::size_t>(__builtin_popcountll(reaching(scores + i, bounds)));
    }
    // Of the rest, what lies behind the scores is read and not counted.
    const std::uint64_t rest = ~(~std::uint64_t{0} << (count - i));
    return found + static_cast<std::size_t>(__builtin_popcountll(reaching(scores + i, bounds) & rest));
  }

  static std::size_t keep(std::uint32_t* rows, float* scores, std::size_t count, float bound) {
    const Floats bounds = L::fill(bound);
    std::size_t kept = 0;
    std::size_t i = 0;
    // What is written lies before what is read next, or is read already.
    for (; i + L::kCount <= count; i += L::kCount) {
      kept += L::keep(reaching(scores + i, bounds), rows + i, scores + i, rows + kept, scores + kept);
    }
    for (; i < count; ++i) {
      rows[kept] = rows[i];
      const float score = scores[i];
      scores[kept] = score;
      kept += score >= bound ? 1 : 0;
    }
    return kept;
  }

  static constexpr ScanKernels kernels() {
    return {
        .first = {{{first<false, 0, 0>, first<false, 0, 1>, first<false, 0, 2>},
                   {first<false, 1, 0>, first<false, 1, 1>, first<false, 1, 2>},
                   {first<false, 2, 0>, first<false, 2, 1>, first<false, 2, 2>}},
                  {{first<true, 0, 0>, first<true, 0, 1>, first<true, 0, 2>},
                   {first<true, 1, 0>, first<true, 1, 1>, first<true, 1, 2>},
                   {first<true, 2, 0>, first<true, 2, 1>, first<true, 2, 2>}}},
        .second = {{{second<0, false, false>, second<0, false, true>}, {second<0, true, false>, second<0, true, true>}},
                   {{second<1, false, false>, second<1, false, true>}, {second<1, true, false>, second<1, true, true>}},
                   {{second<2, false, false>, second<2, false, true>},
                    {second<2, true, false>, second<2, true, true>}}},
        .radius = radius,
        .dots_fp32 = dots_fp32,
        .dots_int8 = dots_int8,
        .unbanned = unbanned,
        .tiles_reaching = tiles_reaching,
        .list = list,
        .range = range,
        .count = count,
        .keep = keep};
  }
};

}  // namespace cairn::gpu

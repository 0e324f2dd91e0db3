#include <immintrin.h>

#include "gpu/cpu/kernels.h"

#include "cairn/prefetch.h"

namespace cairn::gpu {
namespace {

constexpr std::size_t kParts = 4;  // registers of 16 rows in a tile

/// The scales of a tile's rows; where they have the tile's, so many copies of it.
const float* scales_of(const CodeTilesView& codes, std::size_t tile, float (&same)[kTileRows]) {
  if (codes.scale_bytes > 0) return reinterpret_cast<const float*>(codes.tiles + tile * codes.tile_bytes);
  const __m512 scale = _mm512_set1_ps(codes.tile_scales[tile]);
  for (std::size_t part = 0; part < kParts; ++part) _mm512_storeu_ps(same + 16 * part, scale);
  return same;
}

__mmask16 first_lanes(std::size_t count) { return static_cast<__mmask16>(count >= 16 ? 0xFFFFU : (1U << count) - 1U); }

/// Tests the bounds of 16 rows of a tile for one query, and lists those that reach the threshold.
void test_part(const ScanCall& call, const float* scales, std::size_t tile, std::size_t part, std::size_t q,
               __m512 upper) {
  TileQuery& query = call.query[q];
  const std::uint64_t scannable = call.codes.scannable[tile];
  const std::size_t first = tile * kTileRows + 16 * part;
  if (query.bias != nullptr) {
    // The last tile may end past the last bias; its rows past the end are not scannable.
    const __m512 bias = _mm512_maskz_loadu_ps(static_cast<__mmask16>(scannable >> (16 * part)), query.bias + first);
    upper = _mm512_fmadd_ps(bias, _mm512_set1_ps(query.inverse_scale), upper);
  }
  std::uint64_t listed = call.mask & scannable;
  if (query.allowed != nullptr) listed &= query.allowed[tile];
  const auto hit = static_cast<__mmask16>(_mm512_cmp_ps_mask(upper, _mm512_set1_ps(query.threshold), _CMP_GE_OQ) &
                                          (listed >> (16 * part)));
  if (hit == 0) return;
  // Lower bounds are needed for hits only, which are few.
  __m512 lower = upper;
  for (std::size_t g = 0; g < call.codes.groups; ++g) {
    const __m512 scale = _mm512_loadu_ps(scales + g * kTileRows + 16 * part);
    lower = _mm512_fnmadd_ps(scale, _mm512_set1_ps(call.width[g * call.queries + q]), lower);
  }
  const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i rows = _mm512_add_epi32(lanes, _mm512_set1_epi32(static_cast<int>(first)));
  HitList& hits = query.hits;
  // Stores the hits next to each other, without a branch for each row.
  _mm512_mask_compressstoreu_epi32(hits.rows + hits.count, hit, rows);
  _mm512_mask_compressstoreu_ps(hits.upper + hits.count, hit, upper);
  _mm512_mask_compressstoreu_ps(hits.lower + hits.count, hit, lower);
  hits.count += static_cast<std::size_t>(__builtin_popcount(hit));
}

/// The same for all rows of a tile; few tiles have a hit.
inline __attribute__((always_inline)) void test_tile(const ScanCall& call, const float* scales, std::size_t tile,
                                                     std::size_t q, const __m512 (&upper)[kParts]) {
  const TileQuery& query = call.query[q];
  const __m512 largest = _mm512_max_ps(_mm512_max_ps(upper[0], upper[1]), _mm512_max_ps(upper[2], upper[3]));
  const __mmask16 some = _mm512_cmp_ps_mask(largest, _mm512_set1_ps(query.threshold), _CMP_GE_OQ);
  if (query.bias == nullptr && some == 0) return;
  for (std::size_t part = 0; part < kParts; ++part) test_part(call, scales, tile, part, q, upper[part]);
}

/// The same four codes of a query for each row of a register.
__m512i four_codes(const std::int32_t* codes) { return _mm512_set1_epi32(*codes); }

/// sum + the dot products of four bytes each: of those without sign (rows) and those with one (query). Written in
/// assembler because GCC 12 copies and spills the sums around its own intrinsic, which halves the speed.
inline __attribute__((always_inline)) void add_products(__m512i& sum, __m512i rows, __m512i query) {
  asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(rows), "v"(query));
}

/// What is added to a sum of stored codes to make it an upper bound: the margin, and the offset that undoes what stored
/// codes are too large by.
__m512i initial_sum(const ScanCall& call, std::size_t g, std::size_t q) {
  return _mm512_set1_epi32(call.margin[g * call.queries + q] + call.offset[g * call.queries + q]);
}

/// For all queries and rows with the tile's scale: the sum of codes that a row's must be beyond, for the row's bound to
/// reach least_bound.
///
/// A bound is (sum + margin + offset) · scale, so the comparison with least_bound is solved for the sum once a tile,
/// and the sums, integers still, need no conversion. The result is rounded towards more hits: test_part decides.
void set_beyond_sums(const ScanCall& call, std::size_t tile) {
  const __m512 most = _mm512_set1_ps(1 << 30);
  const __m512 two = _mm512_set1_ps(2.0F);
  const __m512 inverse = _mm512_set1_ps(1.0F / call.codes.tile_scales[tile]);
  // Covers the roundings here and in the bounds, of which each is at most 2^-24.
  const __m512 rounding = _mm512_set1_ps(1.0F / (1 << 20));
  for (std::size_t q = 0; q < call.queries; q += 16) {
    const __mmask16 there = first_lanes(call.queries - q);
    const __m512 exact = _mm512_mul_ps(_mm512_maskz_loadu_ps(there, call.least_bound + q), inverse);
    // Clamped to what an integer holds; no sum is that large, so infinite bounds keep their meaning.
    const __m512 within = _mm512_max_ps(_mm512_min_ps(exact, most), _mm512_sub_ps(_mm512_setzero_ps(), most));
    // Less 2: one as the conversion may round a negative number up, one as sums are compared by "greater", not "at
    // least".
    const __m512 sum = _mm512_sub_ps(_mm512_fnmadd_ps(_mm512_abs_ps(within), rounding, within), two);
    const __m512i added = _mm512_add_epi32(_mm512_maskz_loadu_epi32(there, call.margin + q),
                                           _mm512_maskz_loadu_epi32(there, call.offset + q));
    _mm512_mask_storeu_epi32(call.beyond_sum + q, there, _mm512_sub_epi32(_mm512_cvttps_epi32(sum), added));
  }
}

/// Tests the bounds of a block of queries, of which sums holds [query][row].
/// Not inlined: it runs seldom, and the loop that leads to it needs all registers.
__attribute__((noinline)) void test_sums(const ScanCall& call, const float* scales, std::size_t tile, std::size_t first,
                                         std::size_t count, const std::int32_t* sums) {
  for (std::size_t q = first; q < first + count; ++q, sums += kTileRows) {
    const __m512i beyond = four_codes(call.beyond_sum + q);
    std::uint32_t parts = 0;
#pragma GCC unroll 8
    for (std::size_t part = 0; part < kParts; ++part) {
      const bool some = _mm512_cmpgt_epi32_mask(_mm512_load_si512(sums + 16 * part), beyond) != 0;
      parts |= static_cast<std::uint32_t>(some) << part;
    }
    for (; parts != 0; parts &= parts - 1) {
      const auto part = static_cast<std::size_t>(__builtin_ctz(parts));
      const __m512i sum = _mm512_add_epi32(_mm512_load_si512(sums + 16 * part), initial_sum(call, 0, q));
      test_part(call, scales, tile, part, q,
                _mm512_mul_ps(_mm512_cvtepi32_ps(sum), _mm512_loadu_ps(scales + 16 * part)));
    }
  }
}

/// The sums of one query and tile: bounds of them all, which are tested.
inline __attribute__((always_inline)) void test_rows(const ScanCall& call, const float* scales, std::size_t tile,
                                                     std::size_t q, const __m512i (&sums)[kParts]) {
  const __m512i added = initial_sum(call, 0, q);
  __m512 upper[kParts];
#pragma GCC unroll 8
  for (std::size_t part = 0; part < kParts; ++part) {
    const __m512 sum = _mm512_cvtepi32_ps(_mm512_add_epi32(sums[part], added));
    upper[part] = _mm512_mul_ps(sum, _mm512_loadu_ps(scales + 16 * part));
  }
  test_tile(call, scales, tile, q, upper);
}

/// One tile and `N` queries, whose codes begin at `codes`, int8. Where all rows have the tile's scale, the sums are
/// compared as they are, since hardly any is large enough for a hit; bounds are made of those of a query where one is.
template <std::size_t N, bool kOneScale>
void scan_int8_block(const ScanCall& call, const float* scales, std::size_t tile, std::size_t q,
                     const std::int32_t* codes) {
  // Six queries have 24 sums, which leaves 8 of the 32 registers for four parts of rows and a query's codes. Every part
  // that is loaded is multiplied with all queries.
  __m512i sums[N][kParts];
#pragma GCC unroll 8
  for (std::size_t n = 0; n < N; ++n) {
#pragma GCC unroll 8
    for (std::size_t part = 0; part < kParts; ++part) sums[n][part] = _mm512_setzero_si512();
  }
  const std::uint8_t* rows = call.codes.tiles + tile * call.codes.tile_bytes + call.codes.scale_bytes;
  const std::size_t quads = call.codes.group_quads[1];
  for (std::size_t quad = 0; quad < quads; ++quad) {
    __m512i values[kParts];
#pragma GCC unroll 8
    for (std::size_t part = 0; part < kParts; ++part) values[part] = _mm512_loadu_si512(rows + 256 * quad + 64 * part);
#pragma GCC unroll 8
    for (std::size_t n = 0; n < N; ++n) {
      const __m512i query = four_codes(codes + quad * N + n);
#pragma GCC unroll 8
      for (std::size_t part = 0; part < kParts; ++part) {
        add_products(sums[n][part], values[part], query);
      }
    }
  }
  if constexpr (!kOneScale) {
#pragma GCC unroll 8
    for (std::size_t n = 0; n < N; ++n) test_rows(call, scales, tile, q + n, sums[n]);
    return;
  }
  // Whether any query's largest sum is beyond its own limit: then the difference is negative. One test of the signs of
  // all differences is one branch a block of queries, which is nearly always the same.
  __m512i signs = _mm512_setzero_si512();
#pragma GCC unroll 8
  for (std::size_t n = 0; n < N; ++n) {
    const __m512i largest =
        _mm512_max_epi32(_mm512_max_epi32(sums[n][0], sums[n][1]), _mm512_max_epi32(sums[n][2], sums[n][3]));
    signs = _mm512_or_si512(signs, _mm512_sub_epi32(four_codes(call.beyond_sum + q + n), largest));
  }
  if (_mm512_movepi32_mask(signs) == 0) return;
  alignas(64) std::int32_t kept[N * kTileRows];
#pragma GCC unroll 8
  for (std::size_t n = 0; n < N; ++n) {
#pragma GCC unroll 8
    for (std::size_t part = 0; part < kParts; ++part) {
      _mm512_store_si512(kept + n * kTileRows + 16 * part, sums[n][part]);
    }
  }
  test_sums(call, scales, tile, q, N, kept);
}

/// One tile and `N` queries, whose codes begin at `codes` in a block of `block` queries, int4.
template <std::size_t N>
void scan_int4_block(const ScanCall& call, const std::uint8_t* tile_bytes, std::size_t tile, std::size_t q,
                     const std::int32_t* codes, std::size_t block) {
  const auto* scales = reinterpret_cast<const float*>(tile_bytes);
  const std::uint8_t* rows = tile_bytes + call.codes.scale_bytes;
  // Each group of columns has scales of its own, so its integer sums are scaled and added to the bounds in float.
  const __m512i low_half = _mm512_set1_epi8(0x0F);
  __m512 upper[N][kParts];
#pragma GCC unroll 8
  for (std::size_t n = 0; n < N; ++n) {
#pragma GCC unroll 8
    for (std::size_t part = 0; part < kParts; ++part) upper[n][part] = _mm512_setzero_ps();
  }
  for (std::size_t g = 0; g < call.codes.groups; ++g) {
    __m512i sums[N][kParts];
#pragma GCC unroll 8
    for (std::size_t n = 0; n < N; ++n) {
#pragma GCC unroll 8
      for (std::size_t part = 0; part < kParts; ++part) sums[n][part] = initial_sum(call, g, q + n);
    }
    for (std::size_t quad = call.codes.group_quads[g]; quad < call.codes.group_quads[g + 1]; quad += 2) {
#pragma GCC unroll 8
      for (std::size_t part = 0; part < kParts; ++part) {
        // A byte holds the codes of two columns that are four apart: those of two quads of the query. The shift moves
        // bits from byte to byte too, which the mask removes.
        const __m512i both = _mm512_loadu_si512(rows + 128 * quad + 64 * part);
        const __m512i low = _mm512_and_si512(both, low_half);
        const __m512i high = _mm512_and_si512(_mm512_srli_epi16(both, 4), low_half);
#pragma GCC unroll 8
        for (std::size_t n = 0; n < N; ++n) {
          add_products(sums[n][part], low, four_codes(codes + quad * block + n));
          add_products(sums[n][part], high, four_codes(codes + (quad + 1) * block + n));
        }
      }
    }
#pragma GCC unroll 8
    for (std::size_t part = 0; part < kParts; ++part) {
      const __m512 scale = _mm512_loadu_ps(scales + g * kTileRows + 16 * part);
#pragma GCC unroll 8
      for (std::size_t n = 0; n < N; ++n) {
        upper[n][part] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums[n][part]), scale, upper[n][part]);
      }
    }
  }
#pragma GCC unroll 8
  for (std::size_t n = 0; n < N; ++n) test_tile(call, scales, tile, q + n, upper[n]);
}

/// Asks for the `part`-th of `parts` parts of the next tile, which is then there when its turn comes: the hardware's
/// own prefetch ends at the page, and a tile is about as large as one.
void prefetch_next(const std::uint8_t* tile, std::size_t tile_bytes, std::size_t part, std::size_t parts) {
  const std::size_t lines = (tile_bytes + 63) / 64;
  const std::uint8_t* next = tile + tile_bytes;
  for (std::size_t line = lines * part / parts; line < lines * (part + 1) / parts; ++line) {
    cairn::prefetch(next + 64 * line);
  }
}

template <bool kOneScale>
void scan_int8_tiles(const ScanCall& call) {
  const std::size_t quads = call.codes.group_quads[1];
  for (std::size_t tile = call.tile_begin; tile < call.tile_end; ++tile) {
    const std::uint8_t* bytes = call.codes.tiles + tile * call.codes.tile_bytes;
    float same[kTileRows];
    const float* scales = scales_of(call.codes, tile, same);
    if (kOneScale) set_beyond_sums(call, tile);
    std::size_t q = 0;
    const std::size_t blocks = (call.queries + kQueryBlock - 1) / kQueryBlock;
    for (; q + kQueryBlock <= call.queries; q += kQueryBlock) {
      prefetch_next(bytes, call.codes.tile_bytes, q / kQueryBlock, blocks);
      scan_int8_block<kQueryBlock, kOneScale>(call, scales, tile, q, call.query_codes + q * quads);
    }
    const std::int32_t* codes = call.query_codes + q * quads;
    switch (call.queries - q) {
      case 1:
        scan_int8_block<1, kOneScale>(call, scales, tile, q, codes);
        break;
      case 2:
        scan_int8_block<2, kOneScale>(call, scales, tile, q, codes);
        break;
      case 3:
        scan_int8_block<3, kOneScale>(call, scales, tile, q, codes);
        break;
      case 4:
        scan_int8_block<4, kOneScale>(call, scales, tile, q, codes);
        break;
      case 5:
        scan_int8_block<5, kOneScale>(call, scales, tile, q, codes);
        break;
      default:
        break;
    }
  }
}

void scan_int8(const ScanCall& call) {
  call.codes.scale_bytes == 0 ? scan_int8_tiles<true>(call) : scan_int8_tiles<false>(call);
}

void scan_int4(const ScanCall& call) {
  const std::size_t quads = call.codes.group_quads[call.codes.groups];
  for (std::size_t tile = call.tile_begin; tile < call.tile_end; ++tile) {
    const std::uint8_t* bytes = call.codes.tiles + tile * call.codes.tile_bytes;
    for (std::size_t begin = 0; begin < call.queries; begin += kQueryBlock) {
      const std::size_t block = call.queries - begin < kQueryBlock ? call.queries - begin : kQueryBlock;
      const std::int32_t* codes = call.query_codes + begin * quads;
      std::size_t n = 0;
      // Three queries at a time: their sums and bounds take 24 of the 32 registers.
      for (; n + 3 <= block; n += 3) scan_int4_block<3>(call, bytes, tile, begin + n, codes + n, block);
      for (; n < block; ++n) scan_int4_block<1>(call, bytes, tile, begin + n, codes + n, block);
    }
  }
}

/// 16 columns of 16 rows: out[j] holds column j of all rows.
void transpose(const __m512 (&rows)[16], float* out) {
  // Pairs of rows are interleaved by values, then pairs of those by pairs of values, which transposes within quarters;
  // then quarters are gathered from all rows.
  __m512 a[16];
  __m512 b[16];
  for (std::size_t i = 0; i < 16; i += 2) {
    a[i] = _mm512_unpacklo_ps(rows[i], rows[i + 1]);
    a[i + 1] = _mm512_unpackhi_ps(rows[i], rows[i + 1]);
  }
  for (std::size_t i = 0; i < 16; i += 4) {
    const auto pair = [](__m512 low, __m512 high, bool upper) {
      const __m512d x = _mm512_castps_pd(low);
      const __m512d y = _mm512_castps_pd(high);
      return _mm512_castpd_ps(upper ? _mm512_unpackhi_pd(x, y) : _mm512_unpacklo_pd(x, y));
    };
    b[i] = pair(a[i], a[i + 2], false);
    b[i + 1] = pair(a[i], a[i + 2], true);
    b[i + 2] = pair(a[i + 1], a[i + 3], false);
    b[i + 3] = pair(a[i + 1], a[i + 3], true);
  }
  // b[4 i + c] holds, in each quarter s, column 4 s + c of rows 4 i … 4 i + 3.
  for (std::size_t c = 0; c < 4; ++c) {
    const __m512 even_low = _mm512_shuffle_f32x4(b[c], b[4 + c], 0x88);
    const __m512 even_high = _mm512_shuffle_f32x4(b[8 + c], b[12 + c], 0x88);
    const __m512 odd_low = _mm512_shuffle_f32x4(b[c], b[4 + c], 0xDD);
    const __m512 odd_high = _mm512_shuffle_f32x4(b[8 + c], b[12 + c], 0xDD);
    _mm512_storeu_ps(out + 16 * c, _mm512_shuffle_f32x4(even_low, even_high, 0x88));
    _mm512_storeu_ps(out + 16 * (8 + c), _mm512_shuffle_f32x4(even_low, even_high, 0xDD));
    _mm512_storeu_ps(out + 16 * (4 + c), _mm512_shuffle_f32x4(odd_low, odd_high, 0x88));
    _mm512_storeu_ps(out + 16 * (12 + c), _mm512_shuffle_f32x4(odd_low, odd_high, 0xDD));
  }
}

/// Writes the rows column by column. `scratch` has room for whole sixteens of columns.
void to_columns(const DotCall& call) {
  for (std::size_t j = 0; j < call.dim; j += 16) {
    const std::size_t left = call.dim - j;
    const auto mask = static_cast<__mmask16>(left >= 16 ? 0xFFFFU : (1U << left) - 1U);
    __m512 rows[16];
    for (std::size_t r = 0; r < 16; ++r) rows[r] = _mm512_maskz_loadu_ps(mask, call.rows[r] + j);
    transpose(rows, call.scratch + 16 * j);
  }
}

/// Lane r sums for row r, column after column: the order that the definition of a score demands, with no sum across
/// lanes. With N = 8 there are eight chains at once, enough to hide the latency of a multiply-add.
template <std::size_t N>
void dot_block(const DotCall& call, std::size_t q) {
  __m512 sums[N];
#pragma GCC unroll 8
  for (std::size_t n = 0; n < N; ++n) sums[n] = _mm512_setzero_ps();
  const float* queries = call.queries + q * call.dim;
  for (std::size_t j = 0; j < call.dim; ++j) {
    const __m512 column = _mm512_loadu_ps(call.scratch + 16 * j);
#pragma GCC unroll 8
    for (std::size_t n = 0; n < N; ++n) {
      sums[n] = _mm512_fmadd_ps(_mm512_set1_ps(queries[n * call.dim + j]), column, sums[n]);
    }
  }
#pragma GCC unroll 8
  for (std::size_t n = 0; n < N; ++n) _mm512_storeu_ps(call.out + (q + n) * 16, sums[n]);
}

void dot(const DotCall& call) {
  to_columns(call);
  std::size_t q = 0;
  for (; q + 8 <= call.query_count; q += 8) dot_block<8>(call, q);
  for (; q < call.query_count; ++q) dot_block<1>(call, q);
}

void halves_to_floats(const std::uint16_t* halves, std::size_t count, float* floats) {
  for (std::size_t i = 0; i < count; i += 16) {
    const __mmask16 mask = first_lanes(count - i);
    _mm512_mask_storeu_ps(floats + i, mask, _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, halves + i)));
  }
}

void floats_to_halves(const float* floats, std::size_t count, std::uint16_t* halves) {
  for (std::size_t i = 0; i < count; i += 16) {
    const __mmask16 mask = first_lanes(count - i);
    const __m256i rounded = _mm512_cvtps_ph(_mm512_maskz_loadu_ps(mask, floats + i), _MM_FROUND_TO_NEAREST_INT);
    _mm256_mask_storeu_epi16(halves + i, mask, rounded);
  }
}

void range_of(const float* values, std::size_t count, float* least, float* largest) {
  __m512 low = _mm512_set1_ps(values[0]);
  __m512 high = low;
  for (std::size_t i = 0; i < count; i += 16) {
    // Lanes past the end repeat values that are in the range already.
    const __m512 some = _mm512_mask_loadu_ps(low, first_lanes(count - i), values + i);
    low = _mm512_min_ps(low, some);
    high = _mm512_max_ps(high, some);
  }
  float lows[16];
  float highs[16];
  _mm512_storeu_ps(lows, low);
  _mm512_storeu_ps(highs, high);
  *least = lows[0];
  *largest = highs[0];
  for (std::size_t i = 1; i < 16; ++i) {
    *least = lows[i] < *least ? lows[i] : *least;
    *largest = highs[i] > *largest ? highs[i] : *largest;
  }
}

std::size_t count_reaching(const float* values, std::size_t count, float bound) {
  std::size_t reached = 0;
  for (std::size_t i = 0; i < count; i += 16) {
    const __mmask16 there = first_lanes(count - i);
    const __m512 some = _mm512_maskz_loadu_ps(there, values + i);
    const __mmask16 mask = _mm512_mask_cmp_ps_mask(there, some, _mm512_set1_ps(bound), _CMP_GE_OQ);
    reached += static_cast<std::size_t>(__builtin_popcount(mask));
  }
  return reached;
}

void keep_reaching(HitList* hits, float bound) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < hits->count; i += 16) {
    const __mmask16 there = first_lanes(hits->count - i);
    const __m512i rows = _mm512_maskz_loadu_epi32(there, hits->rows + i);
    const __m512 lower = _mm512_maskz_loadu_ps(there, hits->lower + i);
    const __m512 upper = _mm512_maskz_loadu_ps(there, hits->upper + i);
    const __mmask16 mask = _mm512_mask_cmp_ps_mask(there, upper, _mm512_set1_ps(bound), _CMP_GE_OQ);
    _mm512_mask_compressstoreu_epi32(hits->rows + kept, mask, rows);
    _mm512_mask_compressstoreu_ps(hits->lower + kept, mask, lower);
    _mm512_mask_compressstoreu_ps(hits->upper + kept, mask, upper);
    kept += static_cast<std::size_t>(__builtin_popcount(mask));
  }
  hits->count = kept;
}

}  // namespace

const TopKKernels kTopKAvx512 = {.range_of = range_of,
                                 .count_reaching = count_reaching,
                                 .keep_reaching = keep_reaching,
                                 .scan_int8 = scan_int8,
                                 .scan_int4 = scan_int4,
                                 .dot = dot,
                                 .halves_to_floats = halves_to_floats,
                                 .floats_to_halves = floats_to_halves};

}  // namespace cairn::gpu

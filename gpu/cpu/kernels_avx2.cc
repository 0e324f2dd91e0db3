#include <immintrin.h>

#include "gpu/cpu/kernels.h"

namespace cairn::gpu {
namespace {

constexpr std::size_t kPartRows = 8;  // rows of one register

/// Adds the products of four columns of eight rows and a query. maddubs takes one operand without sign: that of the
/// row goes to the query. No pair of products exceeds 2 × 127², so that nothing saturates.
__m256i add_products(__m256i sum, __m256i magnitudes, __m256i row_codes, __m256i query_codes) {
  const __m256i pairs = _mm256_maddubs_epi16(magnitudes, _mm256_sign_epi8(query_codes, row_codes));
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

/// The scales of a tile's rows; where they have the tile's, so many copies of it.
const float* scales_of(const CodeTilesView& codes, std::size_t tile, float (&same)[kTileRows]) {
  if (codes.scale_bytes > 0) return reinterpret_cast<const float*>(codes.tiles + tile * codes.tile_bytes);
  const __m256 scale = _mm256_set1_ps(codes.tile_scales[tile]);
  for (std::size_t r = 0; r < kTileRows; r += kPartRows) _mm256_storeu_ps(same + r, scale);
  return same;
}

/// Lists the rows that are set in `hit`, of the eight from `first` on.
void list_hits(const ScanCall& call, const float* scales, std::size_t first, std::size_t q, __m256 upper,
               std::uint32_t hit) {
  float uppers[kPartRows];
  _mm256_storeu_ps(uppers, upper);
  HitList& hits = call.query[q].hits;
  for (; hit != 0; hit &= hit - 1) {
    const auto lane = static_cast<std::size_t>(__builtin_ctz(hit));
    float lower = uppers[lane];
    for (std::size_t g = 0; g < call.codes.groups; ++g) {
      lower -= scales[g * kTileRows + first % kTileRows + lane] * call.width[g * call.queries + q];
    }
    hits.rows[hits.count] = static_cast<std::uint32_t>(first + lane);
    hits.upper[hits.count] = uppers[lane];
    hits.lower[hits.count] = lower;
    ++hits.count;
  }
}

/// Tests the bounds of eight rows of a tile for one query. `bias` holds those of the whole tile, or is null.
void test_query(const ScanCall& call, const float* scales, std::size_t first, std::size_t q, const float* bias,
                __m256 upper) {
  const TileQuery& query = call.query[q];
  const std::size_t tile = first / kTileRows;
  if (bias != nullptr) {
    upper = _mm256_fmadd_ps(_mm256_loadu_ps(bias + first % kTileRows), _mm256_set1_ps(query.inverse_scale), upper);
  }
  const __m256 reaches = _mm256_cmp_ps(upper, _mm256_set1_ps(query.threshold), _CMP_GE_OQ);
  auto hit = static_cast<std::uint32_t>(_mm256_movemask_ps(reaches));
  // Most rows end here, before filters are read.
  if (hit == 0) return;
  std::uint64_t listed = call.mask & call.codes.scannable[tile];
  if (query.allowed != nullptr) listed &= query.allowed[tile];
  hit &= static_cast<std::uint32_t>(listed >> (first % kTileRows));
  if (hit != 0) list_hits(call, scales, first, q, upper, hit);
}

/// The biases of a tile's rows, or null. The last tile may end past the last bias: it is copied, then.
const float* biases_of(const ScanCall& call, std::size_t tile, std::size_t q, float (&copy)[kTileRows]) {
  const float* bias = call.query[q].bias;
  if (bias == nullptr) return nullptr;
  const std::uint64_t rows = call.codes.scannable[tile];
  if (rows == ~std::uint64_t{0}) return bias + tile * kTileRows;
  for (std::size_t r = 0; r < kTileRows; ++r) copy[r] = (rows >> r & 1) != 0 ? bias[tile * kTileRows + r] : 0.0F;
  return copy;
}

struct Int8Codes {
  static constexpr std::size_t kQuadsAtOnce = 1;
  static constexpr std::size_t kBytesPerQuad = 256;

  template <std::size_t N>
  static void add(const std::uint8_t* bytes, const std::int32_t* codes, std::size_t, __m256i (&sums)[N]) {
    const __m256i stored = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes));
    // Flipping the highest bit takes 128 from a byte: the stored code becomes the real one, with its sign.
    const __m256i row_codes = _mm256_xor_si256(stored, _mm256_set1_epi8(-128));
    const __m256i magnitudes = _mm256_abs_epi8(row_codes);
#pragma GCC unroll 8
    for (std::size_t n = 0; n < N; ++n) {
      sums[n] = add_products(sums[n], magnitudes, row_codes, _mm256_set1_epi32(codes[n]));
    }
  }
};

struct Int4Codes {
  static constexpr std::size_t kQuadsAtOnce = 2;
  static constexpr std::size_t kBytesPerQuad = 128;

  template <std::size_t N>
  static void add(const std::uint8_t* bytes, const std::int32_t* codes, std::size_t block, __m256i (&sums)[N]) {
    const __m256i both = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes));
    const __m256i low_half = _mm256_set1_epi8(0x0F);
    const __m256i eight = _mm256_set1_epi8(8);
    // The shift moves bits from byte to byte too, which the mask removes.
    const __m256i low = _mm256_sub_epi8(_mm256_and_si256(both, low_half), eight);
    const __m256i high = _mm256_sub_epi8(_mm256_and_si256(_mm256_srli_epi16(both, 4), low_half), eight);
    const __m256i low_magnitudes = _mm256_abs_epi8(low);
    const __m256i high_magnitudes = _mm256_abs_epi8(high);
#pragma GCC unroll 8
    for (std::size_t n = 0; n < N; ++n) {
      sums[n] = add_products(sums[n], low_magnitudes, low, _mm256_set1_epi32(codes[n]));
      sums[n] = add_products(sums[n], high_magnitudes, high, _mm256_set1_epi32(codes[block + n]));
    }
  }
};

/// One tile and `N` queries, whose codes begin at `codes` in a block of `block` queries.
template <class Codes, std::size_t N>
void scan_block(const ScanCall& call, const float* scales, std::size_t tile, std::size_t q, const std::int32_t* codes,
                std::size_t block) {
  const std::uint8_t* rows = call.codes.tiles + tile * call.codes.tile_bytes + call.codes.scale_bytes;
  float copies[N][kTileRows];
  const float* biases[N];
#pragma GCC unroll 8
  for (std::size_t n = 0; n < N; ++n) biases[n] = biases_of(call, tile, q + n, copies[n]);
  for (std::size_t part = 0; part < kTileRows / kPartRows; ++part) {
    __m256 upper[N];
#pragma GCC unroll 8
    for (std::size_t n = 0; n < N; ++n) upper[n] = _mm256_setzero_ps();
    for (std::size_t g = 0; g < call.codes.groups; ++g) {
      __m256i sums[N];
#pragma GCC unroll 8
      for (std::size_t n = 0; n < N; ++n) sums[n] = _mm256_set1_epi32(call.margin[g * call.queries + q + n]);
      for (std::size_t quad = call.codes.group_quads[g]; quad < call.codes.group_quads[g + 1];
           quad += Codes::kQuadsAtOnce) {
        Codes::add(rows + Codes::kBytesPerQuad * quad + 32 * part, codes + quad * block, block, sums);
      }
      const __m256 scale = _mm256_loadu_ps(scales + g * kTileRows + kPartRows * part);
#pragma GCC unroll 8
      for (std::size_t n = 0; n < N; ++n) upper[n] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums[n]), scale, upper[n]);
    }
    const std::size_t first = tile * kTileRows + part * kPartRows;
#pragma GCC unroll 8
    for (std::size_t n = 0; n < N; ++n) test_query(call, scales, first, q + n, biases[n], upper[n]);
  }
}

template <class Codes>
void scan(const ScanCall& call) {
  const std::size_t quads = call.codes.group_quads[call.codes.groups];
  for (std::size_t tile = call.tile_begin; tile < call.tile_end; ++tile) {
    float same[kTileRows];
    const float* scales = scales_of(call.codes, tile, same);
    for (std::size_t begin = 0; begin < call.queries; begin += kQueryBlock) {
      const std::size_t block = call.queries - begin < kQueryBlock ? call.queries - begin : kQueryBlock;
      const std::int32_t* codes = call.query_codes + begin * quads;
      std::size_t n = 0;
      // Three queries at a time: with rows and temporaries, the sums and bounds of six would not fit the 16 registers.
      for (; n + 3 <= block; n += 3) scan_block<Codes, 3>(call, scales, tile, begin + n, codes + n, block);
      for (; n < block; ++n) scan_block<Codes, 1>(call, scales, tile, begin + n, codes + n, block);
    }
  }
}

/// Writes the rows column by column.
void to_columns(const DotCall& call) {
  for (std::size_t r = 0; r < kDotRows; ++r) {
    for (std::size_t j = 0; j < call.dim; ++j) call.scratch[j * kDotRows + r] = call.rows[r][j];
  }
}

template <std::size_t N>
void dot_block(const DotCall& call, std::size_t q) {
  __m256 sums[N][2];
#pragma GCC unroll 8
  for (std::size_t n = 0; n < N; ++n) sums[n][0] = sums[n][1] = _mm256_setzero_ps();
  const float* queries = call.queries + q * call.dim;
  for (std::size_t j = 0; j < call.dim; ++j) {
    const __m256 low = _mm256_loadu_ps(call.scratch + kDotRows * j);
    const __m256 high = _mm256_loadu_ps(call.scratch + kDotRows * j + 8);
#pragma GCC unroll 8
    for (std::size_t n = 0; n < N; ++n) {
      const __m256 value = _mm256_set1_ps(queries[n * call.dim + j]);
      sums[n][0] = _mm256_fmadd_ps(value, low, sums[n][0]);
      sums[n][1] = _mm256_fmadd_ps(value, high, sums[n][1]);
    }
  }
#pragma GCC unroll 8
  for (std::size_t n = 0; n < N; ++n) {
    _mm256_storeu_ps(call.out + (q + n) * kDotRows, sums[n][0]);
    _mm256_storeu_ps(call.out + (q + n) * kDotRows + 8, sums[n][1]);
  }
}

void dot(const DotCall& call) {
  to_columns(call);
  std::size_t q = 0;
  for (; q + 4 <= call.query_count; q += 4) dot_block<4>(call, q);
  for (; q < call.query_count; ++q) dot_block<1>(call, q);
}

void halves_to_floats(const std::uint16_t* halves, std::size_t count, float* floats) {
  for (std::size_t i = 0; i < count; ++i) floats[i] = _cvtsh_ss(halves[i]);
}

void floats_to_halves(const float* floats, std::size_t count, std::uint16_t* halves) {
  for (std::size_t i = 0; i < count; ++i) halves[i] = _cvtss_sh(floats[i], _MM_FROUND_TO_NEAREST_INT);
}

}  // namespace

const TopKKernels kTopKAvx2 = {.range_of = scalar_range_of,
                               .count_reaching = scalar_count_reaching,
                               .keep_reaching = scalar_keep_reaching,
                               .scan_int8 = scan<Int8Codes>,
                               .scan_int4 = scan<Int4Codes>,
                               .dot = dot,
                               .halves_to_floats = halves_to_floats,
                               .floats_to_halves = floats_to_halves};

}  // namespace cairn::gpu

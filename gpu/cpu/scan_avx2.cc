#include <immintrin.h>

#include "gpu/cpu/scan_passes.h"

namespace cairn::gpu {
namespace {

/// Eight numbers at a time.
struct Lanes {
  using Floats = __m256;
  using Ints = __m256i;
  struct Mask {
    __m256 lanes;
  };
  struct Codes {
    __m256i codes;
    __m256i magnitudes;
  };
  static constexpr std::size_t kCount = 8;
  static constexpr std::size_t kDotQueries = 2;  // eight sums, and room for what they are made of

  CAIRN_SCAN_INLINE Floats load(const float* from) { return _mm256_loadu_ps(from); }
  CAIRN_SCAN_INLINE Ints load(const std::int32_t* from) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  }
  CAIRN_SCAN_INLINE Ints load(const std::uint32_t* from) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  }
  CAIRN_SCAN_INLINE void store(float* to, Floats value) { _mm256_storeu_ps(to, value); }
  CAIRN_SCAN_INLINE Floats fill(float value) { return _mm256_set1_ps(value); }
  CAIRN_SCAN_INLINE Ints fill(std::int32_t value) { return _mm256_set1_epi32(value); }

  CAIRN_SCAN_INLINE Floats add(Floats a, Floats b) { return _mm256_add_ps(a, b); }
  CAIRN_SCAN_INLINE Ints add(Ints a, Ints b) { return _mm256_add_epi32(a, b); }
  CAIRN_SCAN_INLINE Floats subtract(Floats a, Floats b) { return _mm256_sub_ps(a, b); }
  CAIRN_SCAN_INLINE Ints subtract(Ints a, Ints b) { return _mm256_sub_epi32(a, b); }
  CAIRN_SCAN_INLINE Floats multiply(Floats a, Floats b) { return _mm256_mul_ps(a, b); }
  CAIRN_SCAN_INLINE Floats fma(Floats a, Floats b, Floats c) { return _mm256_fmadd_ps(a, b, c); }
  CAIRN_SCAN_INLINE Floats root(Floats a) { return _mm256_sqrt_ps(a); }
  CAIRN_SCAN_INLINE Floats minimum(Floats a, Floats b) { return _mm256_min_ps(a, b); }
  CAIRN_SCAN_INLINE Floats maximum(Floats a, Floats b) { return _mm256_max_ps(a, b); }
  CAIRN_SCAN_INLINE float least(Floats a) {
    __m128 four = _mm_min_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    four = _mm_min_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_min_ss(four, _mm_movehdup_ps(four)));
  }
  CAIRN_SCAN_INLINE float largest(Floats a) {
    __m128 four = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    four = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(four, _mm_movehdup_ps(four)));
  }
  CAIRN_SCAN_INLINE Floats to_floats(Ints a) { return _mm256_cvtepi32_ps(a); }

  CAIRN_SCAN_INLINE Ints bits(Floats a) { return _mm256_castps_si256(a); }
  CAIRN_SCAN_INLINE Floats floats_of(Ints a) { return _mm256_castsi256_ps(a); }
  template <int kBits>
  CAIRN_SCAN_INLINE Ints shift_right(Ints a) {
    return _mm256_srli_epi32(a, kBits);
  }
  template <int kBits>
  CAIRN_SCAN_INLINE Ints shift_left(Ints a) {
    return _mm256_slli_epi32(a, kBits);
  }
  /// Each half of the table by three bits of the index; the fourth, as a sign, chooses between them.
  CAIRN_SCAN_INLINE Floats lookup(const float (&table)[16], Ints index) {
    const Floats low = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table), index);
    const Floats high = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table + 8), index);
    return _mm256_blendv_ps(low, high, floats_of(shift_left<28>(index)));
  }
  CAIRN_SCAN_INLINE Floats lookup(const std::uint32_t (&table)[16], Ints index) {
    const Ints low = _mm256_permutevar8x32_epi32(load(table), index);
    const Ints high = _mm256_permutevar8x32_epi32(load(table + 8), index);
    return _mm256_blendv_ps(floats_of(low), floats_of(high), floats_of(shift_left<28>(index)));
  }
  /// A mask of all lanes that the compiler takes for any mask. With one that it knows to be full it would gather into
  /// whatever a register holds, and the instruction waits for that: each gather for the one before it.
  CAIRN_SCAN_INLINE Floats every_lane() {
    Floats mask = floats_of(fill(-1));
    asm("" : "+x"(mask));
    return mask;
  }
  CAIRN_SCAN_INLINE Floats gather(const float* table, Ints index) {
    return _mm256_mask_i32gather_ps(_mm256_setzero_ps(), table, index, every_lane(), 4);
  }

  CAIRN_SCAN_INLINE void gather_pairs(const float* pairs, const std::uint32_t* index, Floats* first, Floats* second) {
    const auto* doubles = reinterpret_cast<const double*>(pairs);
    const __m256d all = _mm256_castps_pd(every_lane());
    const auto four = [&](const std::uint32_t* of) {
      const __m128i at = _mm_loadu_si128(reinterpret_cast<const __m128i*>(of));
      return _mm256_castpd_ps(_mm256_mask_i32gather_pd(_mm256_setzero_pd(), doubles, at, all, 8));
    };
    const Floats low = four(index);
    const Floats high = four(index + 4);
    // Of each half of both: rows 0 1 4 5 2 3 6 7, which the last step puts in order.
    const auto in_order = [](Floats mixed) {
      return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(mixed), 0b11'01'10'00));
    };
    *first = in_order(_mm256_shuffle_ps(low, high, 0b10'00'10'00));
    *second = in_order(_mm256_shuffle_ps(low, high, 0b11'01'11'01));
  }

  CAIRN_SCAN_INLINE Floats mantissa(Floats a) {
    const Ints digits = _mm256_and_si256(bits(a), fill(0x007FFFFF));
    return floats_of(_mm256_or_si256(digits, fill(0x3F800000)));
  }
  CAIRN_SCAN_INLINE Floats exponent(Floats a) { return to_floats(subtract(shift_right<23>(bits(a)), fill(127))); }
  CAIRN_SCAN_INLINE Mask has_no_ln(Floats a) {
    const Floats below = _mm256_cmp_ps(a, fill(std::numeric_limits<float>::min()), _CMP_NGE_UQ);
    const Floats above = _mm256_cmp_ps(a, fill(std::numeric_limits<float>::max()), _CMP_GT_OQ);
    return {_mm256_or_ps(below, above)};
  }

  CAIRN_SCAN_INLINE Mask greater(Floats a, Floats b) { return {_mm256_cmp_ps(a, b, _CMP_GT_OQ)}; }
  CAIRN_SCAN_INLINE Mask at_most(Floats a, Floats b) { return {_mm256_cmp_ps(a, b, _CMP_LE_OQ)}; }
  CAIRN_SCAN_INLINE Mask differs(Floats a, Floats b) { return {_mm256_cmp_ps(a, b, _CMP_NEQ_UQ)}; }
  CAIRN_SCAN_INLINE std::uint64_t bits(Mask mask) { return static_cast<std::uint32_t>(_mm256_movemask_ps(mask.lanes)); }
  CAIRN_SCAN_INLINE Floats choose(Mask mask, Floats if_set, Floats otherwise) {
    return _mm256_blendv_ps(otherwise, if_set, mask.lanes);
  }

  CAIRN_SCAN_INLINE Ints first_sum(std::int32_t /*excess*/) { return _mm256_setzero_si256(); }
  CAIRN_SCAN_INLINE Codes load_codes(const std::uint8_t* from) {
    const Ints stored = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    // Flipping the highest bit takes 128 from a byte: the stored code becomes the real one, with its sign.
    const Ints codes = _mm256_xor_si256(stored, _mm256_set1_epi8(-128));
    return {codes, _mm256_abs_epi8(codes)};
  }
  /// The instruction takes one operand without sign: that of the row goes to the query. No pair of products exceeds
  /// 2 · 127², so that nothing saturates.
  CAIRN_SCAN_INLINE Ints add_products(Ints sum, const Codes& row, Ints query_codes) {
    const Ints query = _mm256_sign_epi8(query_codes, row.codes);
    const Ints pairs = _mm256_maddubs_epi16(row.magnitudes, query);
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }

  CAIRN_SCAN_INLINE std::size_t list(std::uint64_t hits, const float* values, std::uint32_t first, std::uint32_t* rows,
                                     float* scores) {
    std::size_t count = 0;
    for (; hits != 0; hits &= hits - 1) {
      const auto lane = static_cast<std::uint32_t>(__builtin_ctzll(hits));
      rows[count] = first + lane;
      scores[count++] = values[lane];
    }
    return count;
  }
  CAIRN_SCAN_INLINE std::size_t keep(std::uint64_t kept, const std::uint32_t* from_rows, const float* from_scores,
                                     std::uint32_t* rows, float* scores) {
    std::size_t count = 0;
    // Always stored, and counted if kept: no branch for the processor to guess.
    for (std::size_t lane = 0; lane < kCount; ++lane) {
      rows[count] = from_rows[lane];
      scores[count] = from_scores[lane];
      count += kept >> lane & 1;
    }
    return count;
  }
};

}  // namespace

const ScanKernels kScanAvx2 = ScanPasses<Lanes>::kernels();

}  // namespace cairn::gpu

#include <immintrin.h>

#include "gpu/cpu/scan_passes.h"

namespace cairn::gpu {
namespace {

/// Sixteen numbers at a time.
struct Lanes {
  using Floats = __m512;
  using Ints = __m512i;
  using Mask = __mmask16;
  static constexpr std::size_t kCount = 16;
  static constexpr std::size_t kDotQueries = 4;  // 16 sums, four registers of rows

  CAIRN_SCAN_INLINE Floats load(const float* from) { return _mm512_loadu_ps(from); }
  CAIRN_SCAN_INLINE Ints load(const std::int32_t* from) { return _mm512_loadu_si512(from); }
  CAIRN_SCAN_INLINE Ints load(const std::uint32_t* from) { return _mm512_loadu_si512(from); }
  CAIRN_SCAN_INLINE void store(float* to, Floats value) { _mm512_storeu_ps(to, value); }
  CAIRN_SCAN_INLINE Floats fill(float value) { return _mm512_set1_ps(value); }
  CAIRN_SCAN_INLINE Ints fill(std::int32_t value) { return _mm512_set1_epi32(value); }

  CAIRN_SCAN_INLINE Floats add(Floats a, Floats b) { return _mm512_add_ps(a, b); }
  CAIRN_SCAN_INLINE Ints add(Ints a, Ints b) { return _mm512_add_epi32(a, b); }
  CAIRN_SCAN_INLINE Floats subtract(Floats a, Floats b) { return _mm512_sub_ps(a, b); }
  CAIRN_SCAN_INLINE Ints subtract(Ints a, Ints b) { return _mm512_sub_epi32(a, b); }
  CAIRN_SCAN_INLINE Floats multiply(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
  CAIRN_SCAN_INLINE Floats fma(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
  CAIRN_SCAN_INLINE Floats root(Floats a) { return _mm512_sqrt_ps(a); }
  CAIRN_SCAN_INLINE Floats minimum(Floats a, Floats b) { return _mm512_min_ps(a, b); }
  CAIRN_SCAN_INLINE Floats maximum(Floats a, Floats b) { return _mm512_max_ps(a, b); }
  CAIRN_SCAN_INLINE float least(Floats a) { return _mm512_reduce_min_ps(a); }
  CAIRN_SCAN_INLINE float largest(Floats a) { return _mm512_reduce_max_ps(a); }
  CAIRN_SCAN_INLINE Floats to_floats(Ints a) { return _mm512_cvtepi32_ps(a); }

  CAIRN_SCAN_INLINE Ints bits(Floats a) { return _mm512_castps_si512(a); }
  CAIRN_SCAN_INLINE Floats floats_of(Ints a) { return _mm512_castsi512_ps(a); }
  template <int kBits>
  CAIRN_SCAN_INLINE Ints shift_right(Ints a) {
    return _mm512_srli_epi32(a, kBits);
  }
  template <int kBits>
  CAIRN_SCAN_INLINE Ints shift_left(Ints a) {
    return _mm512_slli_epi32(a, kBits);
  }
  /// The instruction looks at no more than four bits of an index.
  CAIRN_SCAN_INLINE Floats lookup(const float (&table)[16], Ints index) {
    return _mm512_permutexvar_ps(index, _mm512_loadu_ps(table));
  }
  CAIRN_SCAN_INLINE Floats lookup(const std::uint32_t (&table)[16], Ints index) {
    return floats_of(_mm512_permutexvar_epi32(index, _mm512_loadu_si512(table)));
  }
  /// A mask of all lanes that the compiler takes for any mask. With one that it knows to be full it would gather into
  /// whatever a register holds, and the instruction waits for that: each gather for the one before it.
  template <class M>
  CAIRN_SCAN_INLINE M every_lane() {
    M mask = static_cast<M>(-1);
    asm("" : "+Yk"(mask));
    return mask;
  }
  CAIRN_SCAN_INLINE Floats gather(const float* table, Ints index) {
    return _mm512_mask_i32gather_ps(_mm512_setzero_ps(), every_lane<__mmask16>(), index, table, 4);
  }
  /// Half as many loads as two gathers.
  CAIRN_SCAN_INLINE void gather_pairs(const float* pairs, const std::uint32_t* index, Floats* first, Floats* second) {
    const auto eight = [pairs](const std::uint32_t* of) {
      const __m256i at = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(of));
      return _mm512_castpd_ps(_mm512_mask_i32gather_pd(_mm512_setzero_pd(), every_lane<__mmask8>(), at, pairs, 8));
    };
    const Floats low = eight(index);
    const Floats high = eight(index + 8);
    const Ints even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    *first = _mm512_permutex2var_ps(low, even, high);
    *second = _mm512_permutex2var_ps(low, _mm512_or_si512(even, fill(1)), high);
  }

  CAIRN_SCAN_INLINE Floats mantissa(Floats a) { return _mm512_getmant_ps(a, _MM_MANT_NORM_1_2, _MM_MANT_SIGN_src); }
  CAIRN_SCAN_INLINE Floats exponent(Floats a) { return _mm512_getexp_ps(a); }
  CAIRN_SCAN_INLINE Mask has_no_ln(Floats a) {
    // Quiet and signalling NaN, both zeros, both infinities, subnormal, negative.
    return _mm512_fpclass_ps_mask(a, 0x01 | 0x02 | 0x04 | 0x08 | 0x10 | 0x20 | 0x40 | 0x80);
  }

  CAIRN_SCAN_INLINE Mask greater(Floats a, Floats b) { return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ); }
  CAIRN_SCAN_INLINE Mask at_most(Floats a, Floats b) { return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ); }
  CAIRN_SCAN_INLINE Mask differs(Floats a, Floats b) { return _mm512_cmp_ps_mask(a, b, _CMP_NEQ_UQ); }
  /// The move itself: GCC 12 takes a compared mask for 64 bits wide, and where it keeps one on the stack meanwhile it
  /// stores 16 bits and loads 64.
  CAIRN_SCAN_INLINE std::uint64_t bits(Mask mask) {
    std::uint32_t moved = 0;
    asm("kmovw %1, %k0" : "=r"(moved) : "k"(mask));
    return moved;
  }
  CAIRN_SCAN_INLINE Floats choose(Mask mask, Floats if_set, Floats otherwise) {
    return _mm512_mask_blend_ps(mask, otherwise, if_set);
  }

  /// The instruction takes one operand without sign, that of the row: each stored code is too large by 128.
  CAIRN_SCAN_INLINE Ints first_sum(std::int32_t excess) { return _mm512_set1_epi32(-excess); }
  CAIRN_SCAN_INLINE Ints load_codes(const std::uint8_t* from) { return _mm512_loadu_si512(from); }
  CAIRN_SCAN_INLINE Ints add_products(Ints sum, Ints row_codes, Ints query_codes) {
    // The instruction itself: of the intrinsic GCC 12 makes two copies of every sum besides.
    asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(row_codes), "v"(query_codes));
    return sum;
  }

  /// Compressed in registers and stored whole: much cheaper than compressing into memory. What is stored behind the
  /// hits is overwritten by the next.
  CAIRN_SCAN_INLINE std::size_t put(Mask mask, Ints from_rows, Floats from_scores, std::uint32_t* rows, float* scores) {
    _mm512_storeu_si512(rows, _mm512_maskz_compress_epi32(mask, from_rows));
    _mm512_storeu_ps(scores, _mm512_maskz_compress_ps(mask, from_scores));
    return static_cast<std::size_t>(__builtin_popcount(static_cast<std::uint32_t>(bits(mask))));
  }
  CAIRN_SCAN_INLINE std::size_t list(std::uint64_t hits, const float* values, std::uint32_t first, std::uint32_t* rows,
                                     float* scores) {
    const Ints lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    std::size_t count = 0;
#pragma GCC unroll 4
    for (std::size_t part = 0; part < 4; ++part) {
      const Ints numbers = add(lanes, fill(static_cast<std::int32_t>(first + 16 * part)));
      count +=
          put(static_cast<Mask>(hits >> (16 * part)), numbers, load(values + 16 * part), rows + count, scores + count);
    }
    return count;
  }
  CAIRN_SCAN_INLINE std::size_t keep(std::uint64_t kept, const std::uint32_t* from_rows, const float* from_scores,
                                     std::uint32_t* rows, float* scores) {
    return put(static_cast<Mask>(kept), load(from_rows), load(from_scores), rows, scores);
  }
};

}  // namespace

const ScanKernels kScanAvx512 = ScanPasses<Lanes>::kernels();

}  // namespace cairn::gpu

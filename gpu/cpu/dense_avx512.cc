// Compiled with the flags of its instruction set: includes nothing that defines inline functions of ours or of the
// standard library, whose copies the linker could pick for files without those flags.
#include <immintrin.h>

#include "gpu/cpu/dense.h"

namespace cairn::gpu {
namespace {

// A tile is exactly sixteen registers. The loops over `i` and `k` are unrolled by force: only then are the arrays
// registers.

template <bool kAdd>
inline __attribute__((always_inline)) void multiply(const float* left, const float* right, std::size_t rows,
                                                    float* tile) {
  __m512 sums[kTile];
#pragma GCC unroll 16
  for (std::size_t i = 0; i < kTile; ++i) sums[i] = _mm512_loadu_ps(tile + i * kTile);
  for (std::size_t r = 0; r < rows; ++r) {
    const __m512 columns = _mm512_loadu_ps(right + r * kTile);
#pragma GCC unroll 16
    for (std::size_t i = 0; i < kTile; ++i) {
      const __m512 row = _mm512_set1_ps(left[r * kTile + i]);
      sums[i] = kAdd ? _mm512_fmadd_ps(row, columns, sums[i]) : _mm512_fnmadd_ps(row, columns, sums[i]);
    }
  }
#pragma GCC unroll 16
  for (std::size_t i = 0; i < kTile; ++i) _mm512_storeu_ps(tile + i * kTile, sums[i]);
}

void add_products(const float* left, const float* right, std::size_t rows, float* tile) {
  multiply<true>(left, right, rows, tile);
}

void subtract_products(const float* left, const float* right, std::size_t rows, float* tile) {
  multiply<false>(left, right, rows, tile);
}

bool factor(float* tile) {
  __m512 rows[kTile];
#pragma GCC unroll 16
  for (std::size_t i = 0; i < kTile; ++i) rows[i] = _mm512_loadu_ps(tile + i * kTile);
  __mmask8 positive = 1;
#pragma GCC unroll 16
  for (std::size_t k = 0; k < kTile; ++k) {
    // The pivot is taken out of its register by a permutation, without a way through memory.
    const __m128 pivot = _mm512_castps512_ps128(_mm512_permutexvar_ps(_mm512_set1_epi32(static_cast<int>(k)), rows[k]));
    positive &= _mm_cmp_ss_mask(pivot, _mm_setzero_ps(), _CMP_GT_OQ);
    const __m512 reciprocal = _mm512_broadcastss_ps(_mm_div_ss(_mm_set_ss(1.0F), _mm_sqrt_ss(pivot)));
    rows[k] = _mm512_mul_ps(rows[k], reciprocal);
    _mm512_storeu_ps(tile + k * kTile, rows[k]);
#pragma GCC unroll 16
    for (std::size_t i = k + 1; i < kTile; ++i) {
      rows[i] = _mm512_fnmadd_ps(_mm512_set1_ps(tile[k * kTile + i]), rows[k], rows[i]);
    }
    _mm_store_ss(tile + k * kTile + k, _mm512_castps512_ps128(reciprocal));
  }
  return positive != 0;
}

void solve_transposed(const float* factor, float* tile) {
  __m512 rows[kTile];
#pragma GCC unroll 16
  for (std::size_t i = 0; i < kTile; ++i) rows[i] = _mm512_loadu_ps(tile + i * kTile);
#pragma GCC unroll 16
  for (std::size_t k = 0; k < kTile; ++k) {
    rows[k] = _mm512_mul_ps(rows[k], _mm512_set1_ps(factor[k * kTile + k]));
#pragma GCC unroll 16
    for (std::size_t i = k + 1; i < kTile; ++i) {
      rows[i] = _mm512_fnmadd_ps(_mm512_set1_ps(factor[k * kTile + i]), rows[k], rows[i]);
    }
  }
#pragma GCC unroll 16
  for (std::size_t i = 0; i < kTile; ++i) _mm512_storeu_ps(tile + i * kTile, rows[i]);
}

void subtract_combination(const float* coefficients, const float* panel, std::size_t rows, float* sum) {
  // Four chains of additions, so that each does not wait for the latency of the one before.
  __m512 sums[4] = {_mm512_loadu_ps(sum), _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps()};
  std::size_t r = 0;
  for (; r + 4 <= rows; r += 4) {
#pragma GCC unroll 4
    for (std::size_t i = 0; i < 4; ++i) {
      const __m512 row = _mm512_loadu_ps(panel + (r + i) * kTile);
      sums[i] = _mm512_fnmadd_ps(_mm512_set1_ps(coefficients[r + i]), row, sums[i]);
    }
  }
  for (; r < rows; ++r) {
    sums[0] = _mm512_fnmadd_ps(_mm512_set1_ps(coefficients[r]), _mm512_loadu_ps(panel + r * kTile), sums[0]);
  }
  _mm512_storeu_ps(sum, _mm512_add_ps(_mm512_add_ps(sums[0], sums[1]), _mm512_add_ps(sums[2], sums[3])));
}

/// row · x, folded from sixteen lanes to eight.
inline __attribute__((always_inline)) __m256 folded_product(const float* row, __m512 x) {
  const __m512 product = _mm512_mul_ps(_mm512_loadu_ps(row), x);
  return _mm256_add_ps(_mm512_castps512_ps256(product), _mm512_extractf32x8_ps(product, 1));
}

void subtract_dots(const float* x, const float* panel, std::size_t rows, float* values) {
  const __m512 columns = _mm512_loadu_ps(x);
  for (std::size_t r = 0; r < rows; r += 4) {
    const float* row = panel + r * kTile;
    const __m256 first = _mm256_hadd_ps(folded_product(row, columns), folded_product(row + kTile, columns));
    const __m256 second =
        _mm256_hadd_ps(folded_product(row + 2 * kTile, columns), folded_product(row + 3 * kTile, columns));
    const __m256 sums = _mm256_hadd_ps(first, second);
    const __m128 dots = _mm_add_ps(_mm256_castps256_ps128(sums), _mm256_extractf128_ps(sums, 1));
    _mm_storeu_ps(values + r, _mm_sub_ps(_mm_loadu_ps(values + r), dots));
  }
}

/// VNNI multiplies unsigned by signed bytes: inputs go in as input + 128, and `excess`, 128 · weight, is subtracted
/// again.
template <std::size_t kRows, std::size_t kPanels>
inline __attribute__((always_inline)) void multiply_int8_rows(const std::int8_t* inputs, const std::int8_t* weights,
                                                              std::size_t quads, const __m512i* excess,
                                                              std::int32_t* sums, std::size_t stride) {
  const __m512i offset = _mm512_set1_epi8(static_cast<char>(0x80));
  __m512i shifted[kRows][kPanels];
#pragma GCC unroll 16
  for (std::size_t i = 0; i < kRows * kPanels; ++i) shifted[i / kPanels][i % kPanels] = _mm512_setzero_si512();
  for (std::size_t q = 0; q < quads; ++q) {
    __m512i weight[kPanels];
#pragma GCC unroll 4
    for (std::size_t p = 0; p < kPanels; ++p) weight[p] = _mm512_loadu_si512(weights + (p * quads + q) * kTile * 4);
#pragma GCC unroll 8
    for (std::size_t r = 0; r < kRows; ++r) {
      // Copied, because the address need not be a multiple of four.
      int four;
      __builtin_memcpy(&four, inputs + (r * quads + q) * 4, sizeof four);
      const __m512i input = _mm512_xor_si512(_mm512_set1_epi32(four), offset);
#pragma GCC unroll 4
      for (std::size_t p = 0; p < kPanels; ++p) shifted[r][p] = _mm512_dpbusd_epi32(shifted[r][p], input, weight[p]);
    }
  }
#pragma GCC unroll 16
  for (std::size_t i = 0; i < kRows * kPanels; ++i) {
    const std::size_t r = i / kPanels;
    const std::size_t p = i % kPanels;
    _mm512_storeu_si512(sums + r * stride + p * kTile, _mm512_sub_epi32(shifted[r][p], excess[p]));
  }
}

/// For rows and panels that fit into the registers, as often as it takes for all rows.
template <std::size_t kRows, std::size_t kPanels>
void multiply_int8_panels(const std::int8_t* inputs, const std::int8_t* weights, std::size_t quads, std::int32_t* sums,
                          std::size_t stride) {
  const __m512i offset = _mm512_set1_epi8(static_cast<char>(0x80));
  __m512i excess[kPanels];
#pragma GCC unroll 4
  for (std::size_t p = 0; p < kPanels; ++p) excess[p] = _mm512_setzero_si512();
  for (std::size_t q = 0; q < quads; ++q) {
#pragma GCC unroll 4
    for (std::size_t p = 0; p < kPanels; ++p) {
      excess[p] = _mm512_dpbusd_epi32(excess[p], offset, _mm512_loadu_si512(weights + (p * quads + q) * kTile * 4));
    }
  }
  for (std::size_t r = 0; r < kTile; r += kRows) {
    multiply_int8_rows<kRows, kPanels>(inputs + r * quads * 4, weights, quads, excess, sums + r * stride, stride);
  }
}

void multiply_int8(const std::int8_t* inputs, const std::int8_t* weights, std::size_t quads, std::size_t panels,
                   std::int32_t* sums) {
  const std::size_t panel = quads * kTile * 4;
  const std::size_t stride = panels * kTile;
  std::size_t p = 0;
  for (; p + 4 <= panels; p += 4) {
    multiply_int8_panels<4, 4>(inputs, weights + p * panel, quads, sums + p * kTile, stride);
  }
  for (; p + 2 <= panels; p += 2) {
    multiply_int8_panels<8, 2>(inputs, weights + p * panel, quads, sums + p * kTile, stride);
  }
  for (; p < panels; ++p) multiply_int8_panels<8, 1>(inputs, weights + p * panel, quads, sums + p * kTile, stride);
}

}  // namespace

const DenseKernels kDenseAvx512 = {add_products,         subtract_products, factor,       solve_transposed,
                                   subtract_combination, subtract_dots,     multiply_int8};

}  // namespace cairn::gpu

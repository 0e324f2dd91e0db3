// Compiled with the flags of its instruction set: includes nothing that defines inline functions of ours or of the
// standard library, whose copies the linker could pick for files without those flags.
#include <immintrin.h>

#include "gpu/cpu/dense.h"

namespace cairn::gpu {
namespace {

constexpr std::size_t kHalf = kTile / 2;  ///< floats of a register

/// Four rows of a tile at a time: eight registers of sums.
template <bool kAdd>
inline __attribute__((always_inline)) void multiply_four_rows(const float* left, const float* right, std::size_t rows,
                                                              float* tile) {
  __m256 low[4];
  __m256 high[4];
#pragma GCC unroll 4
  for (std::size_t i = 0; i < 4; ++i) {
    low[i] = _mm256_loadu_ps(tile + i * kTile);
    high[i] = _mm256_loadu_ps(tile + i * kTile + kHalf);
  }
  for (std::size_t r = 0; r < rows; ++r) {
    const __m256 low_columns = _mm256_loadu_ps(right + r * kTile);
    const __m256 high_columns = _mm256_loadu_ps(right + r * kTile + kHalf);
#pragma GCC unroll 4
    for (std::size_t i = 0; i < 4; ++i) {
      const __m256 row = _mm256_broadcast_ss(left + r * kTile + i);
      low[i] = kAdd ? _mm256_fmadd_ps(row, low_columns, low[i]) : _mm256_fnmadd_ps(row, low_columns, low[i]);
      high[i] = kAdd ? _mm256_fmadd_ps(row, high_columns, high[i]) : _mm256_fnmadd_ps(row, high_columns, high[i]);
    }
  }
#pragma GCC unroll 4
  for (std::size_t i = 0; i < 4; ++i) {
    _mm256_storeu_ps(tile + i * kTile, low[i]);
    _mm256_storeu_ps(tile + i * kTile + kHalf, high[i]);
  }
}

void add_products(const float* left, const float* right, std::size_t rows, float* tile) {
  for (std::size_t i = 0; i < kTile; i += 4) multiply_four_rows<true>(left + i, right, rows, tile + i * kTile);
}

void subtract_products(const float* left, const float* right, std::size_t rows, float* tile) {
  for (std::size_t i = 0; i < kTile; i += 4) multiply_four_rows<false>(left + i, right, rows, tile + i * kTile);
}

/// row -= factor · other, over half a row of a tile.
inline __attribute__((always_inline)) void subtract_scaled(float* row, __m256 factor, const float* other) {
  _mm256_storeu_ps(row, _mm256_fnmadd_ps(factor, _mm256_loadu_ps(other), _mm256_loadu_ps(row)));
}

bool factor(float* tile) {
  bool positive = true;
  for (std::size_t k = 0; k < kTile; ++k) {
    float* pivot_row = tile + k * kTile;
    // Goes on after a bad pivot, as the other kernels do: the result is refused in the end.
    const __m128 pivot = _mm_load_ss(pivot_row + k);
    positive = positive && _mm_comigt_ss(pivot, _mm_setzero_ps()) != 0;
    const __m128 reciprocal = _mm_div_ss(_mm_set_ss(1.0F), _mm_sqrt_ss(pivot));
    const __m256 scale = _mm256_broadcastss_ps(reciprocal);
    for (std::size_t j = 0; j < kTile; j += kHalf) {
      _mm256_storeu_ps(pivot_row + j, _mm256_mul_ps(_mm256_loadu_ps(pivot_row + j), scale));
    }
    for (std::size_t i = k + 1; i < kTile; ++i) {
      const __m256 multiple = _mm256_broadcast_ss(pivot_row + i);
      // Rows of the lower half need no left half, which is below the diagonal.
      if (i < kHalf) subtract_scaled(tile + i * kTile, multiple, pivot_row);
      subtract_scaled(tile + i * kTile + kHalf, multiple, pivot_row + kHalf);
    }
    _mm_store_ss(pivot_row + k, reciprocal);
  }
  return positive;
}

/// Half of the columns at a time: sixteen rows of one register.
void solve_transposed(const float* factor, float* tile) {
  for (std::size_t j = 0; j < kTile; j += kHalf) {
    __m256 rows[kTile];
#pragma GCC unroll 16
    for (std::size_t i = 0; i < kTile; ++i) rows[i] = _mm256_loadu_ps(tile + i * kTile + j);
#pragma GCC unroll 16
    for (std::size_t k = 0; k < kTile; ++k) {
      rows[k] = _mm256_mul_ps(rows[k], _mm256_broadcast_ss(factor + k * kTile + k));
#pragma GCC unroll 16
      for (std::size_t i = k + 1; i < kTile; ++i) {
        rows[i] = _mm256_fnmadd_ps(_mm256_broadcast_ss(factor + k * kTile + i), rows[k], rows[i]);
      }
    }
#pragma GCC unroll 16
    for (std::size_t i = 0; i < kTile; ++i) _mm256_storeu_ps(tile + i * kTile + j, rows[i]);
  }
}

void subtract_combination(const float* coefficients, const float* panel, std::size_t rows, float* sum) {
  __m256 low = _mm256_loadu_ps(sum);
  __m256 high = _mm256_loadu_ps(sum + kHalf);
  for (std::size_t r = 0; r < rows; ++r) {
    const __m256 coefficient = _mm256_broadcast_ss(coefficients + r);
    low = _mm256_fnmadd_ps(coefficient, _mm256_loadu_ps(panel + r * kTile), low);
    high = _mm256_fnmadd_ps(coefficient, _mm256_loadu_ps(panel + r * kTile + kHalf), high);
  }
  _mm256_storeu_ps(sum, low);
  _mm256_storeu_ps(sum + kHalf, high);
}

/// row · x, folded from sixteen lanes to eight.
inline __attribute__((always_inline)) __m256 folded_product(const float* row, __m256 low, __m256 high) {
  return _mm256_fmadd_ps(_mm256_loadu_ps(row + kHalf), high, _mm256_mul_ps(_mm256_loadu_ps(row), low));
}

void subtract_dots(const float* x, const float* panel, std::size_t rows, float* values) {
  const __m256 low = _mm256_loadu_ps(x);
  const __m256 high = _mm256_loadu_ps(x + kHalf);
  for (std::size_t r = 0; r < rows; r += 4) {
    const float* row = panel + r * kTile;
    const __m256 first = _mm256_hadd_ps(folded_product(row, low, high), folded_product(row + kTile, low, high));
    const __m256 second =
        _mm256_hadd_ps(folded_product(row + 2 * kTile, low, high), folded_product(row + 3 * kTile, low, high));
    const __m256 sums = _mm256_hadd_ps(first, second);
    const __m128 dots = _mm_add_ps(_mm256_castps256_ps128(sums), _mm256_extractf128_ps(sums, 1));
    _mm_storeu_ps(values + r, _mm_sub_ps(_mm_loadu_ps(values + r), dots));
  }
}

/// Bytes are multiplied as |input| · (weight with the input's sign): two such products stay within 16 bits, as codes
/// are within ±127.
inline __attribute__((always_inline)) __m256i add_four_products(__m256i sums, __m256i input,
                                                                const std::int8_t* weight) {
  const __m256i codes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weight));
  const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(input), _mm256_sign_epi8(codes, input));
  return _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

void multiply_int8(const std::int8_t* inputs, const std::int8_t* weights, std::size_t quads, std::size_t panels,
                   std::int32_t* sums) {
  for (std::size_t r = 0; r < kTile; ++r) {
    for (std::size_t p = 0; p < panels; ++p) {
      const std::int8_t* panel = weights + p * quads * kTile * 4;
      __m256i low = _mm256_setzero_si256();
      __m256i high = _mm256_setzero_si256();
      for (std::size_t q = 0; q < quads; ++q) {
        // Copied, because the address need not be a multiple of four.
        int four;
        __builtin_memcpy(&four, inputs + (r * quads + q) * 4, sizeof four);
        const __m256i input = _mm256_set1_epi32(four);
        low = add_four_products(low, input, panel + q * kTile * 4);
        high = add_four_products(high, input, panel + (q * kTile + kHalf) * 4);
      }
      std::int32_t* to = sums + (r * panels + p) * kTile;
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), low);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + kHalf), high);
    }
  }
}

}  // namespace

const DenseKernels kDenseAvx2 = {add_products,         subtract_products, factor,       solve_transposed,
                                 subtract_combination, subtract_dots,     multiply_int8};

}  // namespace cairn::gpu

#pragma once

#include <cstddef>
#include <cstdint>

namespace cairn::gpu {

enum class InstructionSet : std::uint8_t;

/// Columns of a panel, and rows and columns of a tile.
inline constexpr std::size_t kTile = 16;

/// The inner loops of dense algebra, one table for each instruction set. A panel is rows × kTile floats and a tile
/// kTile × kTile, both row-major without gaps; aligned to 64 bytes they are read fastest. Every sum runs in the order
/// of the rows, so one table always gives the same bits; tables differ by rounding.
struct DenseKernels {
  /// tile += leftᵀ right, over `rows` rows of two panels.
  void (*add_products)(const float* left, const float* right, std::size_t rows, float* tile);
  /// tile -= leftᵀ right.
  void (*subtract_products)(const float* left, const float* right, std::size_t rows, float* tile);
  /// Cholesky of a symmetric tile: the U of UᵀU = tile in its place, with the reciprocals of U's diagonal on the
  /// diagonal and nothing of meaning below it. False when a pivot is not positive (NaN is not).
  bool (*factor)(float* tile);
  /// tile = U⁻ᵀ tile, with `factor` as above.
  void (*solve_transposed)(const float* factor, float* tile);
  /// sum[j] -= sum over r of coefficients[r] · panel[r][j]; `sum` has kTile values.
  void (*subtract_combination)(const float* coefficients, const float* panel, std::size_t rows, float* sum);
  /// values[r] -= sum over j of panel[r][j] · x[j]; `rows` is a multiple of kTile.
  void (*subtract_dots)(const float* x, const float* panel, std::size_t rows, float* values);
  /// sums[r][p · kTile + o] = sum over q, i < 4 of inputs[r][4 q + i] · weights[p][q][o][i], for kTile rows r, panels
  /// p and o < kTile: exact integers, the same from every table. Input rows are 4 · quads bytes long, rows of sums
  /// panels · kTile integers; codes are within ±127 (-128 overflows).
  void (*multiply_int8)(const std::int8_t* inputs, const std::int8_t* weights, std::size_t quads, std::size_t panels,
                        std::int32_t* sums);
};

extern const DenseKernels kDenseScalar;
extern const DenseKernels kDenseAvx2;
extern const DenseKernels kDenseAvx512;

/// Requires: this machine has the instruction set.
[[nodiscard]] const DenseKernels& dense_kernels(InstructionSet set) noexcept;

}  // namespace cairn::gpu

#pragma once

#include <cstddef>
#include <cstdint>

namespace cairn::gpu {

enum class InstructionSet : std::uint8_t;

/// From floats to 8-bit codes and back (gpu/network.h, kInt8), one table for each instruction set. All give the same
/// bits.
/// Counts are multiples of 16.
struct CodeKernels {
  /// Rounds `count` values of each row, which begin `stride` values apart, to codes = round(127 · value / m), with m
  /// the largest |value| of them; codes stand without gaps. scales[r] becomes m / 127; 0, with codes of 0, where all
  /// values of the row count as zeros; NaN, with codes of 0, where one is not finite.
  void (*encode)(const float* values, std::size_t stride, std::size_t rows, std::size_t count, std::int8_t* codes,
                 float* scales);
  /// out[i] = float(sums[i]) · (scale · scales[i]) + biases[i]; with `relu` 0 where that is below 0.
  void (*decode)(const std::int32_t* sums, std::size_t count, float scale, const float* scales, const float* biases,
                 bool relu, float* out);
  /// values[i] becomes (values[i] - mean[i]) · factors[i], at least -bound and at most bound.
  void (*normalize)(const float* mean, const float* factors, float bound, std::size_t count, float* values);
};

extern const CodeKernels kCodesScalar;
extern const CodeKernels kCodesAvx2;
extern const CodeKernels kCodesAvx512;

/// Requires: this machine has the instruction set.
[[nodiscard]] const CodeKernels& code_kernels(InstructionSet set) noexcept;

}  // namespace cairn::gpu

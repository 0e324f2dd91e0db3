#pragma once

#include <cstddef>
#include <cstdint>

namespace cairn::gpu {

enum class InstructionSet : std::uint8_t;

/// From floats to 8-bit codes and back (gpu/network.h, kInt8), one table for each instruction set. All give the same
/// bits.
/// Counts are multiples of 16.
struct CodeKernels {
  /// Rounds values to codes = round(127 · value / m), with m the largest |value|. Returns: m / 127; 0, with codes of 0,
  /// where all values count as zeros; NaN, with codes of 0, where one is not finite.
  float (*encode)(const float* values, std::size_t count, std::int8_t* codes);
  /// out[i] = float(sums[i]) · (scale · scales[i]) + biases[i].
  void (*decode)(const std::int32_t* sums, std::size_t count, float scale, const float* scales, const float* biases,
                 float* out);
};

extern const CodeKernels kCodesScalar;
extern const CodeKernels kCodesAvx2;
extern const CodeKernels kCodesAvx512;

/// Requires: this machine has the instruction set.
[[nodiscard]] const CodeKernels& code_kernels(InstructionSet set) noexcept;

}  // namespace cairn::gpu

#pragma once

#include <cstdint>

namespace cairn::gpu {

/// Conversions of IEEE 754 binary16 ("half precision") numbers, which are passed as their 16 bits. What
/// keeps halves converts them here, or by instructions that round by the same rule (F16C, CUDA).

/// The same number; binary16 is a subset of float. A NaN becomes a quiet NaN with the same sign and payload.
[[nodiscard]] float float_of_half(std::uint16_t half) noexcept;

/// The nearest binary16 number, and of two equally near ones that with an even last bit. What rounds beyond 65504, the
/// largest, becomes infinity: 65520 and above. A NaN becomes a quiet NaN with its sign and the first bits of its
/// payload.
[[nodiscard]] std::uint16_t half_of_float(float value) noexcept;

}  // namespace cairn::gpu

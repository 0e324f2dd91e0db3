#pragma once

#include <cstdint>

namespace cairn::gpu {

/// IEEE 754 binary16, as bits: exact to float; from float rounded to the nearest, halves to even, what is too large to
/// infinity.
[[nodiscard]] float float_of_half(std::uint16_t half) noexcept;
[[nodiscard]] std::uint16_t half_of_float(float value) noexcept;

}  // namespace cairn::gpu

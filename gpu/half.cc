#include "gpu/half.h"

#include <bit>
#include <cmath>

namespace cairn::gpu {
namespace {

constexpr std::uint32_t kFractionShift = 13;  // a float has 13 more bits of fraction
constexpr std::uint32_t kBiasDifference = 112;  // exponents are stored with 127 added in floats, 15 in halves
constexpr std::uint16_t kInfinity = 0x7C00;
constexpr std::uint16_t kQuietBit = 0x0200;

/// `bits` without its last `shift` bits (1 to 31), rounded to the nearest, ties to even.
std::uint32_t shifted(std::uint32_t bits, std::uint32_t shift) {
  const std::uint32_t half = 1U << (shift - 1);
  const std::uint32_t kept = bits >> shift;
  const std::uint32_t rest = bits & ((1U << shift) - 1U);
  return kept + (rest > half || (rest == half && (kept & 1U) != 0) ? 1U : 0U);
}

}  // namespace

float float_of_half(std::uint16_t half) noexcept {
  const std::uint32_t sign = (half & 0x8000U) << 16;
  const std::uint32_t exponent = (half >> 10) & 0x1FU;
  const std::uint32_t fraction = half & 0x3FFU;
  if (exponent == 0) {  // zero or subnormal: a multiple of 2^-24
    const float magnitude = std::ldexp(static_cast<float>(fraction), -24);
    return sign != 0 ? -magnitude : magnitude;
  }
  // Instructions make a signalling NaN quiet; so does this.
  const std::uint32_t quiet = exponent == 31 && fraction != 0 ? 0x400000U : 0U;
  const std::uint32_t wide = exponent == 31 ? 255U : exponent + kBiasDifference;
  return std::bit_cast<float>(sign | wide << 23 | fraction << kFractionShift | quiet);
}

std::uint16_t half_of_float(float value) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>(bits >> 16 & 0x8000U);
  const std::uint32_t magnitude = bits & 0x7FFFFFFFU;
  if (magnitude > 0x7F800000U) {
    return static_cast<std::uint16_t>(sign | kInfinity | kQuietBit | (magnitude >> kFractionShift & 0x3FFU));
  }
  if (magnitude >= 0x47800000U) return static_cast<std::uint16_t>(sign | kInfinity);  // 65536 and above
  if (magnitude >= 0x38800000U) {                                                    // 2^-14: a normal number
    // A fraction that rounds up to 2 carries into the exponent, and from the largest exponent into infinity's bits.
    return static_cast<std::uint16_t>(sign | shifted(magnitude - (kBiasDifference << 23), kFractionShift));
  }
  if (magnitude < 0x33000000U) return sign;  // below 2^-25, half of the smallest subnormal
  // A subnormal: the fraction with its leading one, in units of 2^-24. A shift of at most 126 - 102 = 24 bits.
  const std::uint32_t exponent = magnitude >> 23;
  const std::uint32_t fraction = (magnitude & 0x7FFFFFU) | 0x800000U;
  return static_cast<std::uint16_t>(sign | shifted(fraction, 126U - exponent));
}

}  // namespace cairn::gpu

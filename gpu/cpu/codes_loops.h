#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

// The loops of code_kernels(), which the compiler turns into those of an instruction set: included by one source for
// each. Nothing here may be rounded otherwise in one than in another, so products and sums are not to be made one
// operation.
namespace cairn::gpu {
namespace {

constexpr float kCodeMax = 127.0F;
constexpr float kSmallest = 1e-30F;  ///< what is below it counts as 0 in codes

/// The largest |value|; NaN where one is not finite. `count` is a multiple of 16, here and below.
inline float largest_of(const float* __restrict values, std::size_t count) {
  // Many at once, each for itself: the order in which a largest is looked for does not matter.
  constexpr std::size_t kLanes = 16;
  float largest[kLanes] = {};
  float poison[kLanes] = {};
  for (std::size_t i = 0; i < count; i += kLanes) {
    for (std::size_t l = 0; l < kLanes; ++l) {
      const float value = __builtin_fabsf(values[i + l]);
      largest[l] = value > largest[l] ? value : largest[l];
      poison[l] += value * 0.0F;  // NaN times 0, and infinity times 0, are NaN
    }
  }
  for (std::size_t half = kLanes / 2; half > 0; half /= 2) {
    for (std::size_t l = 0; l < half; ++l) {
      largest[l] = largest[l + half] > largest[l] ? largest[l + half] : largest[l];
      poison[l] += poison[l + half];
    }
  }
  return largest[0] + poison[0];
}

inline float encode_loop(const float* __restrict values, std::size_t count, std::int8_t* __restrict codes) {
  const float largest = largest_of(values, count);
  const bool finite = std::isfinite(largest);
  if (!finite || largest < kSmallest) {
    for (std::size_t i = 0; i < count; ++i) codes[i] = 0;
    return finite ? 0.0F : std::numeric_limits<float>::quiet_NaN();
  }
  const float factor = kCodeMax / largest;
  // To the nearest, of two the even, for |value| below 2²²: what is added leaves a float no bits after the point.
  constexpr float kNoFraction = 12582912.0F;
  for (std::size_t i = 0; i < count; ++i) {
    codes[i] = static_cast<std::int8_t>(static_cast<std::int32_t>((values[i] * factor + kNoFraction) - kNoFraction));
  }
  return largest / kCodeMax;
}

inline void decode_loop(const std::int32_t* __restrict sums, std::size_t count, float scale,
                        const float* __restrict scales, const float* __restrict biases, float* __restrict out) {
  for (std::size_t i = 0; i < count; ++i) {
    // In this order of operations everywhere. A scale of NaN spreads to all.
    const float product = static_cast<float>(sums[i]) * (scale * scales[i]);
    out[i] = product + biases[i];
  }
}

}  // namespace
}  // namespace cairn::gpu

#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

// The loops of code_kernels(), which the compiler turns into those of an instruction set: included by one source for
// each. Nothing here may be rounded otherwise in one than in another, so products and sums are not to be made one
// operation.
namespace cairn::gpu {
namespace {

constexpr float kCodeMax = 127.0F;
constexpr float kSmallest = 1e-30F;  ///< what is below it counts as 0 in codes

// 16 values that are worked on together, in as many registers as that takes. Compilers find such loops by themselves
// here and there; written so, they always do.
using Floats16 __attribute__((vector_size(64))) = float;
using Floats8 __attribute__((vector_size(32))) = float;
using Floats4 __attribute__((vector_size(16))) = float;
using Ints16 __attribute__((vector_size(64))) = std::int32_t;
using Bytes16 __attribute__((vector_size(16))) = std::int8_t;
constexpr std::size_t kLanes = 16;

// No function takes or gives such values themselves: how they would be passed differs by instruction set.
inline void load(const float* from, Floats16* values) { std::memcpy(values, from, sizeof *values); }

struct Larger {
  template <class Value>
  static void combine(Value* a, const Value& b) {
    *a = b > *a ? b : *a;
  }
};
struct Sum {
  template <class Value>
  static void combine(Value* a, const Value& b) {
    *a += b;
  }
};

template <class Half, class Whole>
void halves(const Whole& whole, Half* low, Half* high) {
  std::memcpy(low, &whole, sizeof *low);
  std::memcpy(high, reinterpret_cast<const char*>(&whole) + sizeof *low, sizeof *high);
}

/// All 16 made one, by halves.
template <class Combine>
inline float combined(const Floats16& values) {
  Floats8 low8;
  Floats8 high8;
  halves(values, &low8, &high8);
  Combine::combine(&low8, high8);
  Floats4 low4;
  Floats4 high4;
  halves(low8, &low4, &high4);
  Combine::combine(&low4, high4);
  float a = low4[0];
  float b = low4[1];
  Combine::combine(&a, static_cast<float>(low4[2]));
  Combine::combine(&b, static_cast<float>(low4[3]));
  Combine::combine(&a, b);
  return a;
}

/// The largest |value|; NaN where one is not finite. `count` is a multiple of 16, here and below.
inline float largest_of(const float* __restrict values, std::size_t count) {
  // The order in which a largest is looked for does not matter.
  Floats16 largest = {};
  Floats16 poison = {};
  for (std::size_t i = 0; i < count; i += kLanes) {
    Floats16 value;
    load(values + i, &value);
    const Floats16 magnitude = value < 0.0F ? -value : value;
    largest = magnitude > largest ? magnitude : largest;
    poison += value * 0.0F;  // NaN times 0, and infinity times 0, are NaN
  }
  return combined<Larger>(largest) + combined<Sum>(poison);
}

inline float encode_loop(const float* __restrict values, std::size_t count, std::int8_t* __restrict codes) {
  const float largest = largest_of(values, count);
  const bool finite = std::isfinite(largest);
  if (!finite || largest < kSmallest) {
    std::memset(codes, 0, count);
    return finite ? 0.0F : std::numeric_limits<float>::quiet_NaN();
  }
  const float factor = kCodeMax / largest;
  // To the nearest, of two the even, for |value| below 2²²: what is added leaves a float no bits after the point.
  constexpr float kNoFraction = 12582912.0F;
  for (std::size_t i = 0; i < count; i += kLanes) {
    Floats16 value;
    load(values + i, &value);
    const Floats16 whole = (value * factor + kNoFraction) - kNoFraction;
    const Bytes16 bytes = __builtin_convertvector(__builtin_convertvector(whole, Ints16), Bytes16);
    std::memcpy(codes + i, &bytes, sizeof bytes);
  }
  return largest / kCodeMax;
}

inline void decode_loop(const std::int32_t* __restrict sums, std::size_t count, float scale,
                        const float* __restrict scales, const float* __restrict biases, float* __restrict out) {
  for (std::size_t i = 0; i < count; i += kLanes) {
    Ints16 whole;
    std::memcpy(&whole, sums + i, sizeof whole);
    // In this order of operations everywhere. A scale of NaN spreads to all.
    Floats16 of_weights;
    Floats16 bias;
    load(scales + i, &of_weights);
    load(biases + i, &bias);
    const Floats16 product = __builtin_convertvector(whole, Floats16) * (scale * of_weights);
    const Floats16 sum = product + bias;
    std::memcpy(out + i, &sum, sizeof sum);
  }
}

}  // namespace
}  // namespace cairn::gpu

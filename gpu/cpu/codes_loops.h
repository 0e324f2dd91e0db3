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
using Ints16 __attribute__((vector_size(64))) = std::int32_t;
using Ints8 __attribute__((vector_size(32))) = std::int32_t;
using Ints4 __attribute__((vector_size(16))) = std::int32_t;
using Bytes16 __attribute__((vector_size(16))) = std::int8_t;
constexpr std::size_t kLanes = 16;

// No function takes or gives such values themselves: how they would be passed differs by instruction set.
inline void load(const float* from, Floats16* values) { std::memcpy(values, from, sizeof *values); }

/// The largest |value|, or, where one is not finite, infinity or NaN. `count` is a multiple of 16, here and below.
inline float largest_of(const float* __restrict values, std::size_t count) {
  // Without their signs, floats are in the order of their bits as integers, and what is not finite is above all others.
  Ints16 largest = {};
  for (std::size_t i = 0; i < count; i += kLanes) {
    Ints16 bits;
    std::memcpy(&bits, values + i, sizeof bits);
    bits &= 0x7FFFFFFF;
    largest = bits > largest ? bits : largest;
  }
  // All 16 made one, by halves of a copy. The compiler must not know it for one: it would keep `largest` in memory, for
  // the sake of its halves, and each step of the loop would wait for that.
  std::int32_t all[kLanes];
  std::memcpy(all, &largest, sizeof all);
  asm("" : "+m"(all));
  Ints8 low8;
  Ints8 high8;
  std::memcpy(&low8, all, sizeof low8);
  std::memcpy(&high8, all + 8, sizeof high8);
  low8 = low8 > high8 ? low8 : high8;
  std::memcpy(all, &low8, sizeof low8);
  asm("" : "+m"(all));
  Ints4 low4;
  Ints4 high4;
  std::memcpy(&low4, all, sizeof low4);
  std::memcpy(&high4, all + 4, sizeof high4);
  low4 = low4 > high4 ? low4 : high4;
  high4 = __builtin_shuffle(low4, Ints4{2, 3, 0, 1});
  low4 = low4 > high4 ? low4 : high4;
  high4 = __builtin_shuffle(low4, Ints4{1, 0, 3, 2});
  low4 = low4 > high4 ? low4 : high4;
  const std::int32_t bits = low4[0];
  float value = 0.0F;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

inline void encode_row(const float* __restrict values, std::size_t count, float factor, std::int8_t* __restrict codes) {
  // To the nearest, of two the even, for |value| below 2²²: what is added leaves a float no bits after the point.
  constexpr float kNoFraction = 12582912.0F;
  for (std::size_t i = 0; i < count; i += kLanes) {
    Floats16 value;
    load(values + i, &value);
    const Floats16 whole = (value * factor + kNoFraction) - kNoFraction;
    const Bytes16 bytes = __builtin_convertvector(__builtin_convertvector(whole, Ints16), Bytes16);
    std::memcpy(codes + i, &bytes, sizeof bytes);
  }
}

inline void encode_loop(const float* __restrict values, std::size_t stride, std::size_t rows, std::size_t count,
                        std::int8_t* __restrict codes, float* __restrict scales) {
  // What is largest is looked for in all rows before any is divided by it: so no row waits for another.
  for (std::size_t r = 0; r < rows; ++r) scales[r] = largest_of(values + r * stride, count);
  for (std::size_t r = 0; r < rows; ++r) {
    const float largest = scales[r];
    const bool finite = largest <= std::numeric_limits<float>::max();
    if (finite && largest >= kSmallest) {
      encode_row(values + r * stride, count, kCodeMax / largest, codes + r * count);
      scales[r] = largest / kCodeMax;
    } else {
      std::memset(codes + r * count, 0, count);
      scales[r] = finite ? 0.0F : std::numeric_limits<float>::quiet_NaN();
    }
  }
}

template <bool kRelu>
inline void decode_all(const std::int32_t* __restrict sums, std::size_t count, float scale,
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
    Floats16 sum = product + bias;
    if (kRelu) sum = sum < 0.0F ? Floats16{} : sum;
    std::memcpy(out + i, &sum, sizeof sum);
  }
}

inline void decode_loop(const std::int32_t* sums, std::size_t count, float scale, const float* scales,
                        const float* biases, bool relu, float* out) {
  relu ? decode_all<true>(sums, count, scale, scales, biases, out)
       : decode_all<false>(sums, count, scale, scales, biases, out);
}

inline void normalize_loop(const float* __restrict mean, const float* __restrict factors, float bound,
                           std::size_t count, float* __restrict values) {
  for (std::size_t i = 0; i < count; i += kLanes) {
    Floats16 value;
    Floats16 middle;
    Floats16 factor;
    load(values + i, &value);
    load(mean + i, &middle);
    load(factors + i, &factor);
    value = (value - middle) * factor;
    const Floats16 most = Floats16{} + bound;
    value = value > most ? most : value;  // NaN stays
    value = value < -most ? -most : value;
    std::memcpy(values + i, &value, sizeof value);
  }
}

}  // namespace
}  // namespace cairn::gpu

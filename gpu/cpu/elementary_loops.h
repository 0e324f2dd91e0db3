#pragma once

// Included by files that are compiled for one instruction set each. Everything is in a namespace without a name, so
// that no linker mixes the sets. The loops have no branches and no calls, and compilers turn them into vectors; each
// operation is written out, std::fma too, so that all sets round alike.

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace cairn::gpu {
namespace {

constexpr double kLn2High = 0x1.62e42fefa38p-1;  // the product with an exponent is exact
constexpr double kLn2Low = 0x1.ef35793c7673p-45;

[[maybe_unused]] void exp_loop(double* values, std::size_t count) {
  constexpr double kLog2E = 0x1.71547652b82fep0;
  constexpr double kToInteger = 0x1.8p52;  // adding it rounds to an integer, which is then in the low bits
  constexpr double kLeast = -708.0;
  for (std::size_t i = 0; i < count; ++i) {
    const double asked = values[i];
    const double x = asked < kLeast ? kLeast : asked;
    const double shifted = std::fma(x, kLog2E, kToInteger);
    const double k = shifted - kToInteger;
    const double r = std::fma(-k, kLn2Low, std::fma(-k, kLn2High, x));  // |r| <= ln(2) / 2
    // Taylor's series: its next term is below 5e-18 of the sum.
    double sum = 1.0 / 6227020800.0;
    sum = std::fma(sum, r, 1.0 / 479001600.0);
    sum = std::fma(sum, r, 1.0 / 39916800.0);
    sum = std::fma(sum, r, 1.0 / 3628800.0);
    sum = std::fma(sum, r, 1.0 / 362880.0);
    sum = std::fma(sum, r, 1.0 / 40320.0);
    sum = std::fma(sum, r, 1.0 / 5040.0);
    sum = std::fma(sum, r, 1.0 / 720.0);
    sum = std::fma(sum, r, 1.0 / 120.0);
    sum = std::fma(sum, r, 1.0 / 24.0);
    sum = std::fma(sum, r, 1.0 / 6.0);
    sum = std::fma(sum, r, 0.5);
    sum = std::fma(sum, r, 1.0);
    sum = std::fma(sum, r, 1.0);
    // Adds k to the exponent: the sum is a normal number from 0.7 to 1.5.
    const std::uint64_t bits = std::bit_cast<std::uint64_t>(sum) + (std::bit_cast<std::uint64_t>(shifted) << 52);
    values[i] = asked < kLeast ? 0.0 : std::bit_cast<double>(bits);
  }
}

[[maybe_unused]] void ln_loop(double* values, std::size_t count) {
  constexpr std::uint64_t kSqrtHalf = 0x3FE6A09E667F3BCDULL;
  constexpr std::uint64_t kExponentBits = 0xFFF0000000000000ULL;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t bits = std::bit_cast<std::uint64_t>(values[i]);
    // value = m * 2^e with m from sqrt(1/2) to sqrt(2)
    const std::uint64_t shifted = (bits - kSqrtHalf) & kExponentBits;
    const double m = std::bit_cast<double>(bits - shifted);
    // The exponent as a double without a conversion, which AVX2 lacks for 64 bits: 2^52 + 2^51 + e, less the former.
    const std::uint64_t exponent = (shifted >> 52) ^ 0x800;  // e + 2048, as e has 12 bits with its sign
    const double e = std::bit_cast<double>(0x4330000000000000ULL | exponent) - (0x1p52 + 2048.0);
    const double s = (m - 1.0) / (m + 1.0);
    const double s2 = s * s;
    // ln(m) = 2 (s + s^3 / 3 + s^5 / 5 ...): the next term is below 1e-18.
    double sum = 1.0 / 21.0;
    sum = std::fma(sum, s2, 1.0 / 19.0);
    sum = std::fma(sum, s2, 1.0 / 17.0);
    sum = std::fma(sum, s2, 1.0 / 15.0);
    sum = std::fma(sum, s2, 1.0 / 13.0);
    sum = std::fma(sum, s2, 1.0 / 11.0);
    sum = std::fma(sum, s2, 1.0 / 9.0);
    sum = std::fma(sum, s2, 1.0 / 7.0);
    sum = std::fma(sum, s2, 1.0 / 5.0);
    sum = std::fma(sum, s2, 1.0 / 3.0);
    const double twice = s + s;
    const double tail = std::fma(twice * s2, sum, e * kLn2Low);
    values[i] = std::fma(e, kLn2High, twice + tail);
  }
}

}  // namespace
}  // namespace cairn::gpu

#pragma once

// Read by files that are compiled for one instruction set each, and by device code: numbers only, no code.

#include <cstdint>

namespace cairn::gpu {

/// Distances are in units of 2^-31 km, which costs the kernels an operation less than kilometres. Factors of distance
/// and radii are scaled by powers of two, exactly.
inline constexpr float kScanUnitKm = 0x1p-31F;

/// Of asin(sqrt(g)) / sqrt(g) for g in [0, 1/2], times twice the Earth's radius in kilometres, lowest power first: a
/// minimax polynomial of the relative error (Remez), which is 0.25 · 2^-24 before its coefficients are rounded.
inline constexpr float kArcs[8] = {1.2742018e+04F, 2.1237146e+03F, 9.53864e+02F,    5.955828e+02F,
                                   1.9396939e+02F, 1.0194929e+03F, -1.2314569e+03F, 1.4455817e+03F};
/// The same for g in [0, 1/64], up to 1,596 km: 0.1 · 2^-24. Of g · 2^62, as integers give it.
inline constexpr float kShortArcsUpTo = 0x1p56F;
inline constexpr float kShortArcs[3] = {1.2742018e+04F, 2.12359e+03F * 0x1p-62F, 9.6915405e+02F * 0x1p-124F};
/// Half of the Earth's circumference in kilometres.
inline constexpr float kHalfTurnKm = 2.0015114442035923e+04F;

/// A logarithm is exponent · ln 2 - ln(inverse[i]) + ln(1 + f), where the upper four bits of the mantissa m are i and
/// f = m · inverse[i] - 1 is at most 1/32 or so: inverse[i] is one over the middle of the interval.
inline constexpr float kLnInverse[16] = {9.69697e-01F,  9.142857e-01F,  8.648649e-01F,  8.2051283e-01F,
                                         7.804878e-01F, 7.4418604e-01F, 7.111111e-01F,  6.8085104e-01F,
                                         6.530612e-01F, 6.27451e-01F,   6.037736e-01F,  5.8181816e-01F,
                                         5.614035e-01F, 5.423729e-01F,  5.2459013e-01F, 5.0793654e-01F};
inline constexpr float kLnMiddle[16] = {3.0771628e-02F, 8.9612156e-02F, 1.4518198e-01F, 1.9782573e-01F,
                                        2.478362e-01F,  2.9546422e-01F, 3.4092656e-01F, 3.8441172e-01F,
                                        4.2608443e-01F, 4.660897e-01F,  5.04556e-01F,   5.415973e-01F,
                                        5.7731533e-01F, 6.1180156e-01F, 6.45138e-01F,   6.7739874e-01F};
inline constexpr float kLn2 = 6.931472e-01F;
/// ln(1 + f) = f (1 + f (a + b f)): minimax of the absolute error, 0.62 · 2^-24.
inline constexpr float kLnA = -5.001909e-01F;
inline constexpr float kLnB = 3.335183e-01F;

/// An exponential is 2^(n + i/16) · 2^f. The table holds the bits of 2^(i/16) less i · 2^19: adding (16 n + i) · 2^19
/// gives those of 2^(n + i/16), without taking n and i apart.
inline constexpr std::uint32_t kExpBits[16] = {0x3f800000, 0x3f7daac3, 0x3f7b95c2, 0x3f79c3d3, 0x3f7837f0, 0x3f76f532,
                                               0x3f75fed7, 0x3f75583f, 0x3f7504f3, 0x3f7508a4, 0x3f75672a, 0x3f76248c,
                                               0x3f7744fd, 0x3f78ccdf, 0x3f7ac0c7, 0x3f7d257d};
/// Added to a number of moderate size, it leaves the nearest multiple of 1/16 in the lowest bits of the mantissa.
inline constexpr float kSixteenths = 786432.0F;  // 1.5 · 2^19
/// 2^f = 1 + f (a + f (b + f c)) for |f| <= 1/32: minimax of the relative error, 0.03 · 2^-24.
inline constexpr float kExpA = 6.931472e-01F;
inline constexpr float kExpB = 2.4023435e-01F;
inline constexpr float kExpC = 5.550596e-02F;
/// Smaller powers of two than this count as it, which is 0 beside any score.
inline constexpr float kExpLeast = -125.0F;

}  // namespace cairn::gpu

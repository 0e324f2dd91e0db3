#pragma once

#include <cstdint>

#include "gpu/cuda/layout.h"

// How far the product of the codes of a row and a query can be from the score.
//
// For x = x' + e_x and q = q' + e_q, where x' and q' are what the codes stand for,
//
//     |q·x - q'·x'| <= ‖e_q‖ ‖x'‖ + ‖q‖ ‖e_x‖                                  (Cauchy-Schwarz)
//     |score - q·x| <= γ ‖q‖ ‖x‖,   γ = dim · 2^-24 / (1 - dim · 2^-24)          (Higham 2002, chapter 3: a chain of
//                                                                               dim roundings)
//
// and ‖x‖ <= ‖x'‖ + ‖e_x‖, so that the score is within  a ‖x'‖ + b ‖e_x‖ + tiny  of q'·x', with a and b of the query
// alone. `rounding` is γ, doubled, and what computing q'·x' and comparing it adds: for int8 and int4 a few roundings a
// group, as sums of codes are exact; for fp16 the tensor cores' sums, which may cut off instead of rounding, eight
// products at a time (Fasi, Higham, Mikaitis, Pranesh 2021, "Numerical behavior of NVIDIA tensor cores").
// A row that no bound holds for has an infinite norm.

namespace cairn::gpu::cuda {

/// Added to every margin to cover underflow: far more than underflow can lose, far less than any bound that matters.
inline constexpr float kTinyMargin = 1e-37F;
/// Above these norms sums could overflow. A row above the first is always scored in fp32; for a query above the second
/// every row is.
inline constexpr float kRowNormMax = 1e15F;
inline constexpr float kQueryNormMax = 1e15F;
/// Smaller norms count as this one, so that a zero query has bounds too.
inline constexpr float kQueryNormMin = 1e-15F;
/// Scales of query codes are at least this.
inline constexpr float kQueryScaleMin = 1e-30F;
/// Covers the roundings of the bounds themselves.
inline constexpr float kRoundUp = 1.001F;

CAIRN_HOST_DEVICE constexpr float rounding_of(CodeKind kind, std::uint32_t dim, std::uint32_t groups) {
  const float ulps = kind == CodeKind::kFp16 ? 8.0F * static_cast<float>(dim) + 64.0F
                                             : static_cast<float>(dim) + 8.0F * static_cast<float>(groups) + 64.0F;
  return ulps * 0x1p-23F;
}

/// Both norms of a row in a word, each rounded up to the upper half of a float: the code norm above the error norm.
CAIRN_HOST_DEVICE inline std::uint32_t upper_half(float norm) { return (bits_of(norm) + 0xFFFFU) >> 16; }
CAIRN_HOST_DEVICE inline std::uint32_t pack_norms(float code_norm, float error_norm) {
  return upper_half(code_norm) << 16 | upper_half(error_norm);
}
CAIRN_HOST_DEVICE inline float code_norm_of(std::uint32_t norms) { return float_of(norms & 0xFFFF0000U); }
CAIRN_HOST_DEVICE inline float error_norm_of(std::uint32_t norms) { return float_of(norms << 16); }

/// What scanning needs of a query beside its codes.
struct QueryBound {
  float scale = 1.0F;  ///< product of codes × scale = q'·x'
  float inverse_scale = 1.0F;
  float code_factor = 0.0F;   ///< a
  float error_factor = 0.0F;  ///< b
};

/// norm = ‖q‖ and error = ‖e_q‖, both rounded up.
CAIRN_HOST_DEVICE inline QueryBound make_query_bound(float scale, float norm, float error, float rounding) {
  const float held = norm > kQueryNormMin ? norm : kQueryNormMin;
  QueryBound bound;
  bound.scale = scale;
  bound.inverse_scale = 1.0F / scale;
  bound.code_factor = (error + rounding * held) * kRoundUp;
  bound.error_factor = held * (1.0F + rounding) * kRoundUp;
  return bound;
}

/// How far the score can be from the product: code_norm = ‖x'‖ (finite) and error_norm = ‖e_x‖ (may be infinite), both
/// rounded up.
CAIRN_HOST_DEVICE inline float margin_of(const QueryBound& query, float code_norm, float error_norm) {
  return (query.code_factor * code_norm + (query.error_factor * error_norm + kTinyMargin)) * kRoundUp;
}

/// The product of codes, in units of the query's scale, that a row of a tile needs at least to reach `threshold`. The
/// norms are the largest of the tile. NaN when nothing can be said.
CAIRN_HOST_DEVICE inline float tile_threshold(const QueryBound& query, float threshold, float code_norm,
                                              float error_norm) {
  return (threshold - margin_of(query, code_norm, error_norm)) * query.inverse_scale;
}

/// Bounds of a score: unless it is NaN, lower <= score <= upper. Both are made by adding the bias to a bound of the sum
/// without it, as the score's definition adds it to the sum. Rounding never changes the order of two numbers, so what
/// lay between the bounds before the addition lies between them after it.
struct ScoreBounds {
  float lower;
  float upper;
};

CAIRN_HOST_DEVICE inline ScoreBounds score_bounds(const QueryBound& query, float product, float code_norm,
                                                  float error_norm, float bias) {
  const float margin = margin_of(query, code_norm, error_norm);
  const float middle = product * query.scale;
  ScoreBounds bounds = {middle - margin + bias, middle + margin + bias};
  // An infinite margin and an infinite bias add up to NaN, which says nothing: then nothing is ruled out.
  if (bounds.lower != bounds.lower) bounds.lower = -kInfinity;
  if (bounds.upper != bounds.upper) bounds.upper = kInfinity;
  return bounds;
}

}  // namespace cairn::gpu::cuda

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "gpu/matrix.h"

namespace cairn::gpu {

inline constexpr int kInt8CodeMax = 127;
inline constexpr int kInt4CodeMax = 7;

/// A group of values as codes: value ≈ scale × code. Norms are Euclidean, rounded up, and given in units of the scale,
/// so that scale × norm bounds the real one.
struct GroupCode {
  float scale = 0.0F;       ///< positive, at least 1e-30
  float code_norm = 0.0F;   ///< of the codes
  float error_norm = 0.0F;  ///< of (values - scale × codes) / scale
};

/// Rounds `values` (finite) to `codes` within ±code_max. The scale maps the largest magnitude to code_max; for int4 the
/// range may be clipped, where that makes the squared error less. `importance`, one a value or empty, weighs the
/// errors.
[[nodiscard]] GroupCode quantize_group(std::span<const float> values, std::span<const float> importance, int code_max,
                                       std::span<std::int8_t> codes);

/// Rounds `values` (finite) to codes of this scale, which maps none of them beyond ±code_max.
[[nodiscard]] GroupCode quantize_to_scale(std::span<const float> values, float scale, int code_max,
                                          std::span<std::int8_t> codes);

/// The scale that maps the largest magnitude of the values to code_max.
[[nodiscard]] float full_scale(std::span<const float> values, int code_max);

/// The bounds of these codes as codes of `values`, which need not be the ones that they were made from.
[[nodiscard]] GroupCode bounds_of(std::span<const float> values, std::span<const std::int8_t> codes, float scale);

/// How much an error in each column counts: the mean square of that column in a sample of queries, because an error in
/// a value enters a score multiplied by the query's value. Empty for an empty sample; squares that are not finite are
/// left out.
[[nodiscard]] std::vector<float> importance_of(const MatrixView& queries);

}  // namespace cairn::gpu

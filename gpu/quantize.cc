#include "gpu/quantize.h"

#include <algorithm>
#include <cmath>

namespace cairn::gpu {
namespace {

constexpr float kScaleMin = 1e-30F;
/// Covers that sums of squares and square roots are themselves rounded.
constexpr double kRoundUp = 1.0 + 1e-6;
/// The parts of the largest magnitude that int4 tries as the end of its range.
constexpr float kInt4Ranges[] = {1.0F, 0.95F, 0.9F, 0.85F, 0.8F, 0.75F, 0.7F, 0.65F, 0.6F};

/// Rounds half to even, like the default rounding mode; the library function would be a call for each value.
float round_to_integer(float value) {
  constexpr float kShift = 12582912.0F;  // 1.5 × 2^23: adding it leaves no bits for a fraction
  return (value + kShift) - kShift;
}

float code_of(float value, float inverse_scale, float code_max) {
  return round_to_integer(std::clamp(value * inverse_scale, -code_max, code_max));
}

float squared_error(std::span<const float> values, std::span<const float> importance, float scale, float code_max) {
  float sum = 0.0F;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const float error = values[i] - scale * code_of(values[i], 1.0F / scale, code_max);
    sum += error * error * (importance.empty() ? 1.0F : importance[i]);
  }
  return sum;
}

float clipped_scale(std::span<const float> values, std::span<const float> importance, float full, float code_max) {
  // Clipping the few largest values makes the steps of all others finer. The best of some ranges is taken.
  float best = full;
  float least = squared_error(values, importance, full, code_max);
  for (const float range : kInt4Ranges) {
    const float scale = std::max(full * range, kScaleMin);
    const float error = squared_error(values, importance, scale, code_max);
    if (error < least) {
      least = error;
      best = scale;
    }
  }
  return best;
}

}  // namespace

GroupCode quantize_group(std::span<const float> values, std::span<const float> importance, int code_max,
                         std::span<std::int8_t> codes) {
  float scale = full_scale(values, code_max);
  if (code_max == kInt4CodeMax) scale = clipped_scale(values, importance, scale, static_cast<float>(code_max));
  return quantize_to_scale(values, scale, code_max, codes);
}

GroupCode quantize_to_scale(std::span<const float> values, float scale, int code_max, std::span<std::int8_t> codes) {
  const auto most = static_cast<float>(code_max);
  for (std::size_t i = 0; i < values.size(); ++i) {
    codes[i] = static_cast<std::int8_t>(code_of(values[i], 1.0F / scale, most));
  }
  return bounds_of(values, codes, scale);
}

float full_scale(std::span<const float> values, int code_max) {
  float largest = 0.0F;
  for (const float value : values) largest = std::max(largest, std::fabs(value));
  // Never 0, so that its reciprocal is finite; values of zero have code 0 with any scale.
  return std::max(largest / static_cast<float>(code_max), kScaleMin);
}

GroupCode bounds_of(std::span<const float> values, std::span<const std::int8_t> codes, float scale) {
  double code_squares = 0.0;
  double error_squares = 0.0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double code = codes[i];
    const double error = static_cast<double>(values[i]) / static_cast<double>(scale) - code;
    code_squares += code * code;
    error_squares += error * error;
  }
  return {.scale = scale,
          .code_norm = static_cast<float>(std::sqrt(code_squares) * kRoundUp),
          .error_norm = static_cast<float>(std::sqrt(error_squares) * kRoundUp)};
}

std::vector<float> importance_of(const MatrixView& queries) {
  if (queries.rows == 0) return {};
  std::vector<float> importance(queries.dim, 0.0F);
  for (std::size_t r = 0; r < queries.rows; ++r) {
    const std::span<const float> query = queries.row(r);
    for (std::size_t j = 0; j < queries.dim; ++j) {
      const float square = query[j] * query[j];
      if (std::isfinite(square)) importance[j] += square / static_cast<float>(queries.rows);
    }
  }
  return importance;
}

}  // namespace cairn::gpu

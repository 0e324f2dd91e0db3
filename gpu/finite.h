#pragma once

#include <algorithm>
#include <cmath>
#include <span>

namespace cairn::gpu {

/// Whether no value is infinite or NaN.
[[nodiscard]] inline bool all_finite(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
}

}  // namespace cairn::gpu

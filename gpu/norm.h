#pragma once

#include <cmath>
#include <cstdint>
#include <span>

namespace cairn::gpu {

template <class Number>
[[nodiscard]] double norm_of_numbers(std::span<const Number> values) {
  double squares = 0.0;
  for (const Number value : values) squares += static_cast<double>(value) * static_cast<double>(value);
  // Rounded up, for a sum in double of at most 4,096 squares.
  return std::sqrt(squares) * (1.0 + 1e-9);
}

/// At least the Euclidean norm, and by no more than about a billionth above it.
[[nodiscard]] inline double norm_of(std::span<const float> values) { return norm_of_numbers(values); }
[[nodiscard]] inline double norm_of(std::span<const std::int8_t> codes) { return norm_of_numbers(codes); }

}  // namespace cairn::gpu

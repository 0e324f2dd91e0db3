#pragma once

#include <span>

/// exp() and ln() of many numbers at once, on the best instruction set there is, with the same bits on each: for who
/// needs thousands in a few microseconds.
namespace cairn::gpu {

/// Replaces each value by its exponential, within 2 units of the last place; 0 where that is below the least normal
/// number. Requires: no value is above 709 or NaN.
void exp_each(std::span<double> values) noexcept;

/// Replaces each value by its natural logarithm, within 2 units of the last place (of 1, where it is smaller than 1).
/// Requires: every value is a normal number above 0.
void ln_each(std::span<double> values) noexcept;

}  // namespace cairn::gpu

#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>
#include <random>

namespace cairn::gpu {

/// Independent standard normal numbers by Box and Muller (Ann. Math. Stat. 29, 1958) from std::mt19937_64, whose output
/// the standard fixes. std::normal_distribution differs between libraries; these differ at most where log, sin and cos
/// do, which is in the last bits of a double.
class NormalNumbers {
 public:
  explicit NormalNumbers(std::uint64_t seed) : bits_(seed) {}

  double operator()() {
    if (has_second_) {
      has_second_ = false;
      return second_;
    }
    const double radius = std::sqrt(-2.0 * std::log(1.0 - unit()));
    const double angle = 2.0 * std::numbers::pi * unit();
    second_ = radius * std::sin(angle);
    has_second_ = true;
    return radius * std::cos(angle);
  }

 private:
  /// In [0, 1), of 53 bits.
  double unit() { return static_cast<double>(bits_() >> 11) * 0x1p-53; }

  std::mt19937_64 bits_;
  double second_ = 0.0;
  bool has_second_ = false;
};

}  // namespace cairn::gpu

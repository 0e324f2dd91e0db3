#include "gpu/random.h"

#include <cmath>
#include <numbers>

namespace cairn::gpu {
namespace {

/// Random, in (0, 1).
double fraction_of(std::uint64_t* state) { return (static_cast<double>(next_bits(state) >> 11) + 0.5) * 0x1p-53; }

}  // namespace

std::uint64_t next_bits(std::uint64_t* state) noexcept {
  std::uint64_t bits = *state += 0x9E3779B97F4A7C15U;
  bits = (bits ^ bits >> 30) * 0xBF58476D1CE4E5B9U;
  bits = (bits ^ bits >> 27) * 0x94D049BB133111EBU;
  return bits ^ bits >> 31;
}

void fill_normal(std::uint64_t seed, float stddev, std::span<float> values) {
  std::uint64_t state = seed;
  for (std::size_t i = 0; i < values.size(); i += 2) {  // Box and Muller
    const double radius = static_cast<double>(stddev) * std::sqrt(-2.0 * std::log(fraction_of(&state)));
    const double angle = 2.0 * std::numbers::pi * fraction_of(&state);
    values[i] = static_cast<float>(radius * std::cos(angle));
    if (i + 1 < values.size()) values[i + 1] = static_cast<float>(radius * std::sin(angle));
  }
}

}  // namespace cairn::gpu

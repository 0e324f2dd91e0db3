#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace cairn::gpu {

/// The next of a sequence of random numbers: SplitMix64 (Steele, Lea and Flood, OOPSLA 2014). States that are close
/// together give numbers that are not.
[[nodiscard]] std::uint64_t next_bits(std::uint64_t* state) noexcept;

/// Fills `values` with draws from a normal distribution of mean 0. The same for the same seed on every machine, but for
/// the last bits of its library's logarithm and cosine.
void fill_normal(std::uint64_t seed, float stddev, std::span<float> values);

}  // namespace cairn::gpu

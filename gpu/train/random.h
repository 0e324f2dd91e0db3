#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace cairn::gpu {

/// Fills `values` with draws from a normal distribution of mean 0. The same for the same seed on every machine, but for
/// the last bits of its library's logarithm and cosine.
void fill_normal(std::uint64_t seed, float stddev, std::span<float> values);

}  // namespace cairn::gpu

#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "cairn/check.h"

namespace cairn::datasets {

/// SplitMix64 (Steele, Lea, Flood 2014): turns counters into seeds that do not resemble each other.
[[nodiscard]] constexpr std::uint64_t mix(std::uint64_t x) noexcept {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

/// xoshiro256** (Blackman, Vigna 2018) with distributions of our own, since those of <random> differ between standard
/// libraries. Uses only operations that IEEE 754 rounds exactly.
class Random {
 public:
  /// Streams of one seed are independent of each other.
  Random(std::uint64_t seed, std::uint64_t stream) noexcept {
    std::uint64_t x = mix(seed) ^ mix(~stream);
    for (std::uint64_t& word : state_) word = x = mix(x);
  }

  [[nodiscard]] std::uint64_t next() noexcept {
    const std::uint64_t result = rotl(state_[1] * 5, 7) * 9;
    const std::uint64_t t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = rotl(state_[3], 45);
    return result;
  }

  /// Uniform in [0, 1), a multiple of 2^-53.
  [[nodiscard]] double uniform() noexcept { return static_cast<double>(next() >> 11) * 0x1p-53; }
  [[nodiscard]] double between(double low, double high) noexcept { return low + (high - low) * uniform(); }
  /// Uniform in [0, n). Requires: 0 < n < 2^32.
  [[nodiscard]] std::size_t below(std::size_t n) noexcept {
    return static_cast<std::size_t>(((next() >> 32) * n) >> 32);
  }
  [[nodiscard]] bool chance(double probability) noexcept { return uniform() < probability; }
  /// Mean 0, variance 1, within 2 sqrt(3): a sum of four uniform numbers, which is bell enough for people and streets.
  [[nodiscard]] double bell() noexcept {
    return (uniform() + uniform() + uniform() + uniform() - 2.0) * 1.7320508075688772;
  }

 private:
  static constexpr std::uint64_t rotl(std::uint64_t x, int by) noexcept { return (x << by) | (x >> (64 - by)); }

  std::uint64_t state_[4];
};

/// Draws indexes in proportion to weights, in O(log n).
class Weighted {
 public:
  Weighted() = default;
  explicit Weighted(std::span<const double> weights) {
    cumulative_.reserve(weights.size());
    double sum = 0.0;
    for (const double weight : weights) cumulative_.push_back(sum += weight);
  }

  [[nodiscard]] bool empty() const noexcept { return cumulative_.empty() || cumulative_.back() <= 0.0; }
  /// Requires: not empty.
  [[nodiscard]] std::size_t draw(Random& random) const {
    CAIRN_CHECK(!empty());
    const double target = random.uniform() * cumulative_.back();
    std::size_t low = 0;
    for (std::size_t high = cumulative_.size() - 1; low < high;) {
      const std::size_t middle = (low + high) / 2;
      if (cumulative_[middle] > target) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    return low;
  }

 private:
  std::vector<double> cumulative_;
};

/// Weights 1 / (rank + q) for ranks 0 to n-1: Zipf-Mandelbrot with exponent 1, the one that needs no pow().
[[nodiscard]] inline std::vector<double> zipf_weights(std::size_t n, double q) {
  std::vector<double> weights(n);
  for (std::size_t rank = 0; rank < n; ++rank) weights[rank] = 1.0 / (static_cast<double>(rank) + q);
  return weights;
}

/// The numbers 0 to n-1 in random order (Fisher-Yates).
[[nodiscard]] inline std::vector<std::size_t> shuffled(std::size_t n, Random& random) {
  std::vector<std::size_t> order(n);
  for (std::size_t i = 0; i < n; ++i) {
    const std::size_t j = random.below(i + 1);
    order[i] = order[j];
    order[j] = i;
  }
  return order;
}

}  // namespace cairn::datasets

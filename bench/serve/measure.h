#pragma once

#include <ctime>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace cairn::bench {

/// Processor time of the calling thread.
[[nodiscard]] inline double thread_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

[[nodiscard]] inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// A chain of multiplications, which reads no memory.
[[nodiscard]] inline std::uint64_t spin(std::uint64_t steps) {
  std::uint64_t value = 1;
  for (std::uint64_t i = 0; i < steps; ++i) value = value * 6364136223846793005U + 1442695040888963407U;
  return value;
}

}  // namespace cairn::bench

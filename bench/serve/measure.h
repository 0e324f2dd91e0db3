#pragma once

#include <ctime>

#include <algorithm>
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

}  // namespace cairn::bench

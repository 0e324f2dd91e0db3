#pragma once

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <vector>

#include "cairn/check.h"
#include "cairn/status.h"

namespace cairn::bench {

using SteadyTime = std::chrono::steady_clock::time_point;

inline void must(const Status& status) { CAIRN_CHECK_MSG(status.ok(), status.to_string()); }

template <class T>
[[nodiscard]] T must(Result<T> result) {
  CAIRN_CHECK_MSG(result.ok(), result.status().to_string());
  return *std::move(result);
}

[[nodiscard]] inline double seconds_since(SteadyTime start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// The smallest value that at least `share` of all do not exceed. Requires: not empty.
[[nodiscard]] inline double quantile(std::vector<double> values, double share) {
  const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(values.size())));
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(std::clamp<std::size_t>(rank, 1, values.size()) - 1);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

[[nodiscard]] inline double median(std::vector<double> values) { return quantile(std::move(values), 0.5); }

/// Processor seconds of all threads of this process so far, those of the kernel on its behalf included.
[[nodiscard]] inline double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

/// What one piece of work took.
struct Cost {
  double wall = 0;  ///< seconds
  double cpu = 0;   ///< processor seconds of the whole process meanwhile
};

template <class Work>
[[nodiscard]] Cost cost_of(Work&& work) {
  const double cpu = cpu_seconds();
  const SteadyTime start = std::chrono::steady_clock::now();
  work();
  return {seconds_since(start), cpu_seconds() - cpu};
}

/// Costs of rounds, and the medians of them.
struct Costs {
  std::vector<double> wall;
  std::vector<double> cpu;

  void add(Cost cost) {
    wall.push_back(cost.wall);
    cpu.push_back(cost.cpu);
  }
  [[nodiscard]] double rate(std::size_t events) const { return static_cast<double>(events) / median(wall); }
  [[nodiscard]] double cpu_us_per_event(std::size_t events) const {
    return 1e6 * median(cpu) / static_cast<double>(events);
  }
};

/// Memory of this process that is resident now, in MiB.
[[nodiscard]] inline double resident_mib() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t size = 0;
  std::uint64_t resident = 0;
  statm >> size >> resident;
  return static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGESIZE)) / (1 << 20);
}

}  // namespace cairn::bench

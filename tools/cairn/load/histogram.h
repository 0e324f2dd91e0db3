#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace cairn::load {

/// How often which latency came, in memory that does not grow: log-linear buckets as in HdrHistogram (Tene). Every
/// power of two is cut into 256 equal parts, so a value read from it is at most 1/256 (0.4 %) above the true one, and
/// never below. Smallest, largest and mean are exact. From 0 to 73 minutes in nanoseconds; what is longer counts there.
///
/// Threads: one at a time.
class Histogram {
 public:
  Histogram();

  void record(std::chrono::nanoseconds value, std::uint64_t times = 1) noexcept;
  void add(const Histogram& other) noexcept;
  void clear() noexcept;

  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
  /// The smallest value that at least `share` of all are not above. `share` from 0, the smallest, to 1, the largest.
  /// 0 ns while there is none.
  [[nodiscard]] std::chrono::nanoseconds at_share(double share) const noexcept;
  [[nodiscard]] std::chrono::nanoseconds min() const noexcept;
  [[nodiscard]] std::chrono::nanoseconds max() const noexcept { return std::chrono::nanoseconds(max_); }
  [[nodiscard]] std::chrono::nanoseconds mean() const noexcept;

 private:
  std::vector<std::uint64_t> counts_;
  std::uint64_t count_ = 0;
  std::uint64_t min_ = ~std::uint64_t{0};
  std::uint64_t max_ = 0;
  double sum_ = 0.0;
};

}  // namespace cairn::load

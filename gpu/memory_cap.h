#pragma once

#include <atomic>
#include <cstddef>

#include "cairn/status.h"

namespace cairn::gpu {

/// Counts what the matrices of a backend hold, against the most they may. Threads: any.
class MemoryCap {
 public:
  explicit MemoryCap(std::size_t bytes_max) noexcept : bytes_max_(bytes_max) {}

  /// Returns: RESOURCE_EXHAUSTED when that would exceed the cap.
  [[nodiscard]] Status reserve(std::size_t bytes);
  void release(std::size_t bytes) noexcept { bytes_.fetch_sub(bytes, std::memory_order_relaxed); }
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::size_t bytes_max() const noexcept { return bytes_max_; }

 private:
  std::size_t bytes_max_;
  std::atomic<std::size_t> bytes_{0};
};

}  // namespace cairn::gpu

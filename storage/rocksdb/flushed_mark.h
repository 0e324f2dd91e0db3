#pragma once

#include <atomic>
#include <cstdint>

namespace cairn::storage {

/// The newest write that is in table files together with all before it, as a RocksDB sequence number.
///
/// Threads: any.
class FlushedMark {
 public:
  /// Everything up to `sequence` is in table files. A smaller number than before changes nothing.
  void advance(std::uint64_t sequence) noexcept {
    std::uint64_t now = sequence_.load(std::memory_order_relaxed);
    while (now < sequence && !sequence_.compare_exchange_weak(now, sequence, std::memory_order_release)) {
    }
  }

  [[nodiscard]] std::uint64_t sequence() const noexcept { return sequence_.load(std::memory_order_acquire); }

 private:
  std::atomic<std::uint64_t> sequence_{0};
};

}  // namespace cairn::storage

#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "cairn/check.h"

namespace cairn::features {

/// An array that grows and never moves what is in it: pieces of doubling size.
///
/// Threads: one at a time makes room; what has a place may be reached by any thread meanwhile.
template <class T>
class Segments {
 public:
  Segments() = default;
  Segments(const Segments&) = delete;
  Segments& operator=(const Segments&) = delete;
  ~Segments() {
    for (const auto& segment : segments_) delete[] segment.load(std::memory_order_relaxed);
  }

  /// Requires: room was made for it.
  [[nodiscard]] T& operator[](std::uint32_t number) const noexcept {
    const std::size_t segment = segment_of(number);
    return segments_[segment].load(std::memory_order_acquire)[number - begin_of(segment)];
  }

  /// Makes room for `number`, and with it for some that follow. Requires: there is room for all before it.
  /// Returns: the bytes that were taken.
  std::size_t make_room(std::uint32_t number) {
    const std::size_t segment = segment_of(number);
    CAIRN_CHECK_MSG(segment < kSegments, std::to_string(number));
    if (segments_[segment].load(std::memory_order_relaxed) != nullptr) return 0;
    const std::size_t count = kFirst << segment;
    segments_[segment].store(new T[count](), std::memory_order_release);
    return count * sizeof(T);
  }

 private:
  static constexpr std::size_t kFirst = 64;  ///< segment k holds kFirst * 2^k and begins at kFirst * (2^k - 1)
  static constexpr std::size_t kSegments = 26;

  static std::size_t segment_of(std::uint32_t number) noexcept {
    return static_cast<std::size_t>(std::bit_width(number / kFirst + 1) - 1);
  }
  static std::size_t begin_of(std::size_t segment) noexcept { return kFirst * ((std::size_t{1} << segment) - 1); }

  std::array<std::atomic<T*>, kSegments> segments_{};
};

}  // namespace cairn::features

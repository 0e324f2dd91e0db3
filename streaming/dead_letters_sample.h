#pragma once

#include <array>
#include <chrono>
#include <cstdint>

#include "cairn/clock.h"
#include "cairn/options.h"
#include "streaming/reject.h"

namespace cairn::streaming {

/// Which letters of a flood are kept: of one reason, the first so many of each minute, and then one in so many. A rule
/// of counting and not of chance, so that what is kept of a stream can be foretold. One thread.
class LetterSample {
 public:
  explicit LetterSample(const DeadLetterOptions& options)
      : first_(options.kept_per_minute), one_in_(options.then_one_in) {}

  /// Whether the next letter of the reason, seen at this moment, is kept. Counts it.
  [[nodiscard]] bool keep(Reject reason, EventTime seen) {
    Minute& of = minutes_[static_cast<std::size_t>(reason)];
    const auto minute = std::chrono::floor<std::chrono::minutes>(seen);
    if (of.minute != minute) of = {minute, 0};
    const std::uint64_t index = of.count++;
    return index < first_ || (index - first_) % one_in_ == one_in_ - 1;
  }

 private:
  using Minutes = std::chrono::time_point<std::chrono::system_clock, std::chrono::minutes>;
  struct Minute {
    Minutes minute{};
    std::uint64_t count = 0;
  };

  std::uint64_t first_;
  std::uint64_t one_in_;
  std::array<Minute, kRejects> minutes_;
};

}  // namespace cairn::streaming

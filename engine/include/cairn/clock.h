#pragma once

#include <time.h>

#include <atomic>
#include <chrono>
#include <cstdint>

namespace cairn {

/// When something happened, as the event itself says: milliseconds since the Unix epoch, UTC, no leap seconds.
using EventTime = std::chrono::sys_time<std::chrono::milliseconds>;

[[nodiscard]] constexpr EventTime event_time_from_ms(std::int64_t ms) noexcept {
  return EventTime{std::chrono::milliseconds{ms}};
}
[[nodiscard]] constexpr std::int64_t to_ms(EventTime time) noexcept { return time.time_since_epoch().count(); }

/// The wall clock as a parameter, so that a test decides what time it is. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual EventTime now() const = 0;
  /// What now() was a moment ago, never after it: cheaper, for whoever only needs to know that a time is past.
  [[nodiscard]] virtual EventTime recent() const { return now(); }
};

/// The machine's own clock.
class SystemClock final : public Clock {
 public:
  [[nodiscard]] EventTime now() const override {
    return std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
  }
  /// As the last tick of the kernel left it: 1 to 10 ms ago.
  [[nodiscard]] EventTime recent() const override {
    timespec at{};
    ::clock_gettime(CLOCK_REALTIME_COARSE, &at);
    return event_time_from_ms(std::int64_t{at.tv_sec} * 1000 + at.tv_nsec / 1'000'000);
  }
  /// One instance for the whole process.
  [[nodiscard]] static const SystemClock& instance() noexcept {
    static const SystemClock clock;
    return clock;
  }
};

/// A clock that stands still until it is told to move.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(EventTime start) : ms_(to_ms(start)) {}
  [[nodiscard]] EventTime now() const override { return event_time_from_ms(ms_.load(std::memory_order_relaxed)); }
  void set(EventTime time) { ms_.store(to_ms(time), std::memory_order_relaxed); }
  void advance(std::chrono::milliseconds by) { ms_.fetch_add(by.count(), std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> ms_;
};

}  // namespace cairn

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace cairn::serving {

/// The bytes that a server may hold for all its clients together: connections, unfinished requests, bodies that wait or
/// are handled, answers that were not sent yet. What is asked for last gets the least: new requests leave a quarter to
/// answers, and answers leave a sixteenth to probes, so that neither waits for strangers to finish.
///
/// Threads: any.
class MemoryBudget {
 public:
  enum class Use : std::uint8_t { kRequest, kAnswer, kProbe };

  explicit MemoryBudget(std::size_t limit) noexcept : limit_(limit) {}
  MemoryBudget(const MemoryBudget&) = delete;
  MemoryBudget& operator=(const MemoryBudget&) = delete;

  [[nodiscard]] bool take(std::size_t bytes, Use use) noexcept;
  void give_back(std::size_t bytes) noexcept { used_.fetch_sub(bytes, std::memory_order_relaxed); }

  [[nodiscard]] std::size_t limit() const noexcept { return limit_; }
  /// What one use may reach, of the limit.
  [[nodiscard]] std::size_t limit_of(Use use) const noexcept;
  [[nodiscard]] std::size_t used() const noexcept { return used_.load(std::memory_order_relaxed); }
  /// The most that was used since `forget_peak`.
  [[nodiscard]] std::size_t peak() const noexcept { return peak_.load(std::memory_order_relaxed); }
  void forget_peak() noexcept { peak_.store(used(), std::memory_order_relaxed); }

 private:
  const std::size_t limit_;
  std::atomic<std::size_t> used_{0};
  std::atomic<std::size_t> peak_{0};
};

/// What one connection has of the budget; given back with it. Threads: one at a time.
class MemoryShare {
 public:
  explicit MemoryShare(MemoryBudget& budget) noexcept : budget_(&budget) {}
  MemoryShare(MemoryShare&& other) noexcept : budget_(other.budget_), held_(std::exchange(other.held_, 0)) {}
  MemoryShare& operator=(MemoryShare&&) = delete;
  ~MemoryShare() { shrink(0); }

  /// Makes it at least `bytes`. Costs nothing when it is. Returns false, and takes nothing, when the budget has no
  /// more.
  [[nodiscard]] bool grow(std::size_t bytes, MemoryBudget::Use use) noexcept {
    if (bytes <= held_) return true;
    if (!budget_->take(bytes - held_, use)) return false;
    held_ = bytes;
    return true;
  }
  /// Makes it at most `bytes`.
  void shrink(std::size_t bytes) noexcept {
    if (bytes >= held_) return;
    budget_->give_back(held_ - bytes);
    held_ = bytes;
  }

 private:
  MemoryBudget* budget_;
  std::size_t held_ = 0;
};

}  // namespace cairn::serving

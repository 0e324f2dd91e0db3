#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

namespace cairn::storage {

/// Counts the calls under way on an object so that closing can wait for them. Unlike a shared lock it may be entered
/// again by a call that is inside already (a scan whose visitor reads), also while another thread waits to close.
///
/// Threads: enter() from any; close() from one at a time, and not from inside a call: it would wait for itself.
class InFlight {
 public:
  /// Proof of a call under way; its end is the call's end. False when the object was closed.
  class Entry {
   public:
    Entry(Entry&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)) {}
    Entry& operator=(Entry&&) = delete;
    ~Entry() {
      if (owner_ != nullptr) owner_->leave();
    }
    explicit operator bool() const noexcept { return owner_ != nullptr; }

   private:
    friend class InFlight;
    explicit Entry(InFlight* owner) noexcept : owner_(owner) {}
    InFlight* owner_;
  };

  [[nodiscard]] Entry enter() noexcept {
    if ((state_.fetch_add(1, std::memory_order_acquire) & kClosed) == 0) return Entry(this);
    leave();
    return Entry(nullptr);
  }

  /// Refuses entries from now on and returns when none is left.
  void close() noexcept {
    std::uint64_t state = state_.fetch_or(kClosed, std::memory_order_acq_rel) | kClosed;
    while (state != kClosed) {
      state_.wait(state, std::memory_order_acquire);
      state = state_.load(std::memory_order_acquire);
    }
  }

 private:
  static constexpr std::uint64_t kClosed = std::uint64_t{1} << 63;

  void leave() noexcept {
    if (state_.fetch_sub(1, std::memory_order_release) == (kClosed | 1)) state_.notify_all();
  }

  std::atomic<std::uint64_t> state_{0};  ///< kClosed bit and the number of entries
};

}  // namespace cairn::storage

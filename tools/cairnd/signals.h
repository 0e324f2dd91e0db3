#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <thread>

#include "cairn/mutex.h"

namespace cairn::cairnd {

enum class SignalRequest : std::uint8_t { kStop, kReload };

/// Turns SIGTERM, SIGINT and SIGHUP into requests that another thread takes when it is ready, by a thread that waits
/// for them: no code runs in a signal handler. A second SIGTERM or SIGINT ends the process at once, with the status
/// 128 + its number, also while everything else hangs; one that follows the first within kSameStop is the same wish
/// (timeout(1) signals its child and then the group that the child is in).
class Signals {
 public:
  static constexpr std::chrono::milliseconds kSameStop{300};

  /// Blocks the signals in this thread and all it starts, and ignores SIGPIPE and SIGXFSZ. Call before any thread is started.
  static void block();

  /// Starts the waiting thread. Requires: block() was called.
  Signals();
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  /// The oldest request not taken yet, waiting up to `wait` for one.
  [[nodiscard]] std::optional<SignalRequest> take(std::chrono::milliseconds wait);

  [[nodiscard]] bool stop_requested() const;

 private:
  void watch();
  void push(SignalRequest request);

  mutable Mutex mutex_;
  CondVar arrived_;
  std::deque<SignalRequest> requests_ CAIRN_GUARDED_BY(mutex_);  ///< at most one of each kind
  bool stop_requested_ CAIRN_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace cairn::cairnd

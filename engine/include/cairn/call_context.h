#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>

#include "cairn/status.h"

namespace cairn {

/// Which of two calls that wait for the same thing goes first.
enum class Priority : std::uint8_t {
  kInteractive,  ///< somebody waits for the answer
  kBackground,   ///< it is wanted for later: what is kept is made anew, or warmed
};

/// On whose behalf a call runs, until when, and whether anybody still waits for it. The first argument of every call of
/// Engine. A default-constructed context has no deadline and cannot be cancelled: what an embedding program passes when
/// it does not care.
///
/// A call looks at its context before it begins, while it waits, and between the steps of long work. It gives up with
/// DEADLINE_EXCEEDED or CANCELLED, and then has changed nothing, unless the call's own comment says otherwise.
struct CallContext {
  /// The instant after which the answer is of no use. Take it from when the request arrived, not from when it is
  /// handled: time in a queue counts.
  std::optional<std::chrono::steady_clock::time_point> deadline;
  std::stop_token cancelled;  ///< stop is requested when nobody waits any more, such as when a client hangs up
  /// Stop is requested when the server begins to stop: waits for what others bring (an offset, a consumer) end, with
  /// UNAVAILABLE, while work goes on.
  std::stop_token stopping;
  std::string trace_id;   ///< written into log records that this call causes; empty: none
  std::string principal;  ///< who asks, as the door has verified; empty: nobody was asked
  std::string tenant;     ///< whose engine is meant; empty: the only one
  Priority priority = Priority::kInteractive;

  /// A context whose deadline is `time` from now.
  [[nodiscard]] static CallContext within(std::chrono::milliseconds time) {
    CallContext context;
    context.deadline = std::chrono::steady_clock::now() + time;
    return context;
  }

  /// Returns: OK while the call is worth going on with; CANCELLED; DEADLINE_EXCEEDED.
  [[nodiscard]] Status check() const {
    if (cancelled.stop_requested()) return {StatusCode::kCancelled, "the call was cancelled"};
    if (deadline && std::chrono::steady_clock::now() >= *deadline) {
      return deadline_exceeded("the deadline passed before the answer was ready");
    }
    return ok_status();
  }

  /// Waits on `changed` until `over()` holds, the deadline passes or the call is cancelled. `lock` is a lock of the
  /// mutex that `over` needs; give the lambda `CAIRN_REQUIRES` of it. Returns: over().
  template <class Lock, class Over>
  bool wait(std::condition_variable_any& changed, Lock& lock, Over over) const {
    if (!deadline) return changed.wait(lock, cancelled, std::move(over));
    return changed.wait_until(lock, cancelled, *deadline, std::move(over));
  }

  /// The same for what others bring, which may take until the deadline: ends also when `stopping` is requested.
  template <class Lock, class Over>
  bool wait_for_others(std::condition_variable_any& changed, Lock& lock, Over over) const {
    if (!stopping.stop_possible()) return wait(changed, lock, std::move(over));
    std::stop_source either;
    const auto end = [&either] { either.request_stop(); };
    const std::stop_callback when_cancelled(cancelled, end);
    const std::stop_callback when_stopping(stopping, end);
    CallContext waiting;
    waiting.deadline = deadline;
    waiting.cancelled = either.get_token();
    return waiting.wait(changed, lock, std::move(over));
  }

  /// Why wait_for_others() has ended before its time. Returns: CANCELLED; UNAVAILABLE, the server is stopping;
  /// DEADLINE_EXCEEDED.
  [[nodiscard]] Status gave_up() const {
    if (stopping.stop_requested() && !cancelled.stop_requested()) return unavailable("the server is stopping");
    return check();
  }
};

}  // namespace cairn

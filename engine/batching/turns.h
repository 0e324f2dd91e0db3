#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>

#include "cairn/call_context.h"
#include "cairn/mutex.h"
#include "cairn/status.h"

namespace cairn::batching {

/// Turns at computing: no more callers than there are processors compute at the same time, however many are under way.
/// Without it a hundred threads that all could run leave the few that serve sockets, and refuse what is too much, to
/// wait for a processor behind them.
///
/// Threads: any. No turn may be taken or held when it is destroyed.
class Turns {
 public:
  /// Who goes first of those who wait: what is nearly done, so that its memory is free again.
  enum class Step { kEnd, kBegin };

  explicit Turns(std::size_t at_once) : free_(at_once) {}
  ~Turns() = default;
  Turns(const Turns&) = delete;
  Turns& operator=(const Turns&) = delete;

  /// Waits for a turn, then runs `compute` in it and returns what it returned.
  /// Returns: CANCELLED or DEADLINE_EXCEEDED, as the call says, when no turn came in time. Then nothing has run.
  template <class Compute>
  [[nodiscard]] auto run(const CallContext& call, Step step, Compute compute) -> decltype(compute()) {
    CAIRN_RETURN_IF_ERROR(take(call, step));
    const GiveBack after{*this};
    return compute();
  }

  /// How many wait for a turn.
  [[nodiscard]] std::size_t waiting() const CAIRN_EXCLUDES(mutex_);

 private:
  struct Waiter {
    std::condition_variable_any came;
    bool has_turn = false;
  };
  using WaiterPtr = std::shared_ptr<Waiter>;
  struct GiveBack {
    ~GiveBack() { turns.give_back(); }
    Turns& turns;
  };

  [[nodiscard]] Status take(const CallContext& call, Step step) CAIRN_EXCLUDES(mutex_);
  void give_back() noexcept CAIRN_EXCLUDES(mutex_);
  [[nodiscard]] std::deque<WaiterPtr>& queue(Step step) CAIRN_REQUIRES(mutex_) {
    return step == Step::kEnd ? to_end_ : to_begin_;
  }

  mutable Mutex mutex_;
  std::size_t free_ CAIRN_GUARDED_BY(mutex_);
  std::deque<WaiterPtr> to_end_ CAIRN_GUARDED_BY(mutex_);
  std::deque<WaiterPtr> to_begin_ CAIRN_GUARDED_BY(mutex_);
};

}  // namespace cairn::batching

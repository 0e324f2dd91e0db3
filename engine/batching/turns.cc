#include "engine/batching/turns.h"

#include <algorithm>
#include <utility>

namespace cairn::batching {

Status Turns::take(const CallContext& call, Step step) {
  MutexLock lock(mutex_);
  if (free_ > 0) {
    --free_;
    return ok_status();
  }
  const auto waiter = std::make_shared<Waiter>();
  queue(step).push_back(waiter);
  const bool came = call.wait(waiter->came, lock, [&]() CAIRN_REQUIRES(mutex_) { return waiter->has_turn; });
  if (came) return ok_status();
  std::erase(queue(step), waiter);
  const Status why = call.check();
  return why.ok() ? deadline_exceeded("the deadline passed before the answer was ready") : why;
}

void Turns::give_back() noexcept {
  WaiterPtr next;
  {
    const MutexLock lock(mutex_);
    std::deque<WaiterPtr>& from = to_end_.empty() ? to_begin_ : to_end_;
    if (from.empty()) {
      ++free_;
      return;
    }
    next = std::move(from.front());
    from.pop_front();
    next->has_turn = true;
  }
  next->came.notify_one();
}

std::size_t Turns::waiting() const {
  const MutexLock lock(mutex_);
  return to_end_.size() + to_begin_.size();
}

}  // namespace cairn::batching

#include "engine/serving/admission/worker_pool.h"

#include <algorithm>
#include <utility>

#include "cairn/guarded.h"

namespace cairn::serving {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::milliseconds kPaceWindow{250};

Status expired_in_queue() { return deadline_exceeded("the deadline passed while the request waited for a thread"); }
Status stopping() { return {StatusCode::kUnavailable, "the server is stopping"}; }

}  // namespace

WorkerPool::WorkerPool(int threads, std::size_t queue_max, Logger log)
    : queue_max_(queue_max),
      log_(std::move(log)),
      running_(static_cast<std::size_t>(threads), std::stop_source(std::nostopstate)) {
  const auto workers = static_cast<std::size_t>(threads);
  threads_.reserve(workers + 1);
  for (std::size_t i = 0; i < workers; ++i) threads_.emplace_back([this, i] { work(i); });
  threads_.emplace_back([this] { expire(); });
}

WorkerPool::~WorkerPool() { stop(); }

/// Nobody waits for the answer: what the call has begun elsewhere ends as well.
void WorkerPool::drop(Call& call, const Status& why) noexcept {
  guarded(log_, "admission.exception", [&] {
    call.cancel.request_stop();
    call.refuse(why);
  });
}

void WorkerPool::submit(Call call) {
  call.context.cancelled = call.cancel.get_token();
  const Status taken = enqueue(call);
  if (!taken.ok()) return drop(call, taken);
  work_ready_.notify_one();
}

Status WorkerPool::enqueue(Call& call) {
  const MutexLock lock(mutex_);
  if (closed_ || queue_.size() >= queue_max_) {
    ++counts_.admitted;
    ++counts_.rejected;
    return closed_ ? stopping()
                   : resource_exhausted("the server has as much work queued as it may; try again in a moment");
  }
  const Time deadline = call.context.deadline.value_or(Time::max());
  if (hopeless(deadline)) {
    ++counts_.admitted;
    ++counts_.rejected;
    return resource_exhausted(
        "so much work is queued that this would not be reached before its deadline; try again in a moment, or give it "
        "more time");
  }
  queue_.push_back(std::move(call));
  ++counts_.admitted;  // after what may throw, so that the counts stay true
  // A call that finds an idle thread is taken at once. Waking the expiring thread for it would cost more than most
  // calls do, so it hears of those only that really wait.
  if (queue_.size() > idle_ && deadline < next_expiry_) {
    next_expiry_ = deadline;
    expiry_changed_.notify_one();
  }
  return {};
}

bool WorkerPool::hopeless(Time deadline) const {
  if (queue_.empty() || pace_ == Time::duration::zero() || deadline == Time::max()) return false;
  return deadline - steady_clock::now() < pace_ * static_cast<Time::rep>(queue_.size());
}

void WorkerPool::note_pace() {
  if (queue_.empty()) {
    window_begin_ = Time::max();
    pace_ = Time::duration::zero();
    return;
  }
  const Time now = steady_clock::now();
  if (window_begin_ == Time::max()) {
    window_begin_ = now;
    ended_ = 0;
    return;
  }
  ++ended_;
  if (now - window_begin_ < kPaceWindow) return;
  pace_ = (now - window_begin_) / static_cast<Time::rep>(ended_);
  window_begin_ = now;
  ended_ = 0;
}

LaneCounts WorkerPool::counts() const {
  const MutexLock lock(mutex_);
  LaneCounts counts = counts_;
  counts.queued = queue_.size();
  return counts;
}

void WorkerPool::close() {
  // What calls hold is run and destroyed outside the lock: it is code of others.
  std::deque<Call> dropped;
  std::vector<std::stop_source> running;
  {
    const MutexLock lock(mutex_);
    closed_ = true;
    dropped.swap(queue_);
    counts_.rejected += dropped.size();
    running = running_;
  }
  work_ready_.notify_all();
  expiry_changed_.notify_all();
  for (std::stop_source& call : running) call.request_stop();
  for (Call& call : dropped) drop(call, stopping());
}

void WorkerPool::stop() {
  close();
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void WorkerPool::work(std::size_t thread) {
  bool expired = false;
  while (std::optional<Call> call = next(thread, expired)) {
    if (expired) {
      drop(*call, expired_in_queue());
      continue;
    }
    guarded(log_, "admission.exception", [&] { call->run(std::move(call->context)); });
    call.reset();  // before it counts as completed: who awaits the count may destroy what the call holds
    finished(thread);
  }
}

/// Waits for the next call and moves it out of the queue. Returns none when the pool has closed.
std::optional<Call> WorkerPool::next(std::size_t thread, bool& expired) {
  const MutexLock lock(mutex_);
  ++idle_;
  while (!closed_ && queue_.empty()) work_ready_.wait(mutex_);
  --idle_;
  if (closed_) return std::nullopt;
  std::optional<Call> call = std::move(queue_.front());
  queue_.pop_front();
  // The expiring thread may be late, so a deadline is looked at here as well.
  expired = call->context.deadline && *call->context.deadline <= steady_clock::now();
  if (expired) {
    ++counts_.expired;
  } else {
    ++counts_.running;
    running_[thread] = call->cancel;
  }
  return call;
}

void WorkerPool::finished(std::size_t thread) {
  const MutexLock lock(mutex_);
  running_[thread] = std::stop_source(std::nostopstate);
  --counts_.running;
  ++counts_.completed;
  note_pace();
}

void WorkerPool::expire() {
  std::vector<Call> expired;
  while (wait_for_expiry()) {
    guarded(log_, "admission.exception", [&] {
      const MutexLock lock(mutex_);
      take_expired(steady_clock::now(), &expired);
    });
    for (Call& call : expired) drop(call, expired_in_queue());
    expired.clear();
  }
}

/// Waits until a deadline has passed. Returns: false when the pool has closed.
bool WorkerPool::wait_for_expiry() {
  const MutexLock lock(mutex_);
  while (!closed_ && steady_clock::now() < next_expiry_) {
    // Time::max() overflows inside some clocks' conversions, so no deadline is waited for without one.
    if (next_expiry_ == Time::max()) {
      expiry_changed_.wait(mutex_);
    } else {
      expiry_changed_.wait_until(mutex_, next_expiry_);
    }
  }
  return !closed_;
}

/// Moves the calls whose deadline has passed out of the queue, and finds out when to look again. The queue is short
/// enough to be read from end to end.
void WorkerPool::take_expired(Time now, std::vector<Call>* expired) {
  expired->reserve(queue_.size());  // what may throw goes first: no call may be lost between queue and list
  next_expiry_ = Time::max();
  auto kept = queue_.begin();
  for (Call& call : queue_) {
    const Time deadline = call.context.deadline.value_or(Time::max());
    if (deadline <= now) {
      expired->push_back(std::move(call));
      continue;
    }
    next_expiry_ = std::min(next_expiry_, deadline);
    if (&*kept != &call) *kept = std::move(call);
    ++kept;
  }
  queue_.erase(kept, queue_.end());
  counts_.expired += expired->size();
}

}  // namespace cairn::serving

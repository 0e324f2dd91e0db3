#include "engine/batching/batcher.h"

#include <algorithm>
#include <thread>
#include <utility>

namespace cairn::batching {

namespace {

/// Of a full batch, the part that background questions have when interactive ones would fill it.
constexpr std::size_t kBackgroundShare = 8;
/// How much the newest scan counts in what a question is expected to take.
constexpr double kNewest = 0.2;

std::size_t processors() { return std::max<std::size_t>(1, std::thread::hardware_concurrency()); }

template <class Bounds, class Value>
std::size_t bucket_of(const Bounds& bounds, Value value) {
  return static_cast<std::size_t>(std::lower_bound(bounds.begin(), bounds.end(), value) - bounds.begin());
}

Status stopping() { return unavailable("the engine is closing"); }

}  // namespace

struct Batcher::Batch {
  std::vector<WaiterPtr> members;  ///< for who leads it alone
  Mutex mutex;
  CondVar answered;
  std::size_t at_work CAIRN_GUARDED_BY(mutex) = 0;  ///< members that answer, in the leader's sitting

  void begin_one() CAIRN_EXCLUDES(mutex) {
    const MutexLock lock(mutex);
    ++at_work;
  }
  void end_one() CAIRN_EXCLUDES(mutex) {
    const MutexLock lock(mutex);
    if (--at_work == 0) answered.notify_one();
  }
  void wait_for_all() CAIRN_EXCLUDES(mutex) {
    const MutexLock lock(mutex);
    while (at_work > 0) answered.wait(mutex);
  }
};

/// Leads one batch. Whatever happens to who leads, the scan is passed on, nobody waits for ever, and the sitting ends
/// after all who answer in it.
class Batcher::Conduct {
 public:
  Conduct(Batcher& batcher, std::shared_ptr<Batch> batch) : batcher_(batcher), batch_(std::move(batch)) {}
  Conduct(const Conduct&) = delete;
  Conduct& operator=(const Conduct&) = delete;
  ~Conduct() {
    pass_on();
    if (!told_) tell(Waiter::State::kFailed);
    batch_->wait_for_all();
    batch_->members.clear();  // each of them has the batch
  }

  const Sitting& scan(Asked& own) {
    std::vector<Asked*> asked = {&own};
    asked.reserve(1 + batch_->members.size());
    for (const WaiterPtr& member : batch_->members) asked.push_back(member->asked.get());
    const Clock::time_point begun = Clock::now();
    sitting_.emplace(batcher_.recommender_, asked);
    batcher_.note_scan(asked.size(), Clock::now() - begun);
    pass_on();
    tell(Waiter::State::kReady);
    return *sitting_;
  }

 private:
  void pass_on() {
    if (!std::exchange(passed_on_, true)) batcher_.pass_on();
  }

  void tell(Waiter::State state) {
    told_ = true;
    for (const WaiterPtr& member : batch_->members) {
      {
        const MutexLock lock(member->mutex);
        if (member->state != Waiter::State::kTaken) continue;  // it has left
        if (state == Waiter::State::kReady) batch_->begin_one();
        member->state = state;
        member->sitting = sitting_ ? &*sitting_ : nullptr;
        member->batch = batch_;
      }
      member->changed.notify_all();
    }
  }

  Batcher& batcher_;
  const std::shared_ptr<Batch> batch_;
  std::optional<Sitting> sitting_;
  bool passed_on_ = false;
  bool told_ = false;
};

Batcher::Batcher(const ranking::Recommender& recommender, const BatchingOptions& options)
    : recommender_(recommender),
      options_(options),
      at_once_(options.at_once > 0 ? options.at_once : processors()),
      turns_(processors()) {}

Batcher::~Batcher() { stop(); }

// ---- one question -------------------------------------------------------------------------------------------------

Result<Recommendations> Batcher::answer(const CallContext& call, const RecommendRequest& request, EventTime now) {
  {
    const MutexLock lock(mutex_);
    ++counts_.admitted;
  }
  bool refused = false;
  Result<Recommendations> answer = internal_error("a question was not answered");
  // Counts what became of it also when something throws.
  struct Count {
    ~Count() {
      const StatusCode code = answer.status().code();
      const MutexLock lock(batcher.mutex_);
      BatchingStatus& counts = batcher.counts_;
      ++(refused                                 ? counts.rejected
         : code == StatusCode::kDeadlineExceeded ? counts.expired
         : code == StatusCode::kCancelled        ? counts.cancelled
                                                 : counts.completed);
    }
    Batcher& batcher;
    const bool& refused;
    const Result<Recommendations>& answer;
  };
  const Count count{*this, refused, answer};
  answer = ask(call, request, now, &refused);
  return answer;
}

Result<Recommendations> Batcher::ask(const CallContext& call, const RecommendRequest& request, EventTime now,
                                     bool* refused) {
  if (options_.size <= 1) return recommender_.recommend(call, request, now);
  CAIRN_RETURN_IF_ERROR(recommender_.wait_for_offset(call, request));  // not in a turn, which others need
  CAIRN_ASSIGN_OR_RETURN(const auto asked,
                         turns_.run(call, Turns::Step::kBegin, [&] { return recommender_.read(call, request, now); }));
  auto place = take_place(call, asked);
  if (!place.ok()) {
    *refused = true;
    return place.status();
  }
  return *place == nullptr ? lead(call, asked) : wait(call, *place, refused);
}

Result<Batcher::WaiterPtr> Batcher::take_place(const CallContext& call, const std::shared_ptr<Asked>& asked) {
  const MutexLock lock(mutex_);
  if (stopped_) return stopping();
  if (scans_ < at_once_) {
    ++scans_;
    count_wait({});
    return WaiterPtr();
  }
  CAIRN_RETURN_IF_ERROR(refusal(call));
  auto waiter = std::make_shared<Waiter>();
  waiter->asked = asked;
  waiter->since = Clock::now();
  waiter->priority = call.priority;
  (call.priority == Priority::kBackground ? background_ : interactive_).push_back(waiter);
  return waiter;
}

/// Whoever could only wait in vain is told at once, while there is still time to ask elsewhere.
Status Batcher::refusal(const CallContext& call) const {
  const bool background = call.priority == Priority::kBackground;
  const std::size_t before = interactive_.size() + (background ? background_.size() : 0);
  const std::size_t most = background ? options_.queue / 2 : options_.queue;
  if (interactive_.size() + background_.size() >= most) {
    return resource_exhausted("as many questions wait as may (batching.queue); try again in a moment");
  }
  if (!call.deadline) return ok_status();
  const double wait = seconds_a_question_ * static_cast<double>(before) / static_cast<double>(at_once_);
  const double left = std::chrono::duration<double>(*call.deadline - Clock::now()).count();
  if (wait <= left) return ok_status();
  return resource_exhausted(
      "so many questions wait that this one would not be answered before its deadline; try again in a moment, or give "
      "it more time");
}

Result<Recommendations> Batcher::wait(const CallContext& call, const WaiterPtr& waiter, bool* refused) {
  using State = Waiter::State;
  State state = State::kWaits;
  const Sitting* sitting = nullptr;
  std::shared_ptr<Batch> batch;
  bool came = false;
  {
    MutexLock lock(waiter->mutex);
    came = call.wait(waiter->changed, lock, [&]() CAIRN_REQUIRES(waiter->mutex) {
      return waiter->state != State::kWaits && waiter->state != State::kTaken;
    });
    state = waiter->state;
    sitting = waiter->sitting;
    batch = waiter->batch;
  }
  if (!came) return give_up(call, waiter);
  switch (state) {
    case State::kLeads:
      return lead(call, waiter->asked);
    case State::kReady: {
      struct End {
        ~End() { batch.end_one(); }
        Batch& batch;
      };
      const End end{*batch};
      return finish(call, *sitting, *waiter->asked);
    }
    case State::kRefused:
      *refused = true;
      return stopping();
    default:
      return internal_error("the scan that this question was part of failed inside the server; its log says why");
  }
}

/// The call's deadline has passed, or it was cancelled.
Status Batcher::give_up(const CallContext& call, const WaiterPtr& waiter) {
  using State = Waiter::State;
  State was = State::kWaits;
  std::shared_ptr<Batch> batch;
  {
    const MutexLock lock(mutex_);
    const MutexLock own(waiter->mutex);
    was = std::exchange(waiter->state, State::kLeft);
    batch = waiter->batch;
    if (was == State::kWaits) {
      std::erase(waiter->priority == Priority::kBackground ? background_ : interactive_, waiter);
    }
  }
  // What was handed over in the meantime is handed back.
  if (was == State::kLeads) pass_on();
  if (was == State::kReady) batch->end_one();
  const Status gave_up = call.check();
  return gave_up.ok() ? deadline_exceeded("the deadline passed before the answer was ready") : gave_up;
}

// ---- batches ------------------------------------------------------------------------------------------------------

Result<Recommendations> Batcher::lead(const CallContext& call, const std::shared_ptr<Asked>& own) {
  Conduct conduct(*this, gather());
  return finish(call, conduct.scan(*own), *own);
}

Result<Recommendations> Batcher::finish(const CallContext& call, const Sitting& sitting, Asked& asked) {
  return turns_.run(call, Turns::Step::kEnd, [&] { return sitting.answer(call, asked); });
}

std::shared_ptr<Batcher::Batch> Batcher::gather() {
  auto batch = std::make_shared<Batch>();
  batch->members.reserve(options_.size);
  const Clock::time_point now = Clock::now();
  const MutexLock lock(mutex_);
  const std::size_t most = options_.size - 1;
  const std::size_t for_background = std::min(background_.size(), options_.size / kBackgroundShare);
  const auto take = [&](std::deque<WaiterPtr>& from, std::size_t up_to) CAIRN_REQUIRES(mutex_) {
    while (!from.empty() && batch->members.size() < up_to) {
      batch->members.push_back(std::move(from.front()));
      from.pop_front();
      count_wait(now - batch->members.back()->since);
      move_to(*batch->members.back(), Waiter::State::kTaken);
    }
  };
  take(interactive_, most - std::min(most, for_background));
  take(background_, most);
  take(interactive_, most);
  const std::size_t size = batch->members.size() + 1;
  ++counts_.batches;
  counts_.scanned += size;
  ++counts_.sizes[bucket_of(BatchingStatus::kSizeBounds, size)];
  return batch;
}

void Batcher::pass_on() {
  WaiterPtr next;
  {
    const MutexLock lock(mutex_);
    next = take_first();
    if (next) {
      count_wait(Clock::now() - next->since);
      move_to(*next, Waiter::State::kLeads);
    } else {
      --scans_;
    }
  }
  if (next) next->changed.notify_all();
}

void Batcher::note_scan(std::size_t questions, Clock::duration took) {
  const double seconds = std::chrono::duration<double>(took).count() / static_cast<double>(questions);
  const MutexLock lock(mutex_);
  seconds_a_question_ += (seconds_a_question_ == 0.0 ? 1.0 : kNewest) * (seconds - seconds_a_question_);
}

Batcher::WaiterPtr Batcher::take_first() {
  std::deque<WaiterPtr>& from = interactive_.empty() ? background_ : interactive_;
  if (from.empty()) return nullptr;
  WaiterPtr first = std::move(from.front());
  from.pop_front();
  return first;
}

void Batcher::move_to(Waiter& waiter, Waiter::State state) {
  const MutexLock lock(waiter.mutex);
  waiter.state = state;
}

void Batcher::count_wait(Clock::duration waited) {
  const double seconds = std::chrono::duration<double>(waited).count();
  ++counts_.waited[bucket_of(BatchingStatus::kWaitBounds, seconds)];
  counts_.waited_seconds += seconds;
}

void Batcher::stop() {
  std::vector<WaiterPtr> refused;
  {
    const MutexLock lock(mutex_);
    stopped_ = true;
    while (WaiterPtr first = take_first()) {
      move_to(*first, Waiter::State::kRefused);
      refused.push_back(std::move(first));
    }
  }
  for (const WaiterPtr& waiter : refused) waiter->changed.notify_all();
}

BatchingStatus Batcher::status() const {
  const MutexLock lock(mutex_);
  BatchingStatus status = counts_;
  status.size = options_.size;
  status.at_once = at_once_;
  status.queue = options_.queue;
  status.waiting = interactive_.size() + background_.size();
  status.running =
      status.admitted - status.completed - status.rejected - status.expired - status.cancelled - status.waiting;
  return status;
}

}  // namespace cairn::batching

#include "engine/batching/batcher.h"

#include <algorithm>
#include <exception>
#include <span>
#include <string>
#include <thread>
#include <utility>

namespace cairn::batching {

namespace {

/// Of full batches, the part that background questions have when interactive ones would fill them.
constexpr std::size_t kBackgroundShare = 8;
/// How much the newest batch counts in what a question is expected to take.
constexpr double kNewest = 0.2;

std::size_t processors() { return std::max<std::size_t>(1, std::thread::hardware_concurrency()); }

template <class Bounds, class Value>
std::size_t bucket_of(const Bounds& bounds, Value value) {
  return static_cast<std::size_t>(std::lower_bound(bounds.begin(), bounds.end(), value) - bounds.begin());
}

Status stopping() { return unavailable("the engine is closing"); }

/// A question of one batch that throws fails alone.
template <class Step>
auto attempt(Step step) -> decltype(step()) {
  try {
    return step();
  } catch (const std::exception& thrown) {
    return internal_error(std::string("the question failed inside the server: ") + thrown.what());
  }
}

}  // namespace

/// One of the scans that may run at the same time; waits until it may.
class Batcher::Scanning {
 public:
  explicit Scanning(Batcher& batcher) : batcher_(batcher) {
    const MutexLock lock(batcher_.mutex_);
    while (batcher_.scanning_ >= batcher_.at_once_) batcher_.scan_over_.wait(batcher_.mutex_);
    ++batcher_.scanning_;
  }
  ~Scanning() {
    {
      const MutexLock lock(batcher_.mutex_);
      --batcher_.scanning_;
    }
    batcher_.scan_over_.notify_one();
  }
  Scanning(const Scanning&) = delete;
  Scanning& operator=(const Scanning&) = delete;

 private:
  Batcher& batcher_;
};

/// A question that waits for what its caller has sent before.
class Batcher::Awaiting {
 public:
  explicit Awaiting(Batcher& batcher) : batcher_(batcher) {
    const MutexLock lock(batcher.mutex_);
    --batcher.running_;
    ++batcher.awaiting_;
  }
  Awaiting(const Awaiting&) = delete;
  Awaiting& operator=(const Awaiting&) = delete;
  ~Awaiting() {
    const MutexLock lock(batcher_.mutex_);
    --batcher_.awaiting_;
    ++batcher_.running_;
  }

 private:
  Batcher& batcher_;
};

/// Leads one batch, from the rows of its questions to their answers. Whatever happens to who leads, the next batch is
/// led by somebody, and nobody waits for ever.
class Batcher::Conduct {
 public:
  /// Whose thread it is.
  struct Own {
    const CallContext& call;
    const RecommendRequest& request;
    EventTime now;
  };

  Conduct(Batcher& batcher, std::vector<WaiterPtr> members) : batcher_(batcher), members_(std::move(members)) {}
  Conduct(const Conduct&) = delete;
  Conduct& operator=(const Conduct&) = delete;
  ~Conduct() {
    for (const WaiterPtr& member : members_) {
      deliver(*member,
              internal_error("the scan that this question was part of failed inside the server; its log says why"));
    }
    batcher_.pass_on(1 + members_.size());
  }

  Result<Recommendations> run(const Own& own) {
    const Clock::time_point begun = Clock::now();
    const Read own_read = read(own.call, own.request, own.now);
    std::vector<Asked*> asked;
    asked.reserve(1 + members_.size());
    if (own_read.ok()) asked.push_back(own_read->get());
    std::vector<std::shared_ptr<Asked>> of_members(members_.size());  // null: it has left, or its answer is a failure
    for (std::size_t i = 0; i < members_.size(); ++i) {
      Waiter& member = *members_[i];
      if (has_left(member)) continue;
      Read member_read = read(member.call, member.request, member.now);
      if (!member_read.ok()) {
        deliver(member, member_read.status());
        continue;
      }
      of_members[i] = *std::move(member_read);
      asked.push_back(of_members[i].get());
    }
    if (asked.empty()) return own_read.status();
    const auto sitting = scan(asked);
    // The own answer last: it cannot go before all are done, and each of the others goes when it is there.
    for (std::size_t i = 0; i < members_.size(); ++i) {
      Waiter& member = *members_[i];
      if (!of_members[i] || has_left(member)) continue;
      deliver(member, attempt([&] { return sitting->answer(member.call, *of_members[i]); }));
    }
    Result<Recommendations> own_answer = own_read.ok() ? attempt([&] { return sitting->answer(own.call, **own_read); })
                                                       : Result<Recommendations>(own_read.status());
    batcher_.note_batch(1 + members_.size(), Clock::now() - begun);
    return own_answer;
  }

 private:
  using Read = Result<std::shared_ptr<Asked>>;

  [[nodiscard]] Read read(const CallContext& call, const RecommendRequest& request, EventTime now) const {
    return attempt([&] { return batcher_.recommender_.read(call, request, now); });
  }
  [[nodiscard]] std::unique_ptr<Sitting> scan(std::span<Asked* const> asked) const {
    const Scanning one(batcher_);
    return std::make_unique<Sitting>(batcher_.recommender_, asked);
  }
  static bool has_left(Waiter& member) {
    const MutexLock lock(member.mutex);
    return member.state == Waiter::State::kLeft;
  }
  static void deliver(Waiter& member, Result<Recommendations> answer) {
    {
      const MutexLock lock(member.mutex);
      if (member.state != Waiter::State::kTaken) return;  // it has left, or has its answer
      member.answer = std::move(answer);
      member.state = Waiter::State::kAnswered;
    }
    member.changed.notify_all();
  }

  Batcher& batcher_;
  const std::vector<WaiterPtr> members_;
};

Batcher::Batcher(const ranking::Recommender& recommender, const BatchingOptions& options, std::size_t led_at_once)
    : recommender_(recommender),
      options_(options),
      at_once_(options.at_once > 0 ? options.at_once : processors()),
      led_at_once_(led_at_once > 0 ? led_at_once : std::max(at_once_, processors())) {}

Batcher::~Batcher() { stop(); }

// ---- one question -------------------------------------------------------------------------------------------------

Result<Recommendations> Batcher::answer(const CallContext& call, const RecommendRequest& request, EventTime now) {
  {
    const MutexLock lock(mutex_);
    ++counts_.admitted;
    ++running_;
  }
  bool refused = false;
  Result<Recommendations> answer = internal_error("a question was not answered");
  // Counts what became of it also when something throws.
  struct Count {
    ~Count() {
      const StatusCode code = answer.status().code();
      const MutexLock lock(batcher.mutex_);
      BatchingStatus& counts = batcher.counts_;
      --batcher.running_;
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
  if (request.min_offset) {  // alone: others would wait for it, too
    const Awaiting until_reached(*this);
    CAIRN_RETURN_IF_ERROR(recommender_.wait_for_offset(call, request));
  }
  auto waiter = take_place(call, request, now);
  if (!waiter.ok()) {
    *refused = true;
    return waiter.status();
  }
  return *waiter == nullptr ? lead(call, request, now) : wait(*waiter, refused);
}

Result<Batcher::WaiterPtr> Batcher::take_place(const CallContext& call, const RecommendRequest& request,
                                               EventTime now) {
  const MutexLock lock(mutex_);
  if (stopped_) return stopping();
  if (led_ < led_at_once_) {
    ++led_;
    count_wait({});
    return WaiterPtr();
  }
  CAIRN_RETURN_IF_ERROR(refusal(call));
  auto waiter = std::make_shared<Waiter>(call, request, now);
  (call.priority == Priority::kBackground ? background_ : interactive_).push_back(waiter);
  --running_;
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
  const double wait = seconds_a_question_ * static_cast<double>(before) / static_cast<double>(led_at_once_);
  const double left = std::chrono::duration<double>(*call.deadline - Clock::now()).count();
  if (wait <= left) return ok_status();
  return resource_exhausted(
      "so many questions wait that this one would not be answered before its deadline; try again in a moment, or give "
      "it more time");
}

Result<Recommendations> Batcher::wait(const WaiterPtr& waiter, bool* refused) {
  using State = Waiter::State;
  State state = State::kWaits;
  {
    MutexLock lock(waiter->mutex);
    const bool came = waiter->call.wait(waiter->changed, lock, [&]() CAIRN_REQUIRES(waiter->mutex) {
      return waiter->state != State::kWaits && waiter->state != State::kTaken;
    });
    state = came ? waiter->state : State::kLeft;
    if (state == State::kAnswered) return *std::move(waiter->answer);
  }
  if (state == State::kLeft) return give_up(waiter);
  if (state == State::kLeads) return lead(waiter->call, waiter->request, waiter->now);
  *refused = true;
  return stopping();
}

/// The call's deadline has passed, or it was cancelled.
Status Batcher::give_up(const WaiterPtr& waiter) {
  using State = Waiter::State;
  State was = State::kWaits;
  {
    const MutexLock lock(mutex_);
    const MutexLock own(waiter->mutex);
    was = std::exchange(waiter->state, State::kLeft);
    if (was == State::kWaits) {
      std::erase(waiter->call.priority == Priority::kBackground ? background_ : interactive_, waiter);
      ++running_;
    }
  }
  if (was == State::kLeads) pass_on(0);  // what was handed over in the meantime is handed on
  const Status gave_up = waiter->call.check();
  return gave_up.ok() ? deadline_exceeded("the deadline passed before the answer was ready") : gave_up;
}

// ---- batches ------------------------------------------------------------------------------------------------------

Result<Recommendations> Batcher::lead(const CallContext& call, const RecommendRequest& request, EventTime now) {
  Conduct conduct(*this, gather());
  return conduct.run({call, request, now});
}

std::vector<Batcher::WaiterPtr> Batcher::gather() {
  std::vector<WaiterPtr> members;
  const Clock::time_point now = Clock::now();
  const MutexLock lock(mutex_);
  // No more than a fair share: one who took all would work long, and beside it the others lead one small batch after
  // the other.
  const std::size_t under_way = interactive_.size() + background_.size() + in_batches_ + 1;
  const std::size_t most = std::min(options_.size, (under_way + led_at_once_ - 1) / led_at_once_) - 1;
  owed_to_background_ = std::min(owed_to_background_ + most + 1, options_.size);
  const std::size_t for_background = std::min({background_.size(), owed_to_background_ / kBackgroundShare, most});
  owed_to_background_ -= for_background * kBackgroundShare;
  members.reserve(std::min(most, interactive_.size() + background_.size()));
  const auto take = [&](std::deque<WaiterPtr>& from, std::size_t up_to) CAIRN_REQUIRES(mutex_) {
    while (!from.empty() && members.size() < up_to) {
      members.push_back(std::move(from.front()));
      from.pop_front();
      ++running_;
      count_wait(now - members.back()->since);
      move_to(*members.back(), Waiter::State::kTaken);
    }
  };
  take(interactive_, most - for_background);
  take(background_, most);
  take(interactive_, most);
  const std::size_t size = members.size() + 1;
  in_batches_ += size;
  ++counts_.batches;
  counts_.scanned += size;
  ++counts_.sizes[bucket_of(BatchingStatus::kSizeBounds, size)];
  return members;
}

void Batcher::pass_on(std::size_t answered) {
  WaiterPtr next;
  {
    const MutexLock lock(mutex_);
    in_batches_ -= answered;
    next = take_first();
    if (next) {
      count_wait(Clock::now() - next->since);
      move_to(*next, Waiter::State::kLeads);
    } else {
      --led_;
    }
  }
  if (next) next->changed.notify_all();
}

void Batcher::note_batch(std::size_t questions, Clock::duration took) {
  const double seconds = std::chrono::duration<double>(took).count() / static_cast<double>(questions);
  const MutexLock lock(mutex_);
  seconds_a_question_ += (seconds_a_question_ == 0.0 ? 1.0 : kNewest) * (seconds - seconds_a_question_);
}

Batcher::WaiterPtr Batcher::take_first() {
  std::deque<WaiterPtr>& from = interactive_.empty() ? background_ : interactive_;
  if (from.empty()) return nullptr;
  WaiterPtr first = std::move(from.front());
  from.pop_front();
  ++running_;
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
  status.waiting = interactive_.size() + background_.size() + awaiting_;
  status.running = running_;
  return status;
}

}  // namespace cairn::batching

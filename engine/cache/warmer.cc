#include "engine/cache/warmer.h"

#ifdef __linux__
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <algorithm>
#include <string>
#include <utility>

namespace cairn::cache {

namespace {

constexpr std::chrono::milliseconds kLook{1'000};  ///< for changes
constexpr int kPausesARound = 4;

/// Whoever asks comes first. On Linux a thread has a priority of its own.
void give_way_to_others() {
#ifdef __linux__
  constexpr int kLast = 19;
  static_cast<void>(::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), kLast));
#endif
}

}  // namespace

Warmer::Warmer(Options options, Plan plan, Make make, Generation generation, Logger log)
    : options_(options),
      plan_(std::move(plan)),
      make_(std::move(make)),
      generation_(std::move(generation)),
      log_(std::move(log)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

void Warmer::stop() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
}

AnswerWarmingStatus Warmer::status() const {
  const MutexLock lock(mutex_);
  return status_;
}

void Warmer::run(const std::stop_token& stop) {
  give_way_to_others();
  for (;;) {
    const std::uint64_t generation = generation_();
    round(stop);
    if (!wait_for_next(stop, generation)) return;
  }
}

bool Warmer::wait_for_next(const std::stop_token& stop, std::uint64_t generation) {
  using std::chrono::milliseconds;
  MutexLock lock(mutex_);
  const milliseconds pause = std::max(kLook, kPausesARound * milliseconds(status_.last_ms));
  milliseconds waited{0};
  while (!stop.stop_requested()) {
    const bool changed = waited >= pause && generation_() != generation;
    if (waited >= options_.every || changed) return true;
    const milliseconds next = std::min(kLook, options_.every - waited);
    static_cast<void>(stopped_.wait_for(lock, stop, next, [] { return false; }));
    waited += next;
  }
  return false;
}

void Warmer::round(const std::stop_token& stop) {
  const auto start = std::chrono::steady_clock::now();
  const std::vector<RecommendRequest> plan = plan_();
  {
    const MutexLock lock(mutex_);
    ++status_.rounds;
    status_.running = true;
    status_.planned = plan.size();
    status_.done = 0;
  }
  CallContext call = CallContext::within(options_.time);
  call.cancelled = stop;
  Status ended;
  Status failure;
  for (const RecommendRequest& request : plan) {
    ended = call.check();
    if (!ended.ok()) break;
    const Result<bool> made = make_(call, request);
    if (!made.ok()) {
      ended = call.check();
      if (!ended.ok()) break;
      if (failure.ok()) failure = made.status();
    }
    const MutexLock lock(mutex_);
    status_.done += made.ok() ? 1 : 0;
    status_.computed += made.ok() && *made ? 1 : 0;
    status_.failed += made.ok() ? 0 : 1;
  }
  const auto took = std::chrono::steady_clock::now() - start;
  end_round(std::chrono::duration_cast<std::chrono::milliseconds>(took), ended, failure);
}

void Warmer::end_round(std::chrono::milliseconds took, const Status& ended, const Status& failure) {
  AnswerWarmingStatus now;
  const bool late = ended.code() == StatusCode::kDeadlineExceeded;
  {
    const MutexLock lock(mutex_);
    status_.running = false;
    status_.cut_short += late ? 1 : 0;
    status_.last_ms = static_cast<std::uint64_t>(took.count());
    now = status_;
  }
  if (ended.code() == StatusCode::kCancelled) return;
  const std::string message = std::to_string(now.done) + " of " + std::to_string(now.planned) +
                              " answers for nobody in particular are warm" +
                              (late ? "; cache.warm_time was over before the rest" : "") +
                              (failure.ok() ? "" : "; the first failure: " + failure.message());
  const std::string milliseconds = std::to_string(now.last_ms);
  const bool first = now.rounds == 1 || (late && now.cut_short == 1);
  first ? log_.info("answers.warmed", message, {{"ms", milliseconds}})
        : log_.debug("answers.warmed", message, {{"ms", milliseconds}});
}

}  // namespace cairn::cache

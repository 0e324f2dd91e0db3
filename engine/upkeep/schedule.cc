#include "engine/upkeep/schedule.h"

#include <utility>

#include "cairn/guarded.h"

namespace cairn::upkeep {

Schedule::Schedule(std::vector<Chore> chores, std::chrono::milliseconds period, Logger log)
    : chores_(std::move(chores)),
      period_(period),
      log_(std::move(log)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

void Schedule::call() {
  {
    const MutexLock lock(mutex_);
    called_ = true;
  }
  called_cv_.notify_all();
}

void Schedule::stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void Schedule::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    for (const Chore& chore : chores_) {
      if (stop.stop_requested()) return;
      guarded(log_, "upkeep.exception", chore);
    }
    MutexLock lock(mutex_);
    called_cv_.wait_for(lock, stop, period_, [this]() CAIRN_REQUIRES(mutex_) { return called_; });
    called_ = false;
  }
}

}  // namespace cairn::upkeep

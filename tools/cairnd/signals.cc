#include "tools/cairnd/signals.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>

namespace cairn::cairnd {
namespace {

/// Wakes the waiting thread when it shall end; no one else sends it.
int wake_signal() { return SIGRTMIN; }

sigset_t watched_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, wake_signal()}) ::sigaddset(&set, signal);
  return set;
}

}  // namespace

void Signals::block() {
  const sigset_t set = watched_signals();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is an error to whoever writes, who names it
}

Signals::Signals() : thread_([this] { watch(); }) {}

Signals::~Signals() {
  ::pthread_kill(thread_.native_handle(), wake_signal());
  thread_.join();
}

void Signals::watch() {
  const sigset_t set = watched_signals();
  std::optional<std::chrono::steady_clock::time_point> first_stop;
  for (;;) {
    int signal = 0;
    if (::sigwait(&set, &signal) != 0) continue;
    if (signal == wake_signal()) return;
    if (signal == SIGHUP) {
      push(SignalRequest::kReload);
      continue;
    }
    const auto now = std::chrono::steady_clock::now();
    if (first_stop && now - *first_stop >= kSameStop) ::_exit(128 + signal);
    if (first_stop) continue;
    first_stop = now;
    push(SignalRequest::kStop);
  }
}

void Signals::push(SignalRequest request) {
  const MutexLock lock(mutex_);
  if (request == SignalRequest::kStop) stop_requested_ = true;
  if (std::find(requests_.begin(), requests_.end(), request) == requests_.end()) requests_.push_back(request);
  arrived_.notify_all();
}

std::optional<SignalRequest> Signals::take(std::chrono::milliseconds wait) {
  const auto end = std::chrono::steady_clock::now() + wait;
  const MutexLock lock(mutex_);
  while (requests_.empty()) {
    const bool late = arrived_.wait_until(mutex_, end) == std::cv_status::timeout;
    if (late && requests_.empty()) return std::nullopt;
  }
  const SignalRequest request = requests_.front();
  requests_.pop_front();
  return request;
}

bool Signals::stop_requested() const {
  const MutexLock lock(mutex_);
  return stop_requested_;
}

}  // namespace cairn::cairnd

#include "tools/cairnd/signals.h"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>

namespace cairn::cairnd::test {
namespace {

using std::chrono::milliseconds;
constexpr milliseconds kPatience{30'000};

/// Runs `body` in a process of its own, since signals are the whole process's. Returns: its exit code.
template <class Body>
int in_child(Body body) {
  const pid_t child = ::fork();
  if (child == 0) {
    Signals::block();
    Signals signals;
    ::_exit(body(signals));
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

TEST_CASE("signals become requests, in their order") {
  CHECK(in_child([](Signals& signals) {
          ::kill(::getpid(), SIGHUP);
          if (signals.take(kPatience) != SignalRequest::kReload) return 1;
          ::kill(::getpid(), SIGTERM);
          if (signals.take(kPatience) != SignalRequest::kStop) return 2;
          return signals.stop_requested() ? 0 : 3;
        }) == 0);
  CHECK(in_child([](Signals& signals) {
          ::kill(::getpid(), SIGINT);
          return signals.take(kPatience) == SignalRequest::kStop ? 0 : 1;
        }) == 0);
}

TEST_CASE("nothing is requested without a signal, and a closed pipe is no death") {
  CHECK(in_child([](Signals& signals) {
          ::kill(::getpid(), SIGPIPE);
          return signals.take(milliseconds{20}) ? 1 : 0;
        }) == 0);
}

TEST_CASE("a file that may not grow is an error to whoever writes, and not the end") {
  const int end = in_child([](Signals&) {
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_FSIZE, &none);
    std::FILE* file = std::tmpfile();
    return ::write(::fileno(file), "x", 1) == -1 && errno == EFBIG ? 0 : 1;
  });
  CHECK(end == 0);
}

TEST_CASE("the same wish sent twice at once is one wish") {
  CHECK(in_child([](Signals& signals) {
          ::kill(::getpid(), SIGTERM);
          if (signals.take(kPatience) != SignalRequest::kStop) return 1;
          ::kill(::getpid(), SIGTERM);
          return signals.take(milliseconds{20}) ? 2 : 0;
        }) == 0);
}

TEST_CASE("a second stop ends the process although it hangs") {
  CHECK(in_child([](Signals& signals) {
          ::kill(::getpid(), SIGTERM);
          if (signals.take(kPatience) != SignalRequest::kStop) return 1;
          ::usleep(static_cast<useconds_t>(Signals::kSameStop.count() + 50) * 1'000);  // until a second one counts
          ::kill(::getpid(), SIGTERM);
          for (;;) ::pause();
        }) == 128 + SIGTERM);
}

}  // namespace
}  // namespace cairn::cairnd::test

// The log that librdkafka's threads write to, which may go on after the source is gone.
#include <doctest/doctest.h>
#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <string>
#include <thread>

#include "streaming/kafka/client_log.h"

namespace cairn::streaming::kafka {
namespace {

/// Whether a thread of this process sleeps, as proc(5) tells it: the state follows the name in brackets.
bool asleep(pid_t thread) {
  std::ifstream in("/proc/self/task/" + std::to_string(thread) + "/stat");
  std::string stat;
  std::getline(in, stat);
  const std::size_t end = stat.rfind(") ");
  return end != std::string::npos && stat[end + 2] == 'S';
}

TEST_CASE("a log is written to until it is abandoned") {
  int lines = 0;
  ClientLog log{Logger([&](LogLevel, std::string_view, std::string_view, auto) { ++lines; })};
  const auto write = [](const Logger& to) { to.info("kafka.client", "a line"); };
  log.with(write);
  log.with(write);
  CHECK(lines == 2);
  log.abandon();
  log.with(write);
  CHECK(lines == 2);
}

TEST_CASE("whoever abandons a log waits for the line that is being written") {
  std::atomic<pid_t> abandoner{0};
  std::atomic<bool> inside{false};
  std::atomic<bool> gone{false};
  bool gone_meanwhile = false;
  ClientLog log{Logger([&](LogLevel, std::string_view, std::string_view, auto) {
    inside = true;
    while (!gone && (abandoner == 0 || !asleep(abandoner))) std::this_thread::yield();
    gone_meanwhile = gone;
  })};
  std::thread writer([&] { log.with([](const Logger& to) { to.info("kafka.client", "a line"); }); });
  while (!inside) std::this_thread::yield();
  std::thread leaver([&] {
    abandoner = ::gettid();
    log.abandon();
    gone = true;
  });
  leaver.join();
  writer.join();
  CHECK_FALSE(gone_meanwhile);
}

}  // namespace
}  // namespace cairn::streaming::kafka

#include "tools/cairnd/notify.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "tests/support/temporary_folder.h"
#include "tests/tools/cairnd/notify_socket.h"

namespace cairn::cairnd::test {
namespace {

/// Sets variables for one test.
class Variables {
 public:
  explicit Variables(const std::string& socket) { ::setenv("NOTIFY_SOCKET", socket.c_str(), 1); }
  ~Variables() {
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) ::unsetenv(name);
  }
  Variables(const Variables&) = delete;
  Variables& operator=(const Variables&) = delete;
};

TEST_CASE("messages have the lines of sd_notify(3)") {
  const cairn::test::TemporaryFolder folder;
  NotifySocket socket(folder.path() + "/n");
  const Variables variables(socket.address());
  const Notifier notifier = Notifier::from_environment();
  notifier.ready("serving");
  CHECK(socket.next() == "READY=1\nSTATUS=serving");
  notifier.status("a\nWATCHDOG=1");  // a status cannot smuggle in a message
  CHECK(socket.next() == "STATUS=a WATCHDOG=1");
  notifier.extend_timeout(std::chrono::seconds{30}, "opening");
  CHECK(socket.next() == "EXTEND_TIMEOUT_USEC=30000000\nSTATUS=opening");
  notifier.stopping("bye");
  CHECK(socket.next() == "STOPPING=1\nSTATUS=bye");
  notifier.watchdog();
  CHECK(socket.next() == "WATCHDOG=1");
  notifier.reloading();
  const std::string reloading = socket.next();
  constexpr std::string_view kStart = "RELOADING=1\nMONOTONIC_USEC=";
  REQUIRE(reloading.starts_with(kStart));
  CHECK(std::stoll(reloading.substr(kStart.size())) > 0);
}

TEST_CASE("a socket in the abstract namespace is reached too") {
  NotifySocket socket("@cairnd-notify-test-" + std::to_string(::getpid()));
  const Variables variables(socket.address());
  Notifier::from_environment().watchdog();
  CHECK(socket.next() == "WATCHDOG=1");
}

TEST_CASE("without a service manager nothing happens") {
  Notifier::from_environment().ready("x");
  CHECK_FALSE(Notifier::from_environment().watchdog_interval());
  const Variables variables("/nowhere/at/all");
  Notifier::from_environment().ready("x");
}

TEST_CASE("the watchdog is for this process only") {
  const Variables variables("@cairnd-nobody");
  ::setenv("WATCHDOG_USEC", "2000000", 1);
  CHECK(Notifier::from_environment().watchdog_interval() == std::chrono::seconds{2});
  ::setenv("WATCHDOG_PID", std::to_string(::getpid()).c_str(), 1);
  CHECK(Notifier::from_environment().watchdog_interval() == std::chrono::seconds{2});
  ::setenv("WATCHDOG_PID", "1", 1);
  CHECK_FALSE(Notifier::from_environment().watchdog_interval());
  ::unsetenv("WATCHDOG_PID");
  for (const char* wrong : {"", "0", "-5", "abc", "5s"}) {
    ::setenv("WATCHDOG_USEC", wrong, 1);
    CHECK_FALSE(Notifier::from_environment().watchdog_interval());
  }
}

}  // namespace
}  // namespace cairn::cairnd::test

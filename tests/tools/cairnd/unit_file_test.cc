#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "tests/support/skip.h"
#include "tests/tools/cairnd/process.h"

namespace cairn::cairnd::test {
namespace {

constexpr const char* kUnit = CAIRN_SOURCE_DIR "/tools/deploy/cairnd.service";

std::string unit_text() {
  std::ostringstream text;
  text << std::ifstream(kUnit).rdbuf();
  return text.str();
}

TEST_CASE("the unit waits for readiness, feeds a watchdog and does not retry what cannot succeed") {
  const std::string unit = unit_text();
  for (const char* line : {"\nType=notify\n", "\nWatchdogSec=", "\nRestart=on-failure\n",
                           "\nRestartPreventExitStatus=2 5\n", "\nExecReload=/bin/kill -HUP $MAINPID\n"}) {
    CAPTURE(line);
    CHECK(unit.find(line) != std::string::npos);
  }
}

TEST_CASE("systemd rates the unit's exposure at 1.5 or less") {
  Process rated("/usr/bin/systemd-analyze",
                {"security", "--offline=true", "--threshold=15", "--no-pager", std::string(kUnit)}, {});
  const auto code = rated.wait();
  if (code == 127) return cairn::test::skip("there is no systemd-analyze on this machine");
  CHECK_MESSAGE(code == 0, rated.output());
}

}  // namespace
}  // namespace cairn::cairnd::test

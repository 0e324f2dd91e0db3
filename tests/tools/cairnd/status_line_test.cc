#include <doctest/doctest.h>

#include "tools/cairnd/reports.h"

namespace cairn::cairnd::test {
namespace {

EngineStatus status_with(std::vector<ReadinessCheck> checks) {
  EngineStatus status;
  status.events_applied = 12;
  status.places = 3;
  status.checks = std::move(checks);
  return status;
}

TEST_CASE("the status line says what serves, what does not and what is degraded") {
  CHECK(status_line(status_with({{"state", true, true, "fine"}})) == "serving; 12 events applied, 3 places");
  CHECK(status_line(status_with({{"state", true, true, ""}, {"postgres", false, false, "refused"}})) ==
        "serving; degraded: postgres (refused); 12 events applied, 3 places");
  CHECK(status_line(status_with({{"disk", false, true, ""}, {"sources", false, true, "gap"}})) ==
        "not ready: disk, sources (gap); 12 events applied, 3 places");
}

}  // namespace
}  // namespace cairn::cairnd::test

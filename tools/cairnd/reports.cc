#include "tools/cairnd/reports.h"

namespace cairn::cairnd {
namespace {

/// "postgres (connection refused), disk" of the failing checks that are required, or of those that are not.
std::string failing(const EngineStatus& status, bool required) {
  std::string names;
  for (const ReadinessCheck& check : status.checks) {
    if (check.ok || check.required != required) continue;
    names += (names.empty() ? "" : ", ") + check.name;
    if (!check.detail.empty()) names += " (" + check.detail + ")";
  }
  return names;
}

}  // namespace

std::string status_line(const EngineStatus& status) {
  const std::string blocking = failing(status, true);
  const std::string degraded = failing(status, false);
  std::string line = blocking.empty() ? "serving" : "not ready: " + blocking;
  if (!degraded.empty()) line += "; degraded: " + degraded;
  return line + "; " + std::to_string(status.events_applied) + " events applied, " + std::to_string(status.places) +
         " places";
}

}  // namespace cairn::cairnd

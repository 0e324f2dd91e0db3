#pragma once

#include <string>

#include "cairn/engine.h"

namespace cairn::cairnd {

/// One line for the service manager: whether the engine serves, what keeps it from serving, what is merely degraded.
[[nodiscard]] std::string status_line(const EngineStatus& status);

}  // namespace cairn::cairnd

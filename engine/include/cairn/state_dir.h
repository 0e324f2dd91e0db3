#pragma once

#include <string>

#include "cairn/status.h"

namespace cairn {

/// Whether nothing that is no directory is in the way of a state directory, which need not exist.
/// Returns: INVALID_ARGUMENT, beginning with "state.dir: ", as Engine::open() would.
[[nodiscard]] Status check_state_dir(const std::string& directory);

}  // namespace cairn

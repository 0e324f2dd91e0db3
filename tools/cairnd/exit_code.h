#pragma once

#include "cairn/status.h"

namespace cairn::cairnd {

/// What the process ends with. Documented in `cairnd --help`; scripts and the systemd unit depend on the numbers.
enum ExitCode : int {
  kExitOk = 0,
  kExitFailure = 1,        ///< anything that has no number of its own
  kExitConfiguration = 2,  ///< arguments or configuration; starting again changes nothing
  kExitStateHeld = 3,      ///< the state directory is held by another process or has another version's format
  kExitPortTaken = 4,      ///< something else listens on http.listen
  kExitStateDamaged = 5,   ///< the state directory is damaged; restore a backup
};

/// The exit code for an engine that did not open.
[[nodiscard]] constexpr ExitCode exit_code_for_open(StatusCode code) noexcept {
  switch (code) {
    case StatusCode::kInvalidArgument:
      return kExitConfiguration;
    case StatusCode::kFailedPrecondition:
      return kExitStateHeld;
    case StatusCode::kDataLoss:
      return kExitStateDamaged;
    default:
      return kExitFailure;
  }
}

/// The exit code for a listener that did not start.
[[nodiscard]] constexpr ExitCode exit_code_for_listen(StatusCode code) noexcept {
  switch (code) {
    case StatusCode::kAlreadyExists:
      return kExitPortTaken;
    case StatusCode::kInvalidArgument:
      return kExitConfiguration;
    default:
      return kExitFailure;
  }
}

}  // namespace cairn::cairnd

#pragma once

#include <exception>

#include "cairn/log.h"

namespace cairn::serving {

/// Runs code of others on a thread of ours, where an exception that gets out would end the process. It is logged;
/// whoever waits for what was run finds out by the destruction of what it held.
template <class Run>
void guarded(const Logger& log, Run run) noexcept {
  const auto report = [&log](const char* what) noexcept {
    try {
      log.error("admission.exception", what);
    } catch (...) {  // the log itself has no memory
    }
  };
  try {
    run();
  } catch (const std::exception& thrown) {
    report(thrown.what());
  } catch (...) {
    report("an exception that has no text");
  }
}

}  // namespace cairn::serving

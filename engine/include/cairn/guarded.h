#pragma once

#include <exception>
#include <string_view>

#include "cairn/log.h"

namespace cairn {

/// Runs code of others on a thread of ours, where an exception that gets out would end the process. It is logged as
/// `event`; whoever waits for what was run finds out by the destruction of what it held.
template <class Run>
void guarded(const Logger& log, std::string_view event, Run run) noexcept {
  const auto report = [&](const char* what) noexcept {
    try {
      log.error(event, what);
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

}  // namespace cairn

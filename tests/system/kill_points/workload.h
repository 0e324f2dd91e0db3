#pragma once

#include <string>

#include "cairn/engine.h"
#include "tests/system/streams/trace.h"

namespace cairn::test {

/// What the process that is killed does, and what must come of it however often it is.
struct Workload {
  std::string folder;  ///< state, stream, copies, and how far the API was given events
  std::string dsn;
};

/// 2,400 made-up check-ins over a hundred days. Every second one is in the file, the others come through the API.
[[nodiscard]] Trace workload_trace();

[[nodiscard]] EngineOptions workload_options(const Workload& workload);

/// Writes the stream's file.
void prepare(const Workload& workload);

/// Opens an engine and takes it through everything that it does: a stream, posts, places, reads, copies, trimming of
/// its log; then closes it, or gives it to `look` first. Goes on where an earlier run was killed. Throws
/// std::runtime_error with the status of what failed.
void run_workload(const Workload& workload, void (*look)(const Engine&, const Trace&) = nullptr);

}  // namespace cairn::test

#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

#include "cairn/status.h"
#include "tools/cairn/http_client.h"
#include "tools/cairn/load/arrivals.h"
#include "tools/cairn/load/tally.h"
#include "tools/cairn/load/workload.h"

namespace cairn::load {

struct LoadOptions {
  double rate = 100.0;  ///< requests a second
  Arrivals arrivals = Arrivals::kPoisson;
  std::chrono::nanoseconds duration{std::chrono::seconds(10)};
  std::chrono::nanoseconds warm_up{0};  ///< before it, at the same rate, counted nowhere
  unsigned connections = 32;            ///< at least `threads`
  unsigned threads = 1;
  std::chrono::milliseconds timeout{10'000};  ///< from when a request was sent
  std::uint64_t seed = 1;
};

struct LoadResult {
  Tally tally;
  double seconds = 0.0;  ///< measured, without the warm-up
  bool interrupted = false;
};

/// One second of a run.
struct LoadSecond {
  std::chrono::seconds since_start{0};
  bool warming_up = false;
  Tally tally;  ///< of this second alone
};

/// Sends requests when they are due, over connections that are kept, one request at a time on each. A request that
/// finds all of them busy waits for one; its latency counts from when it was due all the same, so that a server that
/// stalls is not asked less while it does (no coordinated omission). SIGINT ends the run at once, with what was
/// measured; a second one the program. `on_second` is called from the calling thread.
///
/// Returns: INVALID_ARGUMENT when this process may not open so many connections; UNAVAILABLE when the server's name is
/// not known.
[[nodiscard]] Result<LoadResult> run_load(const cli::ServerAddress& server, const WorkloadOptions& workload,
                                          const LoadOptions& options,
                                          const std::function<void(const LoadSecond&)>& on_second);

}  // namespace cairn::load

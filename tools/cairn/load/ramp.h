#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cairn/status.h"
#include "tools/cairn/load/generator.h"

namespace cairn::load {

/// The rates of a ramp: `from`, `from` + `step` and so on, up to `to`.
struct RampRates {
  double from = 0.0;
  double to = 0.0;
  double step = 0.0;
};

/// Reads "FROM..TO". Returns: INVALID_ARGUMENT unless 0 < FROM < TO.
[[nodiscard]] Result<RampRates> parse_ramp(const std::string& text);

/// What a rate must keep to.
struct Goal {
  double p99_ms = 50.0;
  double failed_share = 0.001;   ///< of requests that failed or were never sent
  double refused_share = 0.001;  ///< of requests that were refused
};

/// One rate, measured.
struct Step {
  double rate = 0.0;
  LoadResult result;
};

/// Why a step misses the goal, as "p99 61.2 ms is above 50 ms"; empty when it meets it.
[[nodiscard]] std::string shortfall_of(const Step& step, const Goal& goal);

/// The highest rate that meets the goal. A higher rate that was tried has failed it, unless
/// `reached_end` or `interrupted`.
struct Capacity {
  std::optional<double> rate;  ///< none: the lowest rate missed the goal already, or none was measured
  bool reached_end = false;    ///< all of the ramp met the goal, so it may be more
  bool interrupted = false;    ///< the ramp was ended before a rate above it was measured, so it may be more
};
[[nodiscard]] Capacity capacity_of(const std::vector<Step>& steps, const Goal& goal);

}  // namespace cairn::load

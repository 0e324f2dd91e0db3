#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cairn/status.h"

namespace cairn::load {

/// What a ramp has found. Rates are requests a second.
struct MeasuredRamp {
  double rate = 0.0;                  ///< the highest that met the goal
  std::optional<double> missed_rate;  ///< the lowest above it that missed it; none: the ramp ended before
  double p99_ms = 0.0;                ///< the goal
  std::string mix;
  std::string url;
  double seconds = 0.0;  ///< that each rate was measured for
};

/// Reads what `cairn -o json load --ramp` printed.
/// Returns: INVALID_ARGUMENT for anything else; FAILED_PRECONDITION when no rate met the goal.
[[nodiscard]] Result<MeasuredRamp> read_ramp(const nlohmann::json& report);

struct CapacityQuestion {
  double target_rate = 0.0;             ///< to be served by all machines together; greater than 0
  double headroom = 0.3;                ///< of each machine's capacity, left free; 0 to below 1
  std::uint64_t spare = 1;              ///< machines that may be gone at the same time
  std::uint64_t measured_machines = 1;  ///< that stood behind the address of the ramp
  std::optional<double> cost_per_hour;  ///< of one machine
};

struct CapacityPlan {
  double machine_rate = 0.0;  ///< what one bears within the goal
  double usable_rate = 0.0;   ///< less the headroom
  std::uint64_t needed = 0;   ///< without spare ones
  std::uint64_t machines = 0;
  /// As `needed`, were a machine to bear just the rate that missed the goal: the truth lies between the two.
  std::optional<std::uint64_t> needed_at_missed_rate;
  double used_share = 0.0;                 ///< of what a machine bears, with all machines there
  double used_share_degraded = 0.0;        ///< with the spare ones gone
  std::optional<double> cost_per_hour;     ///< of all machines
  std::optional<double> cost_per_month;    ///< of 730 hours
  std::optional<double> cost_per_million;  ///< requests, at the target rate all the time
};

[[nodiscard]] CapacityPlan plan_capacity(const MeasuredRamp& ramp, const CapacityQuestion& question);

/// What the plan takes for granted, one sentence each.
[[nodiscard]] std::vector<std::string> assumptions_of(const MeasuredRamp& ramp, const CapacityQuestion& question);

}  // namespace cairn::load

#include "tools/cairn/load/capacity.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "tools/cairn/api_client.h"
#include "tools/cairn/output.h"

namespace cairn::load {
namespace {

constexpr double kHoursPerMonth = 730.0;

/// How many of `each` make `total`. 3 of 0.1 are 0.3, whatever binary fractions say.
std::uint64_t count_for(double total, double each) {
  return static_cast<std::uint64_t>(std::max(1.0, std::ceil(total / each - 1e-9)));
}

std::string rate_of(double rate) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g/s", rate);
  return text;
}

}  // namespace

Result<MeasuredRamp> read_ramp(const nlohmann::json& report) {
  if (!report.is_object() || cli::text_at(report, "kind") != "cairn-load") {
    return invalid_argument("this is no report of `cairn -o json load --ramp FROM..TO`");
  }
  if (!report.contains("capacity") || !report.contains("goal")) {
    return invalid_argument("this report is of one rate; `cairn -o json load --ramp FROM..TO` finds the highest");
  }
  MeasuredRamp ramp{.rate = cli::number_at(report["capacity"], "rate"),
                    .p99_ms = cli::number_at(report["goal"], "p99_ms"),
                    .mix = cli::text_at(report, "mix"),
                    .url = cli::text_at(report, "url")};
  if (!(ramp.rate > 0.0)) {
    return Status(StatusCode::kFailedPrecondition,
                  "no rate of this ramp met its goal; begin --ramp lower, or allow a higher --target-p99");
  }
  for (const auto& step : cli::list_at(report, "steps")) {
    const double rate = cli::number_at(step, "rate");
    if (rate == ramp.rate) ramp.seconds = cli::number_at(step, "seconds");
    if (cli::flag_at(step, "interrupted") || rate <= ramp.rate) continue;
    ramp.missed_rate = std::min(rate, ramp.missed_rate.value_or(rate));
  }
  return ramp;
}

CapacityPlan plan_capacity(const MeasuredRamp& ramp, const CapacityQuestion& question) {
  const auto measured = static_cast<double>(question.measured_machines);
  const double usable_share = 1.0 - question.headroom;
  CapacityPlan plan{.machine_rate = ramp.rate / measured};
  plan.usable_rate = plan.machine_rate * usable_share;
  plan.needed = count_for(question.target_rate, plan.usable_rate);
  plan.machines = plan.needed + question.spare;
  if (ramp.missed_rate) {
    plan.needed_at_missed_rate = count_for(question.target_rate, *ramp.missed_rate / measured * usable_share);
  }
  plan.used_share = question.target_rate / (plan.machine_rate * static_cast<double>(plan.machines));
  plan.used_share_degraded = question.target_rate / (plan.machine_rate * static_cast<double>(plan.needed));
  if (question.cost_per_hour) {
    plan.cost_per_hour = *question.cost_per_hour * static_cast<double>(plan.machines);
    plan.cost_per_month = *plan.cost_per_hour * kHoursPerMonth;
    plan.cost_per_million = *plan.cost_per_hour / (question.target_rate * 3600.0) * 1e6;
  }
  return plan;
}

std::vector<std::string> assumptions_of(const MeasuredRamp& ramp, const CapacityQuestion& question) {
  std::vector<std::string> all = {
      "Every machine is like the measured one, and its data are as large.",
      "Requests are like the measured ones (" + ramp.mix + "), and are shared evenly among the machines.",
      "Twice the machines bear twice the rate: nothing they share (PostgreSQL, Kafka, the network) is full before."};
  if (ramp.missed_rate) {
    all.push_back(
        "A machine bears " + rate_of(ramp.rate / static_cast<double>(question.measured_machines)) +
        ", the highest rate that met the goal; what lies between it and the next one tried was not measured.");
  } else {
    all.emplace_back(
        "A machine bears no more than the ramp's last rate, which met the goal: it may well bear more, and "
        "a longer ramp would tell.");
  }
  all.emplace_back("The generator took nothing from the server: on one machine with it, the server alone bears more.");
  return all;
}

}  // namespace cairn::load

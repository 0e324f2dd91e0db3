#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>

#include "tools/cairn/api_client.h"
#include "tools/cairn/load/capacity.h"
#include "tools/cairn/output.h"

namespace cairn::cli {
namespace {

using namespace cairn::load;

struct CapacityArguments {
  std::string report;
  CapacityQuestion question;
};

nlohmann::json read_report(const std::string& path) {
  std::ifstream file;
  if (path != "-") {
    std::error_code ignored;
    if (std::filesystem::exists(path, ignored) && !std::filesystem::is_regular_file(path, ignored)) {
      fail(invalid_argument(path + " is no regular file; name what cairn -o json load --ramp wrote"));
    }
    file.open(path, std::ios::binary);
    if (!file) fail(not_found("cannot read " + path));
  }
  std::istream& in = path == "-" ? std::cin : file;
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  auto report = nlohmann::json::parse(text, nullptr, false);
  if (report.is_discarded()) fail(invalid_argument(path + " is no JSON; write it with cairn -o json load --ramp"));
  return report;
}

nlohmann::json optional_json(const auto& value) { return value ? nlohmann::json(*value) : nlohmann::json(); }

nlohmann::json to_json(const MeasuredRamp& ramp, const CapacityQuestion& question, const CapacityPlan& plan) {
  return {{"kind", "cairn-capacity"},
          {"target_rate", question.target_rate},
          {"target_p99_ms", ramp.p99_ms},
          {"headroom", question.headroom},
          {"spare", question.spare},
          {"machine_rate", plan.machine_rate},
          {"machine_rate_is_lower_bound", !ramp.missed_rate},
          {"usable_rate", plan.usable_rate},
          {"needed", plan.needed},
          {"needed_at_missed_rate", optional_json(plan.needed_at_missed_rate)},
          {"machines", plan.machines},
          {"used_share", plan.used_share},
          {"used_share_degraded", plan.used_share_degraded},
          {"cost_per_hour", optional_json(plan.cost_per_hour)},
          {"cost_per_month", optional_json(plan.cost_per_month)},
          {"cost_per_million_requests", optional_json(plan.cost_per_million)},
          {"assumptions", assumptions_of(ramp, question)}};
}

std::string number(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

std::string percent(double share) { return number("%.0f %%", 100.0 * share); }

std::string to_text(const MeasuredRamp& ramp, const CapacityQuestion& question, const CapacityPlan& plan) {
  std::string text = "machines   " + grouped(plan.machines) + ": " + grouped(plan.needed) + " for " +
                     number("%.6g", question.target_rate) + "/s, " + grouped(question.spare) + " spare\n";
  text += "each       bears " + number("%.6g", plan.machine_rate) + "/s with p99 up to " + number("%g", ramp.p99_ms) +
          " ms (measured); " + number("%.6g", plan.usable_rate) + "/s with " + percent(question.headroom) +
          " headroom\n";
  text += "used       " + percent(plan.used_share) + " of what they bear; " + percent(plan.used_share_degraded) +
          " with the spare ones gone\n";
  if (plan.needed_at_missed_rate && *plan.needed_at_missed_rate < plan.needed) {
    text += "at best    " + grouped(*plan.needed_at_missed_rate + question.spare) + ", were a machine to bear " +
            number("%.6g", *ramp.missed_rate / static_cast<double>(question.measured_machines)) +
            "/s, at which it missed the goal: smaller steps tell more\n";
  }
  if (plan.cost_per_hour) {
    text += "cost       " + number("%.2f", *plan.cost_per_hour) + " an hour, " + number("%.2f", *plan.cost_per_month) +
            " a month of 730 hours, " + number("%.4g", *plan.cost_per_million) + " a million requests\n";
  }
  text += "\nassumes\n";
  for (const std::string& assumption : assumptions_of(ramp, question)) text += "  " + assumption + "\n";
  return text;
}

void run(const GlobalOptions& global, const CapacityArguments& arguments) {
  const MeasuredRamp ramp = value_or_fail(read_ramp(read_report(arguments.report)));
  const CapacityPlan plan = plan_capacity(ramp, arguments.question);
  print(global.json() ? to_json(ramp, arguments.question, plan).dump(2) + "\n"
                      : to_text(ramp, arguments.question, plan));
}

}  // namespace

void add_capacity_command(CLI::App& app, const GlobalOptions& options) {
  auto* command = app.add_subcommand(
      "capacity", "How many machines a rate takes, and what they cost, from a ramp that `cairn load` has measured");
  auto arguments = std::make_shared<CapacityArguments>();
  CapacityQuestion& question = arguments->question;
  command->add_option("report", arguments->report, "What cairn -o json load --ramp printed; - is standard input")
      ->required();
  command->add_option("--target-rate", question.target_rate, "Requests a second that are to be served")
      ->check(between(0.001, 1e12))
      ->required();
  command
      ->add_option("--headroom", question.headroom,
                   "Share of what a machine bears that is left free: for bursts, "
                   "rebuilds, growth")
      ->check(between(0.0, 0.95))
      ->capture_default_str();
  command->add_option("--spare", question.spare, "Machines that may be gone at the same time (N+1: 1)")
      ->check(CLI::Range(std::uint64_t{0}, std::uint64_t{1'000'000}))
      ->capture_default_str();
  command->add_option("--measured-machines", question.measured_machines, "Machines that the ramp ran against together")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1'000'000}))
      ->capture_default_str();
  command->add_option("--cost-per-hour", question.cost_per_hour, "Of one machine, in any currency")
      ->check(between(0.0, 1e9));
  command->footer(
      examples("  cairn -o json load --ramp 500..10000 --step 500 --target-p99 25 > ramp.json\n"
               "  cairn capacity ramp.json --target-rate 60000 --headroom 0.3 --cost-per-hour 0.34"));
  command->callback([&options, arguments] { run(options, *arguments); });
}

}  // namespace cairn::cli

#include "tools/cairn/load/report.h"

#include <cmath>
#include <cstdio>

#include "tools/cairn/output.h"

namespace cairn::load {
namespace {

using nlohmann::json;

constexpr double kPercentiles[] = {0,  10,   20, 30,   40, 50,   60,   70,    75,    80,     85,
                                   90, 92.5, 95, 97.5, 99, 99.5, 99.9, 99.95, 99.99, 99.999, 100};

double ms(std::chrono::nanoseconds time) { return static_cast<double>(time.count()) / 1e6; }
double ms_at(const Histogram& histogram, double percent) { return ms(histogram.at_share(percent / 100.0)); }
double per_second(std::uint64_t count, double seconds) {
  return seconds > 0.0 ? static_cast<double>(count) / seconds : 0.0;
}

std::string text_of(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

std::string ms_text(double value) { return text_of(value < 10 ? "%.3f" : value < 1000 ? "%.1f" : "%.0f", value); }
std::string rate_text(double rate) {
  return rate < 100 ? text_of("%.1f", rate) : cli::grouped(static_cast<std::uint64_t>(std::llround(rate)));
}

json latencies(const Histogram& histogram) {
  json out = {{"count", histogram.count()}, {"min_ms", ms(histogram.min())}, {"mean_ms", ms(histogram.mean())}};
  for (const auto& [name, percent] : {std::pair("p50_ms", 50.0),
                                      {"p90_ms", 90.0},
                                      {"p95_ms", 95.0},
                                      {"p99_ms", 99.0},
                                      {"p99_9_ms", 99.9},
                                      {"p99_99_ms", 99.99}}) {
    out[name] = ms_at(histogram, percent);
  }
  out["max_ms"] = ms(histogram.max());
  return out;
}

json distribution(const Histogram& histogram) {
  json out = json::array();
  for (const double percent : kPercentiles) out.push_back({{"percentile", percent}, {"ms", ms_at(histogram, percent)}});
  return out;
}

json step_json(const Step& step, const std::optional<Goal>& goal) {
  const Tally& tally = step.result.tally;
  const double seconds = step.result.seconds;
  json out = {{"rate", step.rate},
              {"seconds", seconds},
              {"interrupted", step.result.interrupted},
              {"due", tally.due},
              {"sent", tally.sent},
              {"unsent", tally.unsent},
              {"good", tally.good},
              {"refused", tally.refused},
              {"failed", tally.failed},
              {"timeouts", tally.timeouts},
              {"broken", tally.broken},
              {"cut_off", tally.cut_off},
              {"reconnects", tally.reconnects},
              {"waited_for_connection", tally.waited},
              {"body_bytes", tally.bytes},
              {"goodput", per_second(tally.good_in_time, seconds)},
              {"failed_share", tally.failed_share()},
              {"refused_share", tally.refused_share()},
              {"codes", json::object()},
              {"reasons", json::object()},
              {"latency", latencies(tally.latency)},
              {"service_time", latencies(tally.service)},
              {"send_delay", latencies(tally.delay)},
              {"refusal_time", latencies(tally.refusal)},
              {"distribution", distribution(tally.latency)}};
  for (const auto& [code, count] : tally.codes) out["codes"][std::to_string(code)] = count;
  for (const auto& [code, said] : tally.reasons) out["reasons"][std::to_string(code)] = said;
  if (goal) {
    const std::string shortfall = shortfall_of(step, *goal);
    out["passed"] = shortfall.empty() && !step.result.interrupted;
    out["shortfall"] = shortfall;
  }
  return out;
}

std::string codes_text(const Tally& tally) {
  std::string text;
  for (const auto& [code, count] : tally.codes) {
    text += (text.empty() ? "" : ", ") + std::to_string(code) + ": " + cli::grouped(count);
  }
  return text.empty() ? "none" : text;
}

/// What the server said of each kind of error, the first time.
std::string reasons_text(const Tally& tally) {
  std::string text;
  for (const auto& [code, said] : tally.reasons) {
    if (!said.empty()) text += "          " + std::to_string(code) + ": " + said + "\n";
  }
  return text;
}

/// How soon the server said no, because that is what who is refused waits for.
std::string refusals_text(const Tally& tally) {
  const std::string count = cli::grouped(tally.refused);
  if (tally.refused == 0) return count;
  return count + ", half of them within " + ms_text(ms_at(tally.refusal, 50)) + " ms, 99 % within " +
         ms_text(ms_at(tally.refusal, 99)) + " ms";
}

std::string failures_text(const Tally& tally) {
  return cli::grouped(tally.failed) + " failed (" + cli::grouped(tally.timeouts) + " timeouts, " +
         cli::grouped(tally.broken) + " connections lost), " + cli::grouped(tally.unsent) + " never sent";
}

/// What makes figures mean less than they seem to.
std::string remarks(const Step& step) {
  const Tally& tally = step.result.tally;
  std::string text;
  if (step.result.interrupted) text += "interrupted: " + cli::grouped(tally.cut_off) + " requests were in flight\n";
  const double service = ms_at(tally.service, 99);
  if (tally.waited * 100 > tally.due && ms_at(tally.delay, 99) > service) {
    text +=
        "requests waited longer for a connection than for their answer: the server is behind, or --connections is "
        "too low\n";
  } else if (tally.waited * 100 <= tally.due && ms_at(tally.delay, 99) > 1.0) {
    text += "one request in a hundred was sent more than " + ms_text(ms_at(tally.delay, 99)) +
            " ms late with connections free: this generator had too little processor; try --threads, or another "
            "machine\n";
  }
  return text;
}

std::string one_step(const Step& step, bool color) {
  const Tally& tally = step.result.tally;
  cli::Table table({{"PERCENTILE", cli::Align::kRight},
                    {"LATENCY ms", cli::Align::kRight},
                    {"SERVICE ms", cli::Align::kRight},
                    {"SENT LATE ms", cli::Align::kRight}});
  for (const double percent : {50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99, 100.0}) {
    table.add({text_of("%g", percent), ms_text(ms_at(tally.latency, percent)), ms_text(ms_at(tally.service, percent)),
               ms_text(ms_at(tally.delay, percent))});
  }
  return "sent      " + cli::grouped(tally.sent) + " in " + text_of("%.1f", step.result.seconds) + " s, " +
         rate_text(per_second(tally.sent, step.result.seconds)) + "/s of " + rate_text(step.rate) + "/s wanted\n" +
         "goodput   " + rate_text(per_second(tally.good_in_time, step.result.seconds)) + "/s\n" + "answers   " +
         codes_text(tally) + "\n" + reasons_text(tally) + "refused   " + refusals_text(tally) + "\n" + "failures  " +
         failures_text(tally) + "\n\n" + table.to_string(color) + "\n" + remarks(step);
}

std::string ramp_text(const LoadReport& report, bool color) {
  cli::Table table({{"RATE/s", cli::Align::kRight},
                    {"GOODPUT/s", cli::Align::kRight},
                    {"P50 ms", cli::Align::kRight},
                    {"P99 ms", cli::Align::kRight},
                    {"REFUSED", cli::Align::kRight},
                    {"FAILED", cli::Align::kRight},
                    {"GOAL"}});
  for (const Step& step : report.steps) {
    const Tally& tally = step.result.tally;
    const std::string shortfall = shortfall_of(step, *report.goal);
    table.add({rate_text(step.rate), rate_text(per_second(tally.good_in_time, step.result.seconds)),
               ms_text(ms_at(tally.latency, 50)), ms_text(ms_at(tally.latency, 99)), cli::grouped(tally.refused),
               cli::grouped(tally.failed + tally.unsent),
               step.result.interrupted ? "interrupted"
               : shortfall.empty()     ? "met"
                                       : shortfall});
  }
  const Capacity capacity = capacity_of(report.steps, *report.goal);
  std::string text = table.to_string(color) + "\n";
  Tally all;
  for (const Step& step : report.steps)
    all.reasons.insert(step.result.tally.reasons.begin(), step.result.tally.reasons.end());
  if (!all.reasons.empty()) text += "errors\n" + reasons_text(all);
  if (!capacity.rate && capacity.interrupted)
    return text + "capacity  unknown: interrupted before a rate was measured\n";
  if (!capacity.rate)
    return text + "capacity  below " + rate_text(report.steps.front().rate) + "/s: no rate met the goal\n";
  text +=
      "capacity  " + rate_text(*capacity.rate) + "/s with p99 up to " + text_of("%g", report.goal->p99_ms) + " ms\n";
  if (capacity.interrupted) text += "          interrupted before a rate above it was measured: it may be more\n";
  if (capacity.reached_end) text += "          no rate above it missed the goal: it may be more; let --ramp go on\n";
  return text;
}

}  // namespace

json to_json(const LoadReport& report) {
  const LoadOptions& options = report.options;
  json out = {{"kind", "cairn-load"},
              {"url", report.url},
              {"mix", report.mix},
              {"arrivals", options.arrivals == Arrivals::kPoisson ? "poisson" : "constant"},
              {"connections", options.connections},
              {"threads", options.threads},
              {"timeout_ms", options.timeout.count()},
              {"seed", options.seed},
              {"histogram_relative_error", 1.0 / 256},
              {"steps", json::array()}};
  for (const Step& step : report.steps) out["steps"].push_back(step_json(step, report.goal));
  if (!report.goal) return out;
  const Capacity capacity = capacity_of(report.steps, *report.goal);
  out["goal"] = {{"p99_ms", report.goal->p99_ms},
                 {"failed_share_max", report.goal->failed_share},
                 {"refused_share_max", report.goal->refused_share}};
  out["capacity"] = {{"rate", capacity.rate ? json(*capacity.rate) : json()},
                     {"reached_end", capacity.reached_end},
                     {"interrupted", capacity.interrupted}};
  return out;
}

std::string to_text(const LoadReport& report, bool color) {
  return report.goal ? ramp_text(report, color) : one_step(report.steps.front(), color);
}

std::string to_line(const LoadSecond& second) {
  const Tally& tally = second.tally;
  char text[192];
  std::snprintf(
      text, sizeof text, "%4lld s  %s/s sent  %s good  %s refused  %s failed  p50 %s ms  p99 %s ms  max %s ms%s",
      static_cast<long long>(second.since_start.count()), cli::grouped(tally.sent).c_str(),
      cli::grouped(tally.good).c_str(), cli::grouped(tally.refused).c_str(), cli::grouped(tally.failed).c_str(),
      ms_text(ms_at(tally.latency, 50)).c_str(), ms_text(ms_at(tally.latency, 99)).c_str(),
      ms_text(ms(tally.latency.max())).c_str(), second.warming_up ? "  (warm-up)" : "");
  return text;
}

}  // namespace cairn::load

#include "tools/cairn/load/ramp.h"

#include <charconv>
#include <cstdio>
#include <string_view>

namespace cairn::load {
namespace {

bool read_number(std::string_view text, double* number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size();
}

std::string text_of(const char* format, double a, double b) {
  char text[128];
  std::snprintf(text, sizeof text, format, a, b);
  return text;
}

double ms(std::chrono::nanoseconds time) { return static_cast<double>(time.count()) / 1e6; }

}  // namespace

Result<RampRates> parse_ramp(const std::string& text) {
  RampRates rates;
  const std::size_t dots = text.find("..");
  const bool read = dots != std::string::npos && read_number(std::string_view(text).substr(0, dots), &rates.from) &&
                    read_number(std::string_view(text).substr(dots + 2), &rates.to);
  if (!read || !(rates.from > 0.0) || !(rates.from < rates.to) || !(rates.to <= 1e7)) {
    return invalid_argument("'" + text + "' is no ramp; write FROM..TO in requests a second, such as 500..5000");
  }
  rates.step = (rates.to - rates.from) / 9.0;
  return rates;
}

std::string shortfall_of(const Step& step, const Goal& goal) {
  const Tally& tally = step.result.tally;
  if (tally.good == 0) return "no request had a good answer";
  if (tally.failed_share() > goal.failed_share) {
    return text_of("%.3g %% failed or were never sent, more than %.3g %%", 100 * tally.failed_share(),
                   100 * goal.failed_share);
  }
  if (tally.refused_share() > goal.refused_share) {
    return text_of("%.3g %% were refused, more than %.3g %%", 100 * tally.refused_share(), 100 * goal.refused_share);
  }
  const double p99 = ms(tally.latency.at_share(0.99));
  return p99 > goal.p99_ms ? text_of("p99 %.3g ms is above %.3g ms", p99, goal.p99_ms) : std::string();
}

Capacity capacity_of(const std::vector<Step>& steps, const Goal& goal) {
  Capacity capacity;
  for (const Step& step : steps) {
    if (step.result.interrupted) continue;  // what was measured of it proves nothing
    const bool met = shortfall_of(step, goal).empty();
    if (met && (!capacity.rate || step.rate > *capacity.rate)) capacity.rate = step.rate;
  }
  bool missed = false;
  bool cut = false;
  for (const Step& step : steps) {
    cut |= step.result.interrupted;
    missed |= !step.result.interrupted && step.rate > capacity.rate.value_or(0.0);
  }
  capacity.reached_end = !missed && !cut;
  capacity.interrupted = !missed && cut;
  return capacity;
}

}  // namespace cairn::load

#include "tools/cairn/load/arrivals.h"

#include <cmath>

namespace cairn::load {
namespace {

std::chrono::nanoseconds from_seconds(double seconds) { return std::chrono::nanoseconds(std::llround(seconds * 1e9)); }

}  // namespace

ArrivalSchedule::ArrivalSchedule(const Options& options)
    : options_(options), random_(options.seed + 0x9E3779B97F4A7C15u * (options.share + 1)) {}

std::chrono::nanoseconds ArrivalSchedule::next() {
  if (options_.kind == Arrivals::kConstant) {
    // From the number of the request and not by adding up gaps, whose errors would add up as well.
    const std::uint64_t number = count_++ * options_.shares + options_.share;
    return from_seconds(static_cast<double>(number) / options_.rate);
  }
  // Poisson processes of a share of the rate each are together one of the whole rate.
  std::exponential_distribution<double> gap(options_.rate / options_.shares);
  seconds_ += gap(random_);
  return from_seconds(seconds_);
}

}  // namespace cairn::load

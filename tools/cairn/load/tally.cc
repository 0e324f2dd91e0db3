#include "tools/cairn/load/tally.h"

#include <algorithm>

namespace cairn::load {
namespace {

double share(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

constexpr std::uint64_t Tally::*kCounts[] = {
    &Tally::due,        &Tally::sent,   &Tally::unsent,   &Tally::good,   &Tally::good_in_time,
    &Tally::refused,    &Tally::failed, &Tally::timeouts, &Tally::broken, &Tally::cut_off,
    &Tally::reconnects, &Tally::waited, &Tally::bytes};

}  // namespace

void Tally::add(const Tally& other) {
  for (const auto count : kCounts) this->*count += other.*count;
  for (const auto& [code, count] : other.codes) codes[code] += count;
  latency.add(other.latency);
  service.add(other.service);
  delay.add(other.delay);
}

void Tally::clear() {
  for (const auto count : kCounts) this->*count = 0;
  codes.clear();
  latency.clear();
  service.clear();
  delay.clear();
}

double Tally::failed_share() const noexcept { return share(failed + unsent, due - cut_off); }
double Tally::refused_share() const noexcept { return share(refused, due - cut_off); }

}  // namespace cairn::load

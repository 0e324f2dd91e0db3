#include "tools/cairn/load/tally.h"

#include <algorithm>
#include <nlohmann/json.hpp>

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
  reasons.insert(other.reasons.begin(), other.reasons.end());
  latency.add(other.latency);
  service.add(other.service);
  delay.add(other.delay);
  refusal.add(other.refusal);
}

void Tally::clear() {
  for (const auto count : kCounts) this->*count = 0;
  codes.clear();
  reasons.clear();
  latency.clear();
  service.clear();
  delay.clear();
  refusal.clear();
}

std::string reason_of(std::string_view body) {
  constexpr std::size_t kBytesMax = 300;
  const auto json = nlohmann::json::parse(body, nullptr, false);
  std::string said;
  if (json.is_object() && json.contains("error")) {
    const auto& error = json["error"];
    if (error.is_object() && error.contains("message") && error["message"].is_string()) {
      said = error["message"].get<std::string>();
    }
  }
  if (said.empty()) said = body.substr(0, body.find_first_of("\r\n"));
  if (said.size() > kBytesMax) said.resize(kBytesMax);
  // It goes to a terminal, and a server may be anybody's.
  for (char& c : said) c = static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
  return said;
}

double Tally::failed_share() const noexcept { return share(failed + unsent, due - cut_off); }
double Tally::refused_share() const noexcept { return share(refused, due - cut_off); }

}  // namespace cairn::load

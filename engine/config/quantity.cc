#include "engine/config/quantity.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <limits>
#include <optional>
#include <span>

#include "engine/config/nearest.h"

namespace cairn::config {
namespace {

struct Unit {
  std::string_view name;
  std::int64_t factor;
};

constexpr std::array<Unit, 5> kDurations = {
    {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}}};
// From the largest down: what is written back is in the first one that divides it.
constexpr std::array<Unit, 9> kSizes = {{{"TiB", 1LL << 40},
                                         {"TB", 1'000'000'000'000},
                                         {"GiB", 1LL << 30},
                                         {"GB", 1'000'000'000},
                                         {"MiB", 1LL << 20},
                                         {"MB", 1'000'000},
                                         {"KiB", 1LL << 10},
                                         {"KB", 1'000},
                                         {"B", 1}}};

/// What a quantity is called in a message.
struct Measure {
  std::string_view name;     ///< "a duration"
  std::string_view example;  ///< "30s"
  std::string_view units;    ///< "ms, s, m, h, d"
};
constexpr Measure kDurationWords = {"a duration", "30s", "ms, s, m, h, d"};
constexpr Measure kSizeWords = {"a size", "64MiB", "B, KB, KiB, MB, MiB, GB, GiB, TB, TiB"};
constexpr Measure kDistanceWords = {"a distance", "50km", "m, km"};

Status no_quantity(std::string_view text, const Measure& measure, std::string_view why) {
  return invalid_argument("\"" + printable(text) + "\" is not " + std::string(measure.name) + ": " + std::string(why) +
                          "; write it like \"" + std::string(measure.example) +
                          "\" (units: " + std::string(measure.units) + ")");
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

/// The leading number's text and the unit after it.
struct Split {
  std::string_view number;
  std::string_view unit;
};
Split split(std::string_view text) {
  text = trimmed(text);
  const std::size_t end = std::min(text.find_first_not_of("0123456789."), text.size());
  return {text.substr(0, end), trimmed(text.substr(end))};
}

const Unit* find_unit(std::span<const Unit> units, std::string_view name) {
  for (const Unit& unit : units) {
    if (unit.name == name) return &unit;
  }
  return nullptr;
}

Result<std::int64_t> parse_whole(std::string_view text, std::span<const Unit> units, const Measure& measure) {
  const Split parts = split(text);
  if (parts.number.empty()) return no_quantity(text, measure, "it does not begin with a number");
  if (parts.unit.empty()) return no_quantity(text, measure, "the unit is missing");
  const Unit* unit = find_unit(units, parts.unit);
  if (unit == nullptr) return no_quantity(text, measure, "'" + printable(parts.unit) + "' is not a unit");
  std::int64_t count = 0;
  const auto [end, error] = std::from_chars(parts.number.begin(), parts.number.end(), count);
  if (error == std::errc::result_out_of_range || count > std::numeric_limits<std::int64_t>::max() / unit->factor) {
    return no_quantity(text, measure, "the number is too large");
  }
  if (error != std::errc() || end != parts.number.end()) {
    return no_quantity(text, measure, "the number must be whole, in a smaller unit if need be");
  }
  return count * unit->factor;
}

std::string format_whole(std::int64_t count, std::span<const Unit> units) {
  if (count != 0) {
    for (const Unit& unit : units) {
      if (count % unit.factor == 0) return std::to_string(count / unit.factor) + std::string(unit.name);
    }
  }
  return std::string("0").append(units.back().name);
}

std::optional<int> parse_digits(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.begin(), text.end(), value);
  if (error != std::errc() || end != text.end() || value < 0) return std::nullopt;
  return value;
}

/// Shortest text without an exponent.
std::string format_fixed(double number) {
  std::array<char, 400> text{};  // the longest double has 309 digits before the point
  const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  return error == std::errc() ? std::string(text.data(), end) : std::to_string(number);
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.begin(), text.end(), port);
  if (text.empty() || error != std::errc() || end != text.end()) return std::nullopt;
  return port;
}

bool is_numeric_address(const std::string& address) {
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  return inet_pton(AF_INET, address.c_str(), bytes.data()) == 1 ||
         inet_pton(AF_INET6, address.c_str(), bytes.data()) == 1;
}

Status no_listen(std::string_view text, std::string_view why) {
  return invalid_argument("\"" + printable(text) + "\" is not an address to listen on: " + std::string(why) +
                          "; write it like \"127.0.0.1:7077\" or \"[::1]:7077\"");
}

}  // namespace

Result<std::int64_t> parse_duration_ms(std::string_view text) { return parse_whole(text, kDurations, kDurationWords); }
std::string format_duration_ms(std::int64_t ms) { return format_whole(ms, kDurations); }
Result<std::int64_t> parse_size(std::string_view text) { return parse_whole(text, kSizes, kSizeWords); }
std::string format_size(std::int64_t bytes) { return format_whole(bytes, kSizes); }

Result<double> parse_distance(std::string_view text) {
  const Split parts = split(text);
  if (parts.number.empty()) return no_quantity(text, kDistanceWords, "it does not begin with a number");
  if (parts.unit.empty()) return no_quantity(text, kDistanceWords, "the unit is missing");
  if (parts.unit != "m" && parts.unit != "km") {
    return no_quantity(text, kDistanceWords, "'" + printable(parts.unit) + "' is not a unit");
  }
  double number = 0.0;
  const auto [end, error] = std::from_chars(parts.number.begin(), parts.number.end(), number);
  if (error != std::errc() || end != parts.number.end())
    return no_quantity(text, kDistanceWords, "the number is malformed");
  return parts.unit == "km" ? number * 1000.0 : number;
}

std::string format_distance(double meters) {
  // Kilometres only where nothing is lost by the division.
  const double kilometres = meters / 1000.0;
  const bool exact = kilometres >= 1.0 && kilometres * 1000.0 == meters && std::floor(meters) == meters;
  return exact ? format_fixed(kilometres) + "km" : format_fixed(meters) + "m";
}

Result<std::chrono::sys_days> parse_day(std::string_view text) {
  const bool shaped = text.size() == 10 && text[4] == '-' && text[7] == '-';
  const std::optional<int> year = shaped ? parse_digits(text.substr(0, 4)) : std::nullopt;
  const std::optional<int> month = shaped ? parse_digits(text.substr(5, 2)) : std::nullopt;
  const std::optional<int> day = shaped ? parse_digits(text.substr(8, 2)) : std::nullopt;
  if (year && month && day) {
    const auto date = std::chrono::year{*year} / *month / *day;
    if (date.ok()) return std::chrono::sys_days{date};
  }
  return invalid_argument("\"" + printable(text) + "\" is not a date; write it like 2000-01-31");
}

std::string format_day(std::chrono::sys_days day) {
  const std::chrono::year_month_day date{day};
  std::array<char, 24> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02u", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
  return text.data();
}

std::string format_number(double number) {
  std::array<char, 32> text{};
  const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() ? std::string(text.data(), end) : std::to_string(number);
}

bool ListenAddress::loopback() const { return address == "::1" || address.starts_with("127."); }

Result<ListenAddress> parse_listen(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return no_listen(text, "the port is missing");
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (!bracketed && host.find(':') != std::string_view::npos) return no_listen(text, "an IPv6 address needs brackets");
  const std::optional<std::uint16_t> port = parse_port(text.substr(colon + 1));
  if (!port) return no_listen(text, "the port must be 0 to 65535");
  std::string address = host == "localhost" ? "127.0.0.1" : std::string(host);
  if (!is_numeric_address(address) || bracketed != (address.find(':') != std::string::npos)) {
    return no_listen(text, "'" + printable(host) + "' is not a numeric address or localhost");
  }
  return ListenAddress{std::move(address), *port};
}

std::string format_listen(const ListenAddress& listen) {
  const bool v6 = listen.address.find(':') != std::string::npos;
  std::string text = listen.address;
  if (v6) text = std::string("[").append(listen.address).append("]");
  return text.append(":").append(std::to_string(listen.port));
}

}  // namespace cairn::config

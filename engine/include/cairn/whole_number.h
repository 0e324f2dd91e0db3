#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

// Whole numbers in JSON. A program that keeps its numbers as doubles (JavaScript, pandas with a missing value) writes
// 1001 as 1001.0: the same id.

namespace cairn {

/// Every whole number below 2^53 is a double; from there on a number with a point or an exponent may be a rounded one.
inline constexpr std::uint64_t kExactWholeNumbers = std::uint64_t{1} << 53;

/// The whole number below 2^53 that a JSON number writes, however it is written: "1001", "1001.0", "1.001e3". Read from
/// the text, so that no fraction is lost on the way.
/// Requires: `json` is a number of JSON's grammar.
/// Returns: nullopt for one that is negative, has a fraction, or is 2^53 or more.
[[nodiscard]] constexpr std::optional<std::uint64_t> whole_number(std::string_view json) noexcept {
  constexpr int kExponentMax = 9'999;
  std::uint64_t value = 0;
  int exponent = 0;  // of the last digit that is in `value`
  int zeros = 0;     // after it: they count when another digit follows
  bool fraction = false;
  std::size_t at = 0;
  const auto grow = [&value](std::uint64_t digit) {
    if (value > kExactWholeNumbers / 10) return false;
    value = value * 10 + digit;
    return value < kExactWholeNumbers;
  };
  for (; at < json.size() && json[at] != 'e' && json[at] != 'E'; ++at) {
    const char c = json[at];
    if (c == '.') {
      fraction = true;
      continue;
    }
    if (c < '0' || c > '9') return std::nullopt;
    if (fraction) --exponent;
    if (c == '0') {
      ++zeros;
      continue;
    }
    // Digits that end in none of their own zeros and pass 2^53 are too many, or a fraction.
    for (; zeros > 0 && value != 0; --zeros) {
      if (!grow(0)) return std::nullopt;
    }
    zeros = 0;
    if (!grow(static_cast<std::uint64_t>(c - '0'))) return std::nullopt;
  }
  if (value == 0) return 0;
  int written = 0;
  bool negative = false;
  for (++at; at < json.size(); ++at) {
    if (json[at] == '-') negative = true;
    if (json[at] >= '0' && json[at] <= '9' && written < kExponentMax) written = written * 10 + (json[at] - '0');
  }
  exponent += zeros + (negative ? -written : written);
  if (exponent < 0) return std::nullopt;
  for (; exponent > 0; --exponent) {
    if (!grow(0)) return std::nullopt;
  }
  return value;
}

}  // namespace cairn

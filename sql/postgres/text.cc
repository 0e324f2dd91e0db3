#include "sql/postgres/text.h"

#include <bit>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>

#include "cairn/check.h"
#include "sql/batch.h"

namespace cairn::sql {
namespace {

constexpr char kHexDigits[] = "0123456789abcdef";

void append_hex(std::uint8_t byte, std::string* text) {
  *text += kHexDigits[byte >> 4];
  *text += kHexDigits[byte & 0xF];
}

void append_little_endian(double value, std::string* text) {
  const auto bits = std::bit_cast<std::uint64_t>(value);
  for (int shift = 0; shift < 64; shift += 8) append_hex(static_cast<std::uint8_t>(bits >> shift), text);
}

}  // namespace

std::string time_text(EventTime time) {
  CAIRN_CHECK(time >= kTimeMin && time <= kTimeMax);
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  char text[48];
  const int size = std::snprintf(text, sizeof text, "%04d-%02u-%02u %02d:%02d:%02d.%03d+00", int{date.year()},
                                 unsigned{date.month()}, unsigned{date.day()}, static_cast<int>(clock.hours().count()),
                                 static_cast<int>(clock.minutes().count()), static_cast<int>(clock.seconds().count()),
                                 static_cast<int>(clock.subseconds().count()));
  return {text, static_cast<std::size_t>(size)};
}

std::string double_text(double value) {
  char text[32];
  // to_chars gives the shortest text that reads back as the same bits, whatever the locale.
  const auto [end, error] = std::to_chars(std::begin(text), std::end(text), value);
  CAIRN_CHECK(error == std::errc());
  return {text, end};
}

std::string geography_text(GeoPoint point) {
  std::string text = "0101000020E6100000";  // little-endian, Point with SRID, 4326
  append_little_endian(point.lon, &text);
  append_little_endian(point.lat, &text);
  return text;
}

std::string micros_text(__int128 micros) {
  constexpr int kDecimals = 6;
  // Negated as unsigned, since the smallest __int128 has no positive counterpart.
  const bool negative = micros < 0;
  auto rest = negative ? -static_cast<unsigned __int128>(micros) : static_cast<unsigned __int128>(micros);
  std::string reversed;
  for (int digit = 0; rest != 0 || digit <= kDecimals; ++digit, rest /= 10) {
    if (digit == kDecimals) reversed += '.';
    reversed += static_cast<char>('0' + static_cast<int>(rest % 10));
  }
  if (negative) reversed += '-';
  return {reversed.rbegin(), reversed.rend()};
}

std::string bytea_text(std::string_view bytes) {
  std::string text = "\\x";
  for (const char byte : bytes) append_hex(static_cast<std::uint8_t>(byte), &text);
  return text;
}

std::string uuid_text(std::uint64_t high, std::uint64_t low) {
  std::string text;
  text.reserve(32);
  for (const std::uint64_t half : {high, low}) {
    for (int shift = 56; shift >= 0; shift -= 8) append_hex(static_cast<std::uint8_t>(half >> shift), &text);
  }
  return text;
}

std::string array_text(std::span<const std::string> elements) {
  std::string text = "{";
  for (const std::string& element : elements) {
    if (text.size() > 1) text += ',';
    text += '"';
    for (const char c : element) {
      if (c == '"' || c == '\\') text += '\\';
      text += c;
    }
    text += '"';
  }
  return text += '}';
}

}  // namespace cairn::sql

#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cairn/clock.h"

// Times as text: RFC 3339, "Date and Time on the Internet". Everything that reads or writes such a time uses this, so
// that an event has the same time whichever way it comes in.

namespace cairn {

/// The instants that RFC 3339 can write: years 0000 to 9999.
inline constexpr EventTime kRfc3339Min = event_time_from_ms(-62'167'219'200'000);
inline constexpr EventTime kRfc3339Max = event_time_from_ms(253'402'300'799'999);

namespace rfc3339 {

/// Reads a text from its front. Once a step has failed, every later one fails too, so that only the end is checked.
class Cursor {
 public:
  explicit constexpr Cursor(std::string_view text) noexcept : rest_(text) {}

  /// Exactly `digits` decimal digits.
  constexpr int number(int digits) noexcept {
    int value = 0;
    for (int i = 0; i < digits; ++i) {
      if (!at_digit()) return fail();
      value = value * 10 + (rest_.front() - '0');
      rest_.remove_prefix(1);
    }
    return value;
  }

  /// One character out of `any`. Returns: it, or 0.
  constexpr char one_of(std::string_view any) noexcept {
    if (rest_.empty() || any.find(rest_.front()) == std::string_view::npos) return static_cast<char>(fail());
    const char found = rest_.front();
    rest_.remove_prefix(1);
    return found;
  }

  [[nodiscard]] constexpr bool at(char c) const noexcept { return !rest_.empty() && rest_.front() == c; }
  [[nodiscard]] constexpr bool at_digit() const noexcept {
    return !rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9';
  }
  [[nodiscard]] constexpr bool done() const noexcept { return !failed_ && rest_.empty(); }
  /// Returns: 0.
  constexpr int fail() noexcept {
    failed_ = true;
    rest_ = {};
    return 0;
  }

 private:
  std::string_view rest_;
  bool failed_ = false;
};

constexpr std::chrono::sys_days read_date(Cursor& in) noexcept {
  const int year = in.number(4);
  in.one_of("-");
  const int month = in.number(2);
  in.one_of("-");
  const int day = in.number(2);
  const std::chrono::year_month_day date{std::chrono::year{year}, std::chrono::month{static_cast<unsigned>(month)},
                                         std::chrono::day{static_cast<unsigned>(day)}};
  if (!date.ok()) in.fail();
  return date;
}

/// ".5", ".123456": milliseconds; further digits are dropped. Nothing there is 0.
constexpr std::chrono::milliseconds read_fraction(Cursor& in) noexcept {
  if (!in.at('.')) return std::chrono::milliseconds{0};
  in.one_of(".");
  int ms = in.number(1) * 100;
  for (int scale = 10; in.at_digit(); scale /= 10) ms += in.number(1) * scale;
  return std::chrono::milliseconds{ms};
}

constexpr std::chrono::milliseconds read_time_of_day(Cursor& in) noexcept {
  const std::chrono::hours hour{in.number(2)};
  in.one_of(":");
  const std::chrono::minutes minute{in.number(2)};
  in.one_of(":");
  const std::chrono::seconds second{in.number(2)};
  const std::chrono::milliseconds fraction = read_fraction(in);
  if (hour.count() > 23 || minute.count() > 59 || second.count() > 60) in.fail();
  // A leap second has no milliseconds of its own here: with its fraction it would pass events of the next minute.
  return hour + minute + second + (second.count() == 60 ? std::chrono::milliseconds{0} : fraction);
}

/// 'Z' or "+hh:mm": how far the text's clock is ahead of UTC.
constexpr std::chrono::minutes read_zone(Cursor& in) noexcept {
  const char sign = in.one_of("Zz+-");
  if (sign != '+' && sign != '-') return std::chrono::minutes{0};
  const int hours = in.number(2);
  in.one_of(":");
  const int minutes = in.number(2);
  if (hours > 23 || minutes > 59) in.fail();
  return std::chrono::minutes{(hours * 60 + minutes) * (sign == '-' ? -1 : 1)};
}

/// The form that nearly all programs write: "2024-05-01T12:00:00Z" or with exactly three digits of a fraction. Every
/// character stands where it stands in all of them, so that they are read without a step that depends on the one
/// before. Returns: false for any other form, and for what is no time; `*time` is left alone then.
constexpr bool read_usual_utc(std::string_view text, EventTime* time) noexcept {
  const bool with_ms = text.size() == 24;
  if (!with_ms && text.size() != 20) return false;
  unsigned worst = 0;  // above 9 when any digit was none
  const auto digit = [&](std::size_t i) {
    const unsigned value = static_cast<unsigned char>(text[i]) - static_cast<unsigned>('0');
    worst = std::max(worst, value);
    return value;
  };
  const auto two = [&](std::size_t i) { return digit(i) * 10 + digit(i + 1); };
  const unsigned year = two(0) * 100 + two(2);
  const unsigned month = two(5);
  const unsigned day = two(8);
  const unsigned hour = two(11);
  const unsigned minute = two(14);
  const unsigned second = two(17);
  const unsigned ms = with_ms ? two(20) * 10 + digit(22) : 0;
  const bool marked = text[4] == '-' && text[7] == '-' && text[10] == 'T' && text[13] == ':' && text[16] == ':' &&
                      text.back() == 'Z' && (!with_ms || text[19] == '.');
  // A leap second is left to the others.
  if (!marked || worst > 9 || hour > 23 || minute > 59 || second > 59) return false;
  const std::chrono::year_month_day date{std::chrono::year{static_cast<int>(year)}, std::chrono::month{month},
                                         std::chrono::day{day}};
  if (!date.ok()) return false;
  const std::int64_t seconds = (std::int64_t{hour} * 60 + minute) * 60 + second;
  *time = EventTime{std::chrono::sys_days{date}} + std::chrono::milliseconds{seconds * 1000 + ms};
  return true;
}

/// Appends `value` with leading zeros. Requires: 0 <= value < 10^digits.
inline void append_number(int value, int digits, std::string* text) {
  const std::size_t end = text->size() + static_cast<std::size_t>(digits);
  text->resize(end, '0');
  for (std::size_t at = end; value > 0; value /= 10) (*text)[--at] = static_cast<char>('0' + value % 10);
}

}  // namespace rfc3339

/// Reads "2024-05-01T14:00:00.5+02:00" to the millisecond; further digits are dropped. 't' or a blank may stand for 'T'
/// and 'z' for 'Z' (section 5.6). Nothing may stand before or after it.
///
/// Second 60 is accepted in every minute and becomes the first instant of the next minute, whatever its fraction is:
/// EventTime has no leap seconds. So 23:59:59.999, 23:59:60, 23:59:60.5 and 00:00:00 stay in their order.
///
/// Returns: nullopt when `text` is not such a time.
[[nodiscard]] constexpr std::optional<EventTime> parse_rfc3339(std::string_view text) noexcept {
  if (EventTime usual; rfc3339::read_usual_utc(text, &usual)) return usual;
  rfc3339::Cursor in(text);
  const std::chrono::sys_days date = rfc3339::read_date(in);
  in.one_of("Tt ");
  const std::chrono::milliseconds of_day = rfc3339::read_time_of_day(in);
  const std::chrono::minutes ahead = rfc3339::read_zone(in);
  if (!in.done()) return std::nullopt;
  return EventTime{date} + of_day - ahead;
}

/// Which times are written with milliseconds.
enum class Rfc3339Fraction : std::uint8_t {
  kWhereAny,  ///< "2024-05-01T12:00:00Z", "2024-05-01T12:00:00.500Z"
  kAlways,    ///< "2024-05-01T12:00:00.000Z": all texts have one length
};

/// Writes `time` in UTC. A time outside kRfc3339Min to kRfc3339Max is brought to the nearer end. parse_rfc3339() reads
/// the same time back.
[[nodiscard]] inline std::string format_rfc3339(EventTime time, Rfc3339Fraction fraction = Rfc3339Fraction::kWhereAny) {
  time = std::clamp(time, kRfc3339Min, kRfc3339Max);
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  std::string text;
  const auto append = [&text](auto value, int digits, std::string_view then) {
    rfc3339::append_number(static_cast<int>(value), digits, &text);
    text += then;
  };
  append(static_cast<int>(date.year()), 4, "-");
  append(static_cast<unsigned>(date.month()), 2, "-");
  append(static_cast<unsigned>(date.day()), 2, "T");
  append(clock.hours().count(), 2, ":");
  append(clock.minutes().count(), 2, ":");
  append(clock.seconds().count(), 2, "");
  const auto ms = clock.subseconds().count();
  if (ms != 0 || fraction == Rfc3339Fraction::kAlways) {
    text += '.';
    append(ms, 3, "");
  }
  text += 'Z';
  return text;
}

}  // namespace cairn

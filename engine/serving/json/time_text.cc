#include "engine/serving/json/time_text.h"

#include <algorithm>
#include <cstdio>

namespace cairn::serving::json {
namespace {

/// Reads fixed-width fields from the front of a text.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : rest_(text) {}

  [[nodiscard]] bool digits(int count, int& value) {
    value = 0;
    for (int i = 0; i < count; ++i) {
      const std::optional<int> next = digit();
      if (!next) return false;
      value = value * 10 + *next;
    }
    return true;
  }

  [[nodiscard]] std::optional<int> digit() {
    if (rest_.empty() || rest_.front() < '0' || rest_.front() > '9') return std::nullopt;
    const int value = rest_.front() - '0';
    rest_.remove_prefix(1);
    return value;
  }

  /// Takes one character when it is among `choices`; 0 otherwise.
  char one_of(std::string_view choices) {
    if (rest_.empty() || choices.find(rest_.front()) == std::string_view::npos) return '\0';
    const char taken = rest_.front();
    rest_.remove_prefix(1);
    return taken;
  }

  [[nodiscard]] bool done() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

bool read_date(Cursor& in, std::chrono::sys_days& date) {
  int year = 0;
  int month = 0;
  int day = 0;
  if (!in.digits(4, year) || !in.one_of("-") || !in.digits(2, month) || !in.one_of("-") || !in.digits(2, day)) {
    return false;
  }
  const std::chrono::year_month_day ymd{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                        std::chrono::day(static_cast<unsigned>(day))};
  if (!ymd.ok()) return false;
  date = ymd;
  return true;
}

bool read_clock(Cursor& in, std::chrono::milliseconds& of_day) {
  int hour = 0;
  int minute = 0;
  int second = 0;
  if (!in.digits(2, hour) || !in.one_of(":") || !in.digits(2, minute) || !in.one_of(":") || !in.digits(2, second)) {
    return false;
  }
  if (hour > 23 || minute > 59 || second > 60) return false;
  int ms = 0;
  if (in.one_of(".")) {
    std::optional<int> next = in.digit();
    if (!next) return false;
    for (int scale = 100; next; scale /= 10, next = in.digit()) ms += *next * scale;
  }
  of_day = std::chrono::hours(hour) + std::chrono::minutes(minute) + std::chrono::seconds(second) +
           std::chrono::milliseconds(ms);
  return true;
}

bool read_zone(Cursor& in, std::chrono::minutes& east) {
  if (in.one_of("Zz")) return true;
  const char sign = in.one_of("+-");
  int hour = 0;
  int minute = 0;
  if (!sign || !in.digits(2, hour) || !in.one_of(":") || !in.digits(2, minute)) return false;
  if (hour > 23 || minute > 59) return false;
  east = std::chrono::minutes((sign == '-' ? -1 : 1) * (hour * 60 + minute));
  return true;
}

}  // namespace

std::optional<EventTime> parse_time(std::string_view text) {
  Cursor in(text);
  std::chrono::sys_days date;
  std::chrono::milliseconds of_day{0};
  std::chrono::minutes east{0};
  if (!read_date(in, date) || !in.one_of("Tt ") || !read_clock(in, of_day) || !read_zone(in, east) || !in.done()) {
    return std::nullopt;
  }
  return EventTime(date) + of_day - east;
}

std::string format_time(EventTime time) {
  const EventTime clamped = event_time_from_ms(std::clamp(to_ms(time), kTimeMsMin, kTimeMsMax));
  const auto day = std::chrono::floor<std::chrono::days>(clamped);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(clamped - day);
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, "%04d-%02u-%02uT%02d:%02d:%02d", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()));
  std::string text = buffer;
  if (const auto ms = clock.subseconds().count(); ms != 0) {
    std::snprintf(buffer, sizeof buffer, ".%03d", static_cast<int>(ms));
    text += buffer;
  }
  return text + "Z";
}

}  // namespace cairn::serving::json

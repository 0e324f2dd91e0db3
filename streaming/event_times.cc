#include "streaming/event_times.h"

#include <time.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <utility>

#include "cairn/rfc3339.h"
#include "cairn/whole_number.h"
#include "streaming/zone.h"

namespace cairn::streaming {
namespace {

using std::chrono::milliseconds;
using LocalTime = std::chrono::local_time<milliseconds>;

bool is_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// The letters that follow a '%' in a pattern, with "%T" spelt out, which holds seconds too.
std::string spelt_out(std::string_view pattern) {
  std::string out;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern.substr(i, 2) == "%T") {
      out += "%H:%M:%S";
      ++i;
    } else if (pattern[i] == '%' && i + 1 < pattern.size()) {
      out += pattern.substr(i++, 2);
    } else {
      out += pattern[i];
    }
  }
  return out;
}

bool has(std::string_view pattern, char letter) {
  for (std::size_t i = 0; i + 1 < pattern.size(); ++i) {
    if (pattern[i] == '%' && pattern[++i] == letter) return true;
  }
  return false;
}

bool has_any(std::string_view pattern, std::string_view letters) {
  return std::any_of(letters.begin(), letters.end(), [&](char letter) { return has(pattern, letter); });
}

/// Reads ".5" or ",123456" at the front of `*text`: milliseconds, further digits are dropped.
milliseconds take_fraction(const char** text) {
  if ((**text != '.' && **text != ',') || (*text)[1] < '0' || (*text)[1] > '9') return milliseconds{0};
  int ms = 0;
  int scale = 100;
  for (++*text; **text >= '0' && **text <= '9'; ++*text, scale /= 10) ms += (**text - '0') * scale;
  return milliseconds{ms};
}

std::optional<LocalTime> local_time_of(const tm& read, milliseconds fraction) {
  const std::chrono::year_month_day date{std::chrono::year{read.tm_year + 1900},
                                         std::chrono::month{static_cast<unsigned>(read.tm_mon + 1)},
                                         std::chrono::day{static_cast<unsigned>(read.tm_mday)}};
  if (!date.ok()) return std::nullopt;
  // Second 60 and beyond is the first instant of the next minute, as in RFC 3339.
  const bool leap = read.tm_sec >= 60;
  const std::chrono::seconds second{leap ? 60 : read.tm_sec};
  return LocalTime(std::chrono::local_days{date}) + std::chrono::hours{read.tm_hour} +
         std::chrono::minutes{read.tm_min} + second + (leap ? milliseconds{0} : fraction);
}

}  // namespace

Result<EventTimes> EventTimes::make(const std::string& format, const std::string& zone) {
  EventTimes times;
  times.format_ = format;
  constexpr std::pair<std::string_view, Unit> kUnits[] = {{"seconds", Unit::kSeconds},
                                                          {"milliseconds", Unit::kMilliseconds},
                                                          {"microseconds", Unit::kMicroseconds},
                                                          {"nanoseconds", Unit::kNanoseconds}};
  for (const auto& [name, unit] : kUnits) {
    if (format != name) continue;
    times.unit_ = unit;
    times.unit_given_ = true;
  }
  if (!format.empty() && format != "rfc3339" && !times.unit_given_) {
    CAIRN_RETURN_IF_ERROR(times.set_pattern(format));
  }
  if (!zone.empty()) {
    CAIRN_ASSIGN_OR_RETURN(times.zone_, Zone::find(zone));
    times.zone_name_ = zone;
  } else if (!times.pieces_.empty() && !times.offset_in_pattern_) {
    return invalid_argument("time format '" + format +
                            "' has no offset (%z), so a time zone is needed: time_zone (--time-zone)");
  }
  return times;
}

Status EventTimes::set_pattern(const std::string& pattern) {
  const std::string text = spelt_out(pattern);
  if (text.find('%') == std::string::npos) {
    return invalid_argument("'" + pattern +
                            "' is no time format; there are rfc3339, seconds, milliseconds, microseconds, nanoseconds, "
                            "and patterns such as '%d.%m.%Y %H:%M:%S' (strptime)");
  }
  if (has_any(text, "Zs")) {
    return invalid_argument(
        "time format '" + pattern +
        "': %Z does not tell a zone for certain and %s is written 'seconds'; use %z or a time zone");
  }
  const bool dated = has_any(text, "cDFx") || (has_any(text, "Yy") && has_any(text, "mbBhj"));
  if (!dated) return invalid_argument("time format '" + pattern + "' gives no date; it needs %Y, %m and %d, or %F");
  offset_in_pattern_ = has(text, 'z');
  std::size_t begin = 0;
  for (std::size_t i = 0; i + 1 < text.size(); ++i) {
    if (text[i] != '%') continue;
    if (text[++i] != 'S') continue;
    pieces_.push_back(text.substr(begin, i + 1 - begin));
    begin = i + 1;
  }
  if (begin < text.size() || pieces_.empty()) pieces_.push_back(text.substr(begin));
  return ok_status();
}

std::optional<EventTime> EventTimes::read_pattern(std::string_view text) const {
  const std::string owned(text);  // strptime wants a NUL
  if (owned.find('\0') != std::string::npos) return std::nullopt;
  const char* at = owned.c_str();
  tm read{};
  read.tm_mday = 1;
  read.tm_year = 70;
  milliseconds fraction{0};
  for (const std::string& piece : pieces_) {
    at = ::strptime(at, piece.c_str(), &read);
    if (at == nullptr) return std::nullopt;
    if (piece.ends_with("%S")) fraction += take_fraction(&at);
  }
  const auto local = *at == '\0' ? local_time_of(read, fraction) : std::nullopt;
  if (!local) return std::nullopt;
  if (offset_in_pattern_) return EventTime(local->time_since_epoch() - std::chrono::seconds{read.tm_gmtoff});
  return zone_ ? std::optional(zone_->to_utc(*local)) : std::nullopt;
}

/// "2024-05-01", "2024-05-01 12:00", "2024-05-01T12:00:00.5".
std::optional<EventTime> EventTimes::read_without_offset(std::string_view text) const {
  if (!zone_) return std::nullopt;
  std::string whole(text);
  if (whole.size() == 10) whole += "T00:00";
  if (whole.size() == 16) whole += ":00";
  const auto shown = parse_rfc3339(whole + "Z");
  return shown ? std::optional(zone_->to_utc(LocalTime(shown->time_since_epoch()))) : std::nullopt;
}

std::optional<EventTime> EventTimes::read_text(std::string_view text) const {
  if (const auto time = parse_rfc3339(text)) return time;
  if (!pieces_.empty()) {
    if (const auto time = read_pattern(text)) return time;
  }
  if (const auto time = read_without_offset(text)) return time;
  return unit_given_ ? read_number(text) : std::nullopt;
}

std::optional<EventTime> EventTimes::read_number(std::string_view number) const {
  constexpr std::int64_t kSecondsMax = INT64_MAX / 1000;
  std::int64_t whole = 0;
  const bool plain = number.find_first_of(".eE") == std::string_view::npos;
  const auto written = plain || unit_ == Unit::kSeconds ? std::nullopt : whole_number(number);
  const std::string digits = written ? std::to_string(*written) : std::string();
  if (written) number = digits;
  const auto integer = std::from_chars(number.data(), number.data() + number.size(), whole);
  if (integer.ec == std::errc() && integer.ptr == number.data() + number.size()) {
    switch (unit_) {
      case Unit::kSeconds:
        return whole <= kSecondsMax && whole >= -kSecondsMax ? std::optional(event_time_from_ms(whole * 1000))
                                                             : std::nullopt;
      case Unit::kMilliseconds:
        return event_time_from_ms(whole);
      case Unit::kMicroseconds:
        return event_time_from_ms(whole / 1000);
      case Unit::kNanoseconds:
        return event_time_from_ms(whole / 1'000'000);
    }
  }
  if (unit_ != Unit::kSeconds) return std::nullopt;
  double seconds = 0;
  const char* const end = number.data() + number.size();
  const auto real = std::from_chars(number.data(), end, seconds);
  // Up to here a double tells milliseconds apart.
  if (real.ec != std::errc() || real.ptr != end || !(std::abs(seconds) < 1e12)) return std::nullopt;
  return event_time_from_ms(static_cast<std::int64_t>(std::llround(seconds * 1000)));
}

std::optional<EventTime> EventTimes::read_field(std::string_view text) const {
  if (is_digits(text) || (unit_given_ && !text.empty())) {
    if (const auto time = read_number(text)) return time;
  }
  return read_text(text);
}

std::string EventTimes::expected() const {
  std::string words = zone_ ? "RFC 3339 (without an offset: " + zone_name_ + ")" : "RFC 3339";
  if (!pieces_.empty()) {
    return words + ", '" + format_ + "' or integer milliseconds since 1970";
  }
  constexpr std::string_view kUnits[] = {"seconds", "integer milliseconds", "integer microseconds",
                                         "integer nanoseconds"};
  return words + " or " + std::string(kUnits[static_cast<std::size_t>(unit_)]) + " since 1970";
}

namespace {

/// Digits at the front of `*text`, taken from it.
std::string_view take_digits(std::string_view* text) {
  const std::size_t size = std::min(text->find_first_not_of("0123456789"), text->size());
  const std::string_view digits = text->substr(0, size);
  text->remove_prefix(size);
  return digits;
}

/// The pattern of a date at the front of `*text`, which it is taken from: "%d.%m.%Y". Where day and month may be
/// either, slashes mean the American order. Returns: empty for what is no date.
std::string date_pattern(std::string_view* text) {
  const std::string_view first = take_digits(text);
  const char mark = text->empty() ? '\0' : text->front();
  if (first.empty() || std::string_view("./-").find(mark) == std::string_view::npos) return {};
  text->remove_prefix(1);
  const std::string_view second = take_digits(text);
  if (second.empty() || !text->starts_with(mark)) return {};
  text->remove_prefix(1);
  const std::string_view third = take_digits(text);
  const std::string m(1, mark);
  if (first.size() == 4) return "%Y" + m + "%m" + m + "%d";
  const std::string year = third.size() == 4 ? "%Y" : "%y";
  const bool month_first = mark == '/' ? !(first.size() == 2 && first > "12") : second.size() == 2 && second > "12";
  return (month_first ? "%m" + m + "%d" : "%d" + m + "%m") + m + year;
}

/// The pattern that a time is probably written in, and is read by; empty where none comes to mind.
std::string likely_pattern(std::string_view text) {
  const std::string_view whole = text;
  std::string pattern = date_pattern(&text);
  if (pattern.empty()) return {};
  const auto reads = [&] {
    const auto times = EventTimes::make(pattern, "UTC");
    return times.ok() && times->read_text(whole).has_value();
  };
  if (reads()) return pattern;
  pattern += text.starts_with('T') ? "T" : text.starts_with(", ") ? ", " : " ";
  const std::string date = pattern;
  for (const char* clock : {"%H:%M", "%H:%M:%S", "%I:%M %p", "%I:%M:%S %p", "%H:%M %z", "%H:%M:%S %z"}) {
    pattern = date + clock;
    if (reads()) return pattern;
  }
  return {};
}

}  // namespace

std::string time_hint(std::string_view text, bool quoted) {
  const std::size_t point = std::min(text.find('.'), text.size());
  const std::string_view whole = text.substr(0, point);
  const bool numeric = is_digits(whole) && (point == text.size() || is_digits(text.substr(point + 1)));
  const std::string in_quotes = quoted ? "a number in quotes" : "";
  if (!numeric) {
    const bool dated = text.size() >= 10 && text[4] == '-' && text[7] == '-';
    const auto shown = dated && text.size() >= 16
                           ? parse_rfc3339(std::string(text) + (text.size() == 16 ? ":00Z" : "Z"))
                           : std::nullopt;
    if (shown) return "it has no offset: add Z or one such as +02:00, or set time_zone (--time-zone)";
    if (dated && text.size() == 10 && parse_rfc3339(std::string(text) + "T00:00:00Z")) {
      return "it is a day: send the time too, or set time_zone (--time-zone) by whose clock it begins";
    }
    const std::string pattern = likely_pattern(text);
    if (pattern.empty()) return {};
    const bool zoned = pattern.ends_with("%z");
    return "it reads as '" + pattern + "': set time_format to that" + (zoned ? "" : ", and time_zone") +
           " (--time-format" + (zoned ? ")" : ", --time-zone)");
  }
  const auto unit = [&](const char* name) {
    return std::string("it looks like ") + name + (quoted ? " in quotes" : "") +
           ", and milliseconds are meant; convert it, or set time_format = \"" + name + "\" (--time-format " + name +
           ")";
  };
  // Of times between 2001 and 2286.
  if (whole.size() == 10) return unit("seconds");
  if (whole.size() == 16) return unit("microseconds");
  if (whole.size() == 19) return unit("nanoseconds");
  if (quoted && whole.size() == 13) return "it looks like milliseconds in quotes: send the number without them";
  return in_quotes.empty() ? in_quotes : "it is " + in_quotes;
}

}  // namespace cairn::streaming

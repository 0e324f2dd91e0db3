#include "features/opening_hours.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <optional>

namespace cairn::features {

namespace {

using std::chrono::local_days;
using std::chrono::month_day;
using std::chrono::year_month_day;

constexpr int kDay = 24 * 60;
constexpr std::array<std::string_view, 7> kWeekdays = {"mo", "tu", "we", "th", "fr", "sa", "su"};
constexpr std::array<std::string_view, 12> kMonths = {"jan", "feb", "mar", "apr", "may", "jun",
                                                      "jul", "aug", "sep", "oct", "nov", "dec"};

/// Monday is 0.
int weekday_of(local_days day) { return static_cast<int>(std::chrono::weekday(day).iso_encoding()) - 1; }

int year_of(local_days day) { return static_cast<int>(year_month_day(day).year()); }

/// The number of the week by ISO 8601: that of the year in which its Thursday lies.
int week_of(local_days day) {
  const local_days thursday = day + std::chrono::days(3 - weekday_of(day));
  const local_days first = local_days(year_month_day(thursday).year() / std::chrono::January / 1);
  return static_cast<int>((thursday - first).count() / 7) + 1;
}

/// Easter Sunday of the Gregorian calendar (the algorithm of Meeus, Jones and Butcher).
local_days easter_of(int year) {
  const int a = year % 19;
  const int b = year / 100;
  const int c = year % 100;
  const int h = (19 * a + b - b / 4 - (b - (b + 8) / 25 + 1) / 3 + 15) % 30;
  const int l = (32 + 2 * (b % 4) + 2 * (c / 4) - h - c % 4) % 7;
  const int m = (a + 11 * h + 22 * l) / 451;
  const int n = h + l - 7 * m + 114;
  return local_days(std::chrono::year(year) / std::chrono::month(static_cast<unsigned>(n / 31)) /
                    std::chrono::day(static_cast<unsigned>(n % 31 + 1)));
}

local_days last_of(int year, unsigned month) {
  return local_days(std::chrono::year(year) / std::chrono::month(month) / std::chrono::last);
}

std::optional<int> whole(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

/// "12-25".
std::optional<month_day> month_day_of(std::string_view text) {
  if (text.size() != 5 || text[2] != '-') return std::nullopt;
  const auto month = whole(text.substr(0, 2));
  const auto day = whole(text.substr(3));
  if (!month || !day || *month < 1 || *day < 1) return std::nullopt;
  const month_day read{std::chrono::month(static_cast<unsigned>(*month)),
                       std::chrono::day(static_cast<unsigned>(*day))};
  return read.ok() ? std::optional(read) : std::nullopt;
}

/// "2026-12-25".
std::optional<local_days> date_of(std::string_view text) {
  if (text.size() != 10 || text[4] != '-') return std::nullopt;
  const auto year = whole(text.substr(0, 4));
  const auto rest = month_day_of(text.substr(5));
  if (!year || !rest) return std::nullopt;
  const year_month_day date = std::chrono::year(*year) / *rest;
  return date.ok() ? std::optional(local_days(date)) : std::nullopt;
}

}  // namespace

// ---- holidays -----------------------------------------------------------------------------------------------------

bool Holidays::Days::holds(local_days day) const noexcept {
  const year_month_day date(day);
  return std::any_of(ranges.begin(), ranges.end(),
                     [&](const auto& range) { return range.first <= day && day <= range.second; }) ||
         std::find(yearly.begin(), yearly.end(), month_day(date.month(), date.day())) != yearly.end();
}

Result<Holidays::Days> Holidays::read(std::span<const std::string> words) {
  Days days;
  for (const std::string& word : words) {
    const std::size_t dots = word.find("..");
    const auto first = date_of(std::string_view(word).substr(0, dots));
    const auto last = dots == std::string::npos ? first : date_of(std::string_view(word).substr(dots + 2));
    if (first && last && *first <= *last) {
      days.ranges.emplace_back(*first, *last);
    } else if (const auto yearly = month_day_of(word)) {
      days.yearly.push_back(*yearly);
    } else {
      return invalid_argument("'" + word + "' is no day; write it as 2026-12-25, as 12-25 for each year, or as " +
                              "2026-07-01..2026-08-31");
    }
  }
  return days;
}

Result<Holidays> Holidays::make(std::span<const std::string> public_holidays,
                                std::span<const std::string> school_holidays) {
  Holidays holidays;
  CAIRN_ASSIGN_OR_RETURN(holidays.public_, read(public_holidays));
  CAIRN_ASSIGN_OR_RETURN(holidays.school_, read(school_holidays));
  return holidays;
}

// ---- reading ------------------------------------------------------------------------------------------------------

/// Reads left to right. A comma may go on with a list, or begin another rule: lists take it only where one of their own
/// follows.
class OpeningHoursParser {
 public:
  explicit OpeningHoursParser(std::string_view text) : text_(text) {}

  Result<OpeningHours> read() {
    OpeningHours hours;
    OpeningHours::Join join = OpeningHours::Join::kNormal;
    do {
      skip_spaces();
      if (at_end() && !hours.rules_.empty()) break;  // a last ';'
      OpeningHours::Rule rule;
      rule.join = join;
      if (!read_rule(&rule)) return failure();
      hours.rules_.push_back(std::move(rule));
      skip_spaces();
    } while (read_separator(&join));
    if (!at_end()) expect("';', ',' or the end");
    if (!problem_.empty()) return failure();
    return hours;
  }

 private:
  using Rule = OpeningHours::Rule;
  using Numbers = OpeningHours::Numbers;
  using DatePoint = OpeningHours::DatePoint;

  [[nodiscard]] bool at_end() const { return at_ == text_.size(); }
  [[nodiscard]] char look(std::size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  void skip_spaces() {
    while (look() == ' ' || look() == '\t') ++at_;
  }
  bool take(std::string_view what) {
    if (!text_.substr(at_).starts_with(what)) return false;
    at_ += what.size();
    return true;
  }
  static bool is_digit(char c) { return c >= '0' && c <= '9'; }
  static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
  /// The letters at hand, in lower case.
  [[nodiscard]] std::string word() const {
    std::string word;
    for (std::size_t i = at_; i < text_.size() && is_letter(text_[i]); ++i) {
      word += static_cast<char>(std::tolower(static_cast<unsigned char>(text_[i])));
    }
    return word;
  }
  bool take_word(std::string_view what) {
    if (word() != what) return false;
    at_ += what.size();
    return true;
  }
  [[nodiscard]] std::size_t digits() const {
    std::size_t count = 0;
    while (is_digit(look(count))) ++count;
    return count;
  }
  std::optional<int> number(std::size_t most) {
    const std::size_t count = digits();
    if (count == 0 || count > most) return std::nullopt;
    const auto value = whole(text_.substr(at_, count));
    at_ += count;
    return value;
  }

  bool expect(const std::string& what) {
    if (problem_.empty()) problem_ = "column " + std::to_string(at_ + 1) + ": " + what + " is expected";
    return false;
  }
  bool refuse(const std::string& what) {
    if (problem_.empty()) problem_ = "column " + std::to_string(at_ + 1) + ": " + what;
    return false;
  }
  [[nodiscard]] Status failure() const { return invalid_argument(problem_); }

  bool read_separator(OpeningHours::Join* join) {
    if (take("||")) {
      *join = OpeningHours::Join::kFallback;
    } else if (take(";")) {
      *join = OpeningHours::Join::kNormal;
    } else if (take(",")) {
      *join = OpeningHours::Join::kAdditional;
    } else {
      return false;
    }
    return true;
  }

  bool read_rule(Rule* rule) {
    const std::size_t begin = at_;
    if (take("24/7")) {
      rule->spans.push_back({0, kDay});
    } else {
      if (!read_wide(rule) || !read_days_of_week(rule) || !read_spans(rule)) return false;
    }
    const bool selects = at_ != begin;
    skip_spaces();
    if (!read_modifier(rule, selects)) return false;
    if (at_ == begin) return expect("a day, a month, a time such as 08:00-18:00, 24/7 or off");
    return true;
  }

  bool read_modifier(Rule* rule, bool selects) {
    const bool said = take_word("open") || take_closed(rule) || take_unknown(rule);
    skip_spaces();
    if (look() != '"') return true;
    const std::size_t end = text_.find('"', at_ + 1);
    if (end == std::string_view::npos) return refuse("a comment has no closing quote");
    at_ = end + 1;
    if (!said) rule->state = Openness::kUnknown;  // `Mo-Fr "by appointment"` promises nothing
    static_cast<void>(selects);
    return true;
  }
  bool take_closed(Rule* rule) {
    if (!take_word("off") && !take_word("closed")) return false;
    rule->state = Openness::kClosed;
    return true;
  }
  bool take_unknown(Rule* rule) {
    if (!take_word("unknown")) return false;
    rule->state = Openness::kUnknown;
    return true;
  }

  // Years, months, weeks.

  [[nodiscard]] bool year_ahead() const { return digits() == 4 && look(4) != ':'; }
  [[nodiscard]] unsigned month_ahead() const {
    const std::string name = word();
    for (unsigned i = 0; i < kMonths.size(); ++i) {
      if (name == kMonths[i]) return i + 1;
    }
    return 0;
  }
  [[nodiscard]] bool date_ahead() {
    const std::size_t begin = at_;
    if (year_ahead()) {
      at_ += 4;
      skip_spaces();
    }
    const bool date = month_ahead() != 0 || word() == "easter";
    at_ = begin;
    return date;
  }

  bool read_wide(Rule* rule) {
    if (year_ahead() && !date_ahead() && !read_numbers(4, 1900, 9999, &rule->years, true)) return false;
    skip_spaces();
    if (date_ahead() && !read_dates(rule)) return false;
    skip_spaces();
    if (take_word("week")) {
      skip_spaces();
      if (!read_numbers(2, 1, 53, &rule->weeks, false)) return false;
      skip_spaces();
    }
    if (look() == ':') ++at_;  // for people
    skip_spaces();
    return true;
  }

  /// "1-10/2,15": numbers, ranges and steps.
  bool read_numbers(std::size_t most_digits, int low, int high, std::vector<Numbers>* numbers, bool open_end) {
    for (;;) {
      Numbers read;
      const auto from = number(most_digits);
      if (!from || *from < low || *from > high) {
        return expect("a number from " + std::to_string(low) + " to " + std::to_string(high));
      }
      read.from = read.to = *from;
      if (open_end && take("+")) {
        read.to = high;
      } else if (look() == '-' && is_digit(look(1))) {
        ++at_;
        const auto to = number(most_digits);
        if (!to || *to < low || *to > high) return expect("a number up to " + std::to_string(high));
        read.to = *to;
        if (take("/")) {
          const auto step = number(2);
          if (!step || *step < 1) return expect("a step");
          read.step = *step;
        }
      }
      numbers->push_back(read);
      if (look() != ',' || !is_digit(look(1)) || time_at(at_ + 1)) return true;
      ++at_;
    }
  }

  bool read_dates(Rule* rule) {
    for (;;) {
      OpeningHours::DateRange range;
      if (!read_point(&range.from)) return false;
      range.to = range.from;
      const std::size_t before = at_;
      skip_spaces();
      if (take("-")) {
        skip_spaces();
        if (date_ahead()) {
          if (!read_point(&range.to)) return false;
        } else if (range.from.month != 0 && range.from.day != 0 && digits() > 0) {
          if (!read_day(range.to.month, &range.to.day)) return false;
        } else {
          return expect("a month or a day of it");
        }
      } else {
        at_ = before;
        range.single = true;
        if (look() == '+') return refuse("a date with an open end is not read; write the end, such as Dec 31");
      }
      rule->dates.push_back(range);
      // "Jan 01,Dec 25", and "Dec 24,31", where the month stands once.
      const std::size_t list = at_;
      if (!take(",")) return true;
      skip_spaces();
      if (date_ahead()) continue;
      while (rule->dates.back().to.day != 0 && digits() > 0 && digits() <= 2 && !time_at(at_)) {
        OpeningHours::DateRange more;
        more.from = rule->dates.back().to;
        if (!read_day(more.from.month, &more.from.day)) return false;
        more.to = more.from;
        more.single = true;
        rule->dates.push_back(more);
        if (look() != ',' || !is_digit(look(1)) || time_at(at_ + 1)) return true;
        ++at_;
      }
      at_ = list;
      return true;
    }
  }

  bool read_point(DatePoint* point) {
    if (year_ahead()) {
      point->year = number(4).value_or(0);
      skip_spaces();
    }
    if (take_word("easter")) return read_easter_offset(point);
    point->month = month_ahead();
    if (point->month == 0) return expect("a month such as Jan");
    at_ += 3;
    const std::size_t before = at_;
    skip_spaces();
    if (digits() == 0 || digits() > 2 || time_at(at_)) {
      at_ = before;
      return true;
    }
    return read_day(point->month, &point->day);
  }

  bool read_day(unsigned month, unsigned* day) {
    const std::size_t begin = at_;
    const auto read = number(2);
    if (!read || *read < 1 || *read > 31) return expect("a day of the month");
    *day = static_cast<unsigned>(*read);
    if (month_day(std::chrono::month(month), std::chrono::day(*day)).ok()) return true;
    at_ = begin;
    std::string name(kMonths[month - 1]);
    name.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(name.front())));
    return refuse("no year has " + name + " " + std::to_string(*day) + "; write " + name +
                  (month == 2 ? " 29" : " 30") + ", or " + name + " alone for the whole month");
  }

  /// "easter -2 days".
  bool read_easter_offset(DatePoint* point) {
    const std::size_t before = at_;
    skip_spaces();
    const bool back = look() == '-';
    if ((back || look() == '+') && (is_digit(look(1)) || look(1) == ' ')) {
      ++at_;
      skip_spaces();
      const auto days = number(3);
      skip_spaces();
      if (days && (take_word("days") || take_word("day"))) {
        point->offset = back ? -*days : *days;
        return true;
      }
    }
    at_ = before;
    return true;
  }

  // Days of the week.

  [[nodiscard]] int weekday_ahead() const {
    const std::string name = word();
    for (std::size_t i = 0; i < kWeekdays.size(); ++i) {
      if (name == kWeekdays[i]) return static_cast<int>(i);
    }
    return -1;
  }
  [[nodiscard]] bool holiday_ahead() const { return word() == "ph" || word() == "sh"; }

  bool read_days_of_week(Rule* rule) {
    if (!holiday_ahead() && weekday_ahead() < 0) return true;
    for (;;) {
      const bool holiday = holiday_ahead();
      if (holiday) {
        (word() == "ph" ? rule->public_holiday : rule->school_holiday) = true;
        at_ += 2;
      } else if (!read_weekdays(rule)) {
        return false;
      }
      const std::size_t before = at_;
      skip_spaces();
      if ((look() == '+' || look() == '-') && (is_digit(look(1)) || look(1) == ' ')) {
        return refuse("days counted from others are not read");
      }
      if (holiday && rule->weekdays.empty() && weekday_ahead() >= 0) {
        rule->holiday_on_weekday = true;
        continue;
      }
      if (look() == ',') {
        ++at_;
        skip_spaces();
        if (holiday_ahead() || weekday_ahead() >= 0) {
          // "Mo 10:00-12:00, We 14:00-16:00" has times before the comma, and does not come here.
          continue;
        }
      }
      at_ = before;
      skip_spaces();
      if (look() == ':' && !is_digit(look(1))) ++at_;
      skip_spaces();
      return true;
    }
  }

  bool read_weekdays(Rule* rule) {
    OpeningHours::Weekday read;
    const int from = weekday_ahead();
    if (from < 0) return expect("a day of the week such as Mo");
    at_ += 2;
    int to = from;
    if (look() == '-') {
      ++at_;
      to = weekday_ahead();
      if (to < 0) return expect("a day of the week such as Fr");
      at_ += 2;
    }
    for (int day = from;; day = (day + 1) % 7) {
      read.days |= static_cast<std::uint8_t>(1U << static_cast<unsigned>(day));
      if (day == to) break;
    }
    if (take("[") && !read_places(&read)) return false;
    rule->weekdays.push_back(read);
    return true;
  }

  /// "1,3-4,-1]".
  bool read_places(OpeningHours::Weekday* weekday) {
    do {
      const bool from_end = take("-");
      const auto first = number(1);
      int last = first.value_or(0);
      if (!from_end && look() == '-' && is_digit(look(1))) {
        ++at_;
        last = number(1).value_or(0);
      }
      if (!first || *first < 1 || last > 5 || last < *first) return expect("which of the month's, from 1 to 5");
      for (int i = *first; i <= last; ++i) {
        (from_end ? weekday->from_end : weekday->places) |=
            static_cast<std::uint8_t>(1U << static_cast<unsigned>(i - 1));
      }
    } while (take(","));
    return take("]") || expect("]");
  }

  // Times.

  [[nodiscard]] bool time_at(std::size_t at) const {
    std::size_t count = 0;
    while (at + count < text_.size() && is_digit(text_[at + count])) ++count;
    return (count == 1 || count == 2) && at + count < text_.size() && text_[at + count] == ':' &&
           at + count + 1 < text_.size() && is_digit(text_[at + count + 1]);
  }
  std::optional<int> time(int hours_max) {
    if (!time_at(at_)) return std::nullopt;
    const int hours = number(2).value_or(0);
    ++at_;
    if (digits() != 2) return std::nullopt;
    const int minutes = number(2).value_or(60);
    const int time = hours * 60 + minutes;
    return minutes < 60 && time <= hours_max * 60 ? std::optional(time) : std::nullopt;
  }

  bool read_spans(Rule* rule) {
    skip_spaces();
    if (look() == '(' || word() == "sunrise" || word() == "sunset" || word() == "dawn" || word() == "dusk") {
      return refuse("sunrise, sunset, dawn and dusk are not read; write times");
    }
    if (!time_at(at_)) return digits() == 0 || expect("a time such as 08:00");
    for (;;) {
      if (!read_span(rule)) return false;
      const std::size_t before = at_;
      skip_spaces();
      if (!take(",")) {
        at_ = before;
        return true;
      }
      skip_spaces();
      if (!time_at(at_)) {
        at_ = before;
        return true;
      }
    }
  }

  bool read_span(Rule* rule) {
    const auto from = time(24);
    if (!from || *from == kDay) return expect("a time from 00:00 to 23:59");
    skip_spaces();
    if (take("+")) {
      rule->spans.push_back({*from, open_end_after(*from), true});
      return true;
    }
    if (!take("-") && !take("\xE2\x80\x93")) return expect("'-' and the time of closing");
    skip_spaces();
    const std::string event = word();
    if (look() == '(' || event == "sunset" || event == "sunrise" || event == "dusk" || event == "dawn") {
      return refuse("sunrise, sunset, dawn and dusk are not read; write times");
    }
    const auto to = time(48);
    if (!to) return expect("a time from 00:00 to 48:00");
    const int end = *to <= *from ? *to + kDay : *to;
    rule->spans.push_back({*from, std::min(end, 2 * kDay)});
    if (look() == '/') return refuse("spans with steps are not read");
    if (take("+")) rule->spans.push_back({end % kDay == 0 ? end : end, std::min(open_end_after(end), 2 * kDay), true});
    return true;
  }

  /// For how long nobody can say.
  static int open_end_after(int from) {
    const int of_day = from % kDay;
    if (of_day >= 22 * 60) return from + 8 * 60;
    if (of_day >= 17 * 60) return from + 10 * 60;
    return from - of_day + kDay;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::string problem_;
};

Result<OpeningHours> OpeningHours::parse(std::string_view text) {
  if (text.size() > kBytesMax) return invalid_argument("opening hours have at most 4,096 bytes");
  return OpeningHoursParser(text).read();
}

// ---- asking -------------------------------------------------------------------------------------------------------

bool OpeningHours::Numbers::holds(int number) const noexcept {
  if (to < from) return number >= from || number <= to;  // week 50-03
  return number >= from && number <= to && (number - from) % step == 0;
}

bool OpeningHours::DateRange::holds(local_days day, int year) const {
  const auto begins = [this](int in_year) {
    if (from.month == 0) return easter_of(in_year) + std::chrono::days(from.offset);
    // The 29th of February of other years is the day after the 28th.
    return local_days(std::chrono::year(in_year) / std::chrono::month(from.month) /
                      std::chrono::day(from.day == 0 ? 1 : from.day));
  };
  const auto ends = [this](int in_year) {
    if (to.month == 0) return easter_of(in_year) + std::chrono::days(to.offset);
    const local_days last = last_of(in_year, to.month);
    if (to.day == 0) return last;
    return std::min(last,
                    local_days(std::chrono::year(in_year) / std::chrono::month(to.month) / std::chrono::day(to.day)));
  };
  const auto within = [&](int in_year) {
    local_days end = ends(to.year != 0 ? to.year : in_year);
    if (end < begins(in_year) && to.year == 0 && !single) end = ends(in_year + 1);
    return begins(in_year) <= day && day <= end;
  };
  if (from.year != 0) return within(from.year);
  return within(year) || within(year - 1);
}

bool OpeningHours::Rule::matches_day_of_week(local_days day, const Holidays& holidays) const {
  const bool holiday = (public_holiday && holidays.is_public(day)) || (school_holiday && holidays.is_school(day));
  if (weekdays.empty()) return holiday || (!public_holiday && !school_holiday);
  const int of_week = weekday_of(day);
  const unsigned of_month = static_cast<unsigned>(year_month_day(day).day());
  const auto last = static_cast<unsigned>(
      year_month_day(last_of(year_of(day), static_cast<unsigned>(year_month_day(day).month()))).day());
  const bool on_weekday = std::any_of(weekdays.begin(), weekdays.end(), [&](const Weekday& one) {
    if ((one.days >> static_cast<unsigned>(of_week) & 1U) == 0) return false;
    if (one.places == 0 && one.from_end == 0) return true;
    return (one.places >> ((of_month - 1) / 7) & 1U) != 0 || (one.from_end >> ((last - of_month) / 7) & 1U) != 0;
  });
  return holiday_on_weekday ? holiday && on_weekday : holiday || on_weekday;
}

bool OpeningHours::Rule::matches(local_days day, const Holidays& holidays) const {
  const int year = year_of(day);
  const auto any_holds = [](const std::vector<Numbers>& numbers, int number) {
    return numbers.empty() ||
           std::any_of(numbers.begin(), numbers.end(), [number](const Numbers& n) { return n.holds(number); });
  };
  if (!any_holds(years, year)) return false;
  if (!weeks.empty() && !any_holds(weeks, week_of(day))) return false;
  if (!dates.empty() &&
      std::none_of(dates.begin(), dates.end(), [&](const DateRange& range) { return range.holds(day, year); })) {
    return false;
  }
  return matches_day_of_week(day, holidays);
}

OpeningHours::Said OpeningHours::say(std::span<const Rule> group, local_days day, int minute,
                                     const Holidays& holidays) const {
  Said said;
  for (const Rule& rule : group) {
    if (!rule.matches(day, holidays)) continue;
    // Takes the place of earlier rules on its days, unless it only closes for some hours.
    const bool only_closes_hours = rule.state == Openness::kClosed && !rule.spans.empty();
    if (rule.join == Join::kNormal && !only_closes_hours) said = {};
    if (rule.spans.empty() && minute < kDay) said = {true, rule.state, false};
    for (const Span& span : rule.spans) {
      if (minute < span.from || minute >= span.to) continue;
      const bool unknown = span.unknown && rule.state == Openness::kOpen;
      said = {true, unknown ? Openness::kUnknown : rule.state, true};
      if (!unknown) break;
    }
  }
  return said;
}

Openness OpeningHours::of_group(std::span<const Rule> group, LocalMinute time, const Holidays& holidays) const {
  const local_days today = std::chrono::floor<std::chrono::days>(time);
  const int minute = static_cast<int>((time - today).count());
  const Said now = say(group, today, minute, holidays);
  if (now.anything && (now.state == Openness::kOpen || now.by_span)) return now.state;
  // What began yesterday goes on, whatever today's rules are.
  const Said from_yesterday = say(group, today - std::chrono::days(1), minute + kDay, holidays);
  if (from_yesterday.anything && from_yesterday.state != Openness::kClosed) return from_yesterday.state;
  return now.state;
}

Openness OpeningHours::at(LocalMinute time, const Holidays& holidays) const {
  // Rules up to the next '||' are a group; the next one is asked where they do not open.
  for (std::size_t begin = 0; begin < rules_.size();) {
    std::size_t end = begin + 1;
    while (end < rules_.size() && rules_[end].join != Join::kFallback) ++end;
    const Openness state = of_group(std::span(rules_).subspan(begin, end - begin), time, holidays);
    if (state != Openness::kClosed) return state;
    begin = end;
  }
  return Openness::kClosed;
}

}  // namespace cairn::features

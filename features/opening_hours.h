#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cairn/status.h"

namespace cairn::features {

/// What a clock on the wall shows.
using LocalMinute = std::chrono::local_time<std::chrono::minutes>;

/// The days that opening hours call PH and SH. Without any, no day is one of them. Immutable.
class Holidays {
 public:
  Holidays() = default;
  /// A day is "2026-12-25", "12-25" of each year, or a range of the former, "2026-07-01..2026-08-31".
  /// Returns: INVALID_ARGUMENT with the word that is none.
  [[nodiscard]] static Result<Holidays> make(std::span<const std::string> public_holidays,
                                             std::span<const std::string> school_holidays);

  [[nodiscard]] bool is_public(std::chrono::local_days day) const noexcept { return public_.holds(day); }
  [[nodiscard]] bool is_school(std::chrono::local_days day) const noexcept { return school_.holds(day); }

 private:
  struct Days {
    std::vector<std::pair<std::chrono::local_days, std::chrono::local_days>> ranges;  ///< both ends included
    std::vector<std::chrono::month_day> yearly;
    [[nodiscard]] bool holds(std::chrono::local_days day) const noexcept;
  };
  [[nodiscard]] static Result<Days> read(std::span<const std::string> words);

  Days public_;
  Days school_;
};

enum class Openness : std::uint8_t { kClosed, kOpen, kUnknown };

/// Opening hours in OpenStreetMap's syntax (wiki.openstreetmap.org/wiki/Key:opening_hours/specification): rules joined
/// by ';' (takes the place of earlier ones on its days), ',' (beside them) and '||' (where they are not open), of
/// years, months, days of months, easter, weeks, weekdays with their places in the month, PH and SH, spans of time over
/// midnight or beyond 24:00, 24/7, off, closed, unknown, and comments. A rule that has but a comment is unknown.
///
/// Where the specification leaves room: a span belongs to the day on which it begins, so that `Fr 20:00-04:00; Sa off`
/// is open on Saturday at 02:00, and only `Sa 00:00-04:00 off` closes it then. With an open end (`18:00+`) it is
/// unknown for how long: until midnight, for 10 hours from 17:00 on and 8 from 22:00 on. Not read are sunrise and
/// sunset, spans with steps (10:00-16:00/90), days counted from holidays and weekdays (PH +1 day), and days that no
/// year has (Feb 30).
///
/// Times are those of the clock on the wall: an hour that the clocks show twice is open twice. Immutable. Threads: any.
class OpeningHours {
 public:
  static constexpr std::size_t kBytesMax = 4096;

  /// Returns: INVALID_ARGUMENT with the column and what was expected there.
  [[nodiscard]] static Result<OpeningHours> parse(std::string_view text);

  [[nodiscard]] Openness at(LocalMinute time, const Holidays& holidays) const;

 private:
  friend class OpeningHoursParser;

  /// From `from` to `to`, both included, in steps; a `to` below `from` means beyond the end.
  struct Numbers {
    int from = 0;
    int to = 0;
    int step = 1;
    [[nodiscard]] bool holds(int number) const noexcept;
  };
  struct DatePoint {
    int year = 0;        ///< 0: each
    unsigned month = 0;  ///< 0: easter
    unsigned day = 0;    ///< 0: the whole month
    int offset = 0;      ///< days from easter
  };
  struct DateRange {
    DatePoint from;
    DatePoint to;
    bool single = false;
    [[nodiscard]] bool holds(std::chrono::local_days day, int year) const;
  };
  struct Weekday {
    std::uint8_t days = 0;    ///< bit 0: Monday
    std::uint8_t places = 0;  ///< in the month, bit 0: the first; 0: with `from_end` 0 any
    std::uint8_t from_end = 0;
  };
  struct Span {
    int from = 0;  ///< minutes of the day on which it begins
    int to = 0;    ///< not included; above `from`, at most 2880
    bool unknown = false;
  };
  enum class Join : std::uint8_t { kNormal, kAdditional, kFallback };
  struct Rule {
    Join join = Join::kNormal;
    Openness state = Openness::kOpen;
    std::vector<Numbers> years;
    std::vector<DateRange> dates;
    std::vector<Numbers> weeks;
    std::vector<Weekday> weekdays;
    bool public_holiday = false;
    bool school_holiday = false;
    bool holiday_on_weekday = false;  ///< "SH Mo-Fr": both, not one of them
    std::vector<Span> spans;          ///< empty: the whole day

    [[nodiscard]] bool matches(std::chrono::local_days day, const Holidays& holidays) const;
    [[nodiscard]] bool matches_day_of_week(std::chrono::local_days day, const Holidays& holidays) const;
  };
  /// What the rules of a group say of a minute of the day on which spans began.
  struct Said {
    bool anything = false;
    Openness state = Openness::kClosed;
    bool by_span = false;  ///< and not by a rule for the whole day
  };
  [[nodiscard]] Said say(std::span<const Rule> group, std::chrono::local_days day, int minute,
                         const Holidays& holidays) const;
  [[nodiscard]] Openness of_group(std::span<const Rule> group, LocalMinute time, const Holidays& holidays) const;

  std::vector<Rule> rules_;
};

}  // namespace cairn::features

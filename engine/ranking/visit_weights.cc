#include "engine/ranking/visit_weights.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "gpu/elementary.h"

namespace cairn::ranking {

namespace {

constexpr double kHourMs = 3.6e6;
constexpr double kDayMs = 24 * kHourMs;

/// What x^2 is multiplied by in the exponent of exp(-x^2 / (2 sigma^2)). Products take a fraction of what quotients do.
constexpr double bell_factor(double sigma) { return -1.0 / (2.0 * sigma * sigma); }

/// Shorter way round a circle of `period`.
double around(double a, double b, double period) {
  const double direct = std::abs(a - b);
  return std::min(direct, period - direct);
}

/// The remainder of a division that rounds down: from 0 to below `period`. std::floor would be a call.
double wrapped(double value, double period) {
  const double rest = value - period * static_cast<double>(static_cast<std::int64_t>(value * (1.0 / period)));
  return rest < 0.0 ? rest + period : rest >= period ? rest - period : rest;
}

/// A moment, as the kernels see it.
struct Moment {
  double week_hour;  ///< fractional hours since Monday 00:00 UTC
  double day_hour;
  int day;
  bool weekend;

  explicit Moment(std::int64_t ms)
      : week_hour(wrapped(static_cast<double>(ms) * (1.0 / kHourMs) + 72.0, 168.0)),  // 1970-01-01 was a Thursday
        day_hour(wrapped(week_hour, 24.0)),
        day(static_cast<int>(week_hour / 24.0)),
        weekend(day >= 5) {}
};

/// The columns that the weights are made of, in one piece of memory: those of which exponentials are taken together
/// stand together.
class Columns {
 public:
  enum Name : std::size_t {
    kMonthly,
    kRecent,
    kSameHour,
    kSameWeekHour,
    kHourClose,
    kHourWide,
    kHour,
    kSameGap,
    kHabit,
    kLogAge,
    kNearStart,
    kSameStart,
    kSameSecond,
    kSameDay,
    kSameKind,
    kCount
  };

  explicit Columns(std::size_t visits) : visits_(visits), numbers_(visits * kCount) {}

  [[nodiscard]] std::span<double> of(Name column) noexcept { return of(column, column); }
  [[nodiscard]] std::span<double> of(Name first, Name last) noexcept {
    return std::span(numbers_).subspan(first * visits_, (last + 1 - first) * visits_);
  }
  [[nodiscard]] std::vector<double> take() && noexcept { return std::move(numbers_); }

 private:
  std::size_t visits_;
  std::vector<double> numbers_;
};

class Weighing {
 public:
  Weighing(const HabitCoefficients& coefficients, std::span<const Visit> visits, const PlaceIndex& index,
           EventTime time)
      : c_(coefficients), visits_(visits), index_(index), now_ms_(to_ms(time)), now_(now_ms_), columns_(visits.size()) {
    const double gap = std::max(0.0, static_cast<double>(now_ms_ - visits.back().ms) / kHourMs);
    fresh_ = std::exp(-gap);
    log_gap_ = std::log(gap + c_.gap_floor_hours);
    const double scale = kEarthRadiusMeters / c_.near_start_meters;
    near_scale_ = scale * scale;
  }

  [[nodiscard]] VisitWeights run() {
    by_clock();
    by_gap();
    by_habit();
    return result();
  }

 private:
  using Name = Columns::Name;

  /// What depends on when a visit was.
  void by_clock() {
    constexpr double kMonth = -std::numbers::ln2 / 30.0;
    constexpr double kWeek = -std::numbers::ln2 / 7.0;
    const double close_factor = bell_factor(c_.hour_close_width_hours);
    const double wide_factor = bell_factor(c_.hour_wide_width_hours);
    const double hour_factor = bell_factor(c_.hour_width_hours);
    const auto monthly = columns_.of(Name::kMonthly);
    const auto recent = columns_.of(Name::kRecent);
    const auto same_hour = columns_.of(Name::kSameHour);
    const auto same_week_hour = columns_.of(Name::kSameWeekHour);
    const auto close = columns_.of(Name::kHourClose);
    const auto wide = columns_.of(Name::kHourWide);
    const auto hour = columns_.of(Name::kHour);
    const auto log_age = columns_.of(Name::kLogAge);
    then_.reserve(visits_.size());
    for (std::size_t i = 0; i < visits_.size(); ++i) {
      const std::int64_t ms = std::min(visits_[i].ms, now_ms_);
      const Moment& then = then_.emplace_back(ms);
      const double age = static_cast<double>(now_ms_ - ms) * (1.0 / kDayMs);
      const double off = around(then.day_hour, now_.day_hour, 24.0);
      const double week_off = around(then.week_hour, now_.week_hour, 168.0);
      const double off2 = off * off;
      monthly[i] = age * kMonth;
      recent[i] = age * kWeek;
      same_hour[i] = off2 * bell_factor(0.7) + monthly[i];
      same_week_hour[i] = week_off * week_off * bell_factor(2.0);
      close[i] = off2 * close_factor;
      wide[i] = off2 * wide_factor;
      hour[i] = off2 * hour_factor;
      log_age[i] = 1.0 + age;
    }
    gpu::exp_each(columns_.of(Name::kMonthly, Name::kHour));
    gpu::ln_each(log_age);
    for (std::size_t i = 0; i < visits_.size(); ++i) {
      if (then_[i].weekend != now_.weekend) same_hour[i] *= 0.25;
    }
  }

  /// How alike the gap before a visit is to the gap since the last one. Gaps are compared as ratios.
  void by_gap() {
    const auto same_gap = columns_.of(Name::kSameGap);
    same_gap[0] = 1.0;  // nothing came before the oldest visit that is kept
    for (std::size_t i = 1; i < visits_.size(); ++i) {
      same_gap[i] = static_cast<double>(visits_[i].ms - visits_[i - 1].ms) * (1.0 / kHourMs) + c_.gap_floor_hours;
    }
    gpu::ln_each(same_gap);
    for (double& value : same_gap) {
      const double likeness = value - log_gap_;
      value = -likeness * likeness / 2.0;
    }
    gpu::exp_each(same_gap);
  }

  void by_habit() {
    const auto habit = columns_.of(Name::kHabit);
    const auto close = columns_.of(Name::kHourClose);
    const auto wide = columns_.of(Name::kHourWide);
    const auto hour = columns_.of(Name::kHour);
    const auto log_age = columns_.of(Name::kLogAge);
    const auto same_day = columns_.of(Name::kSameDay);
    const auto same_kind = columns_.of(Name::kSameKind);
    for (std::size_t i = 0; i < visits_.size(); ++i) {
      same_day[i] = then_[i].day == now_.day ? 1.0 : 0.0;
      same_kind[i] = then_[i].weekend == now_.weekend ? 1.0 : 0.0;
      double z = c_.constant + c_.age * log_age[i] + c_.hour_close * close[i] + c_.hour_wide * wide[i];
      z += c_.same_day * same_day[i];
      z += c_.hour_when_fresh * hour[i] * fresh_;
      z += c_.hour_same_kind_of_day * same_kind[i] * hour[i];
      habit[i] = i == 0 ? z : z + came_about(i);
    }
    gpu::exp_each(habit);
  }

  /// The part that compares the step into visit `i` with the step that would be taken now.
  [[nodiscard]] double came_about(std::size_t i) {
    const Visit& before = visits_[i - 1];
    const Visit& last = visits_.back();
    const bool same_start = before.place == last.place;
    const double same_gap = columns_.of(Name::kSameGap)[i];
    const double near = same_start ? 1.0 : nearness(before.row, last.row);
    columns_.of(Name::kNearStart)[i] = near;
    double z = c_.same_gap * same_gap + c_.near_start * near * fresh_;
    if (same_start) {
      columns_.of(Name::kSameStart)[i] = 1.0;
      z += c_.same_start * fresh_ + c_.same_start_and_gap * same_gap;
      const bool same_second = i >= 2 && visits_[i - 2].place == visits_[visits_.size() - 2].place;
      if (same_second) {
        columns_.of(Name::kSameSecond)[i] = 1.0;
        z += c_.same_second;
      }
    }
    return z;
  }

  /// 1 / (1 + (d / near_start_meters)^2); 0 where a position is unknown.
  [[nodiscard]] double nearness(std::uint32_t a, std::uint32_t b) const {
    if (a == gpu::kNoRow || b == gpu::kNoRow) return 0.0;
    return 1.0 / (1.0 + near_scale_ * squared_angle(index_.point(a), index_.point(b)));
  }

  [[nodiscard]] VisitWeights result() {
    VisitWeights weights;
    weights.habit = columns_.of(Name::kHabit);
    weights.monthly = columns_.of(Name::kMonthly);
    weights.recent = columns_.of(Name::kRecent);
    weights.same_hour = columns_.of(Name::kSameHour);
    weights.same_week_hour = columns_.of(Name::kSameWeekHour);
    weights.log_age = columns_.of(Name::kLogAge);
    weights.hour_close = columns_.of(Name::kHourClose);
    weights.hour_wide = columns_.of(Name::kHourWide);
    weights.hour = columns_.of(Name::kHour);
    weights.same_gap = columns_.of(Name::kSameGap);
    weights.near_start = columns_.of(Name::kNearStart);
    weights.same_start = columns_.of(Name::kSameStart);
    weights.same_second = columns_.of(Name::kSameSecond);
    weights.same_day = columns_.of(Name::kSameDay);
    weights.same_kind = columns_.of(Name::kSameKind);
    weights.numbers = std::move(columns_).take();  // the spans stay: the memory only changes its owner
    return weights;
  }

  const HabitCoefficients& c_;
  const std::span<const Visit> visits_;
  const PlaceIndex& index_;
  const std::int64_t now_ms_;
  const Moment now_;
  Columns columns_;
  std::vector<Moment> then_;
  double fresh_ = 0.0;  ///< exp(-hours since the last visit)
  double log_gap_ = 0.0;
  double near_scale_ = 0.0;  ///< turns a squared angle into (d / near_start_meters)^2
};

}  // namespace

VisitWeights weigh_visits(const HabitCoefficients& coefficients, std::span<const Visit> visits, const PlaceIndex& index,
                          EventTime time) {
  return Weighing(coefficients, visits, index, time).run();
}

}  // namespace cairn::ranking

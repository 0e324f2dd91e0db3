#include "engine/ranking/user_profile.h"

#include <algorithm>
#include <cmath>

#include "engine/ranking/builtin_views.h"
#include "features/read.h"

namespace cairn::ranking {

namespace {

constexpr double kHourMs = 3.6e6;
constexpr double kDayMs = 24 * kHourMs;

/// exp(-x^2 / (2 sigma^2))
double bell(double x, double sigma) { return std::exp(-x * x / (2.0 * sigma * sigma)); }

/// Shorter way round a circle of `period`.
double around(double a, double b, double period) {
  const double direct = std::abs(a - b);
  return std::min(direct, period - direct);
}

/// Fractional hours since Monday 00:00 UTC.
double week_hours(std::int64_t ms) {
  constexpr double kEpochHour = 72.0;  // 1970-01-01 was a Thursday
  const double hours = std::fmod(static_cast<double>(ms) / kHourMs + kEpochHour, 168.0);
  return hours < 0.0 ? hours + 168.0 : hours;
}

/// One visit of the history.
struct Visit {
  std::uint64_t place;
  std::int64_t ms;
  std::uint32_t row;
};

/// The moment asked for, as the kernels see it.
struct Moment {
  std::int64_t ms;
  double week_hour;
  double day_hour;
  int day;
  bool weekend;

  explicit Moment(std::int64_t at)
      : ms(at),
        week_hour(week_hours(at)),
        day_hour(std::fmod(week_hour, 24.0)),
        day(static_cast<int>(week_hour / 24.0)),
        weekend(day >= 5) {}
};

/// How much a past visit speaks for a visit to the same place now: recency, hour of day, kind of day, and how the visit
/// came about compared with now (which place came before it, and how long before). HabitCoefficients says what each
/// number weighs.
class HabitKernel {
 public:
  HabitKernel(const HabitCoefficients& coefficients, const std::vector<Visit>& visits, const PlaceIndex& index,
              const Moment& now)
      : c_(coefficients), visits_(visits), index_(index), now_(now) {
    const double gap = std::max(0.0, static_cast<double>(now.ms - visits.back().ms) / kHourMs);
    fresh_ = std::exp(-gap);
    log_gap_ = std::log(gap + c_.gap_floor_hours);
  }

  [[nodiscard]] double operator()(std::size_t i, double age_days, const Moment& then) const {
    const double off = around(then.day_hour, now_.day_hour, 24.0);
    double z = c_.constant + c_.age * std::log1p(age_days) + c_.hour_close * bell(off, c_.hour_close_width_hours) +
               c_.hour_wide * bell(off, c_.hour_wide_width_hours);
    if (then.day == now_.day) z += c_.same_day;
    const double hour = bell(off, c_.hour_width_hours);
    z += c_.hour_when_fresh * hour * fresh_;
    if (then.weekend == now_.weekend) z += c_.hour_same_kind_of_day * hour;
    return std::exp(i == 0 ? z : z + came_about(i));  // nothing came before the oldest visit that is kept
  }

 private:
  /// The part that compares the step into visit `i` with the step that would be taken now.
  [[nodiscard]] double came_about(std::size_t i) const {
    const Visit& before = visits_[i - 1];
    const Visit& last = visits_.back();
    const bool same_start = before.place == last.place;
    const double gap = static_cast<double>(visits_[i].ms - before.ms) / kHourMs;
    const double likeness = std::log(gap + c_.gap_floor_hours) - log_gap_;  // gaps are compared as ratios
    const double same_gap = std::exp(-likeness * likeness / 2.0);
    double z = c_.same_gap * same_gap + c_.near_start * (same_start ? 1.0 : nearness(before.row, last.row)) * fresh_;
    if (same_start) {
      z += c_.same_start * fresh_ + c_.same_start_and_gap * same_gap;
      const bool same_second =
          i >= 2 && visits_.size() >= 2 && visits_[i - 2].place == visits_[visits_.size() - 2].place;
      if (same_second) z += c_.same_second;
    }
    return z;
  }

  /// 1 / (1 + (d / near_start_meters)^2); 0 where a position is unknown.
  [[nodiscard]] double nearness(std::uint32_t a, std::uint32_t b) const {
    if (a == gpu::kNoRow || b == gpu::kNoRow) return 0.0;
    const double scaled = distance_meters(index_.position(a), index_.position(b)) / c_.near_start_meters;
    return 1.0 / (1.0 + scaled * scaled);
  }

  const HabitCoefficients& c_;
  const std::vector<Visit>& visits_;
  const PlaceIndex& index_;
  const Moment& now_;
  double fresh_ = 0.0;  ///< exp(-hours since the last visit)
  double log_gap_ = 0.0;
};

std::vector<Visit> read_history(const features::ViewBlock* block, const PlaceIndex& index) {
  std::vector<Visit> visits;
  if (block == nullptr) return visits;
  // Entries are ascending by time. Visits that coincide are one entry with a count, and are told apart again here.
  for (const features::Entry& entry : block->entries) {
    for (std::int64_t i = 0; i < entry.value.count; ++i) {
      visits.push_back({entry.dimension, entry.value.newest_ms, index.row_of(entry.dimension)});
    }
  }
  return visits;
}

void add_visit(const HabitKernel& habit, const Moment& now, const Visit& visit, std::size_t i, VisitedPlace* place,
               UserProfile* profile) {
  // A visit after the moment asked for, such as in a question about the past, counts as if it were at it.
  const Moment then(std::min(visit.ms, now.ms));
  const double age = static_cast<double>(now.ms - then.ms) / kDayMs;
  const double monthly = std::exp2(-age / 30.0);
  const double recent = std::exp2(-age / 7.0);
  const double same_hour =
      bell(around(then.day_hour, now.day_hour, 24.0), 0.7) * monthly * (then.weekend == now.weekend ? 1.0 : 0.25);
  const double same_week_hour = bell(around(then.week_hour, now.week_hour, 168.0), 2.0);
  ++place->visits;
  place->newest_ms = std::max(place->newest_ms, visit.ms);
  place->habit += habit(i, age, then);
  place->recent += recent;
  place->same_hour += same_hour;
  place->same_week_hour += same_week_hour;
  profile->monthly_total += monthly;
  profile->recent_total += recent;
  profile->same_hour_total += same_hour;
  profile->same_week_hour_total += same_week_hour;
}

void read_visits(const HabitCoefficients& kernel, const std::vector<Visit>& visits, const PlaceIndex& index,
                 EventTime time, UserProfile* profile) {
  if (visits.empty()) return;
  const Moment now(to_ms(time));
  const HabitKernel habit(kernel, visits, index, now);
  std::unordered_map<std::uint64_t, std::size_t> slots;
  for (std::size_t i = 0; i < visits.size(); ++i) {
    const Visit& visit = visits[i];
    const auto [slot, added] = slots.try_emplace(visit.place, profile->visited.size());
    if (added) profile->visited.push_back({.row = visit.row, .place = visit.place, .newest_ms = visit.ms});
    add_visit(habit, now, visit, i, &profile->visited[slot->second], profile);
  }
  // By row, as candidates are: scoring walks along both. gpu::kNoRow is the largest row, so unknown places come last.
  std::sort(profile->visited.begin(), profile->visited.end(),
            [](const VisitedPlace& a, const VisitedPlace& b) { return a.row < b.row; });
  const Visit& last = visits.back();
  profile->last_place = last.place;
  profile->last_row = last.row;
  profile->last_ms = last.ms;
  profile->hours_since_last = std::max(0.0, static_cast<double>(now.ms - last.ms) / kHourMs);
}

/// The entries of a view that are still served, by dimension.
std::unordered_map<std::uint64_t, double> read_values(const features::Schema& schema, const features::Row& row,
                                                      std::string_view name, EventTime time) {
  std::unordered_map<std::uint64_t, double> values;
  const features::View* view = schema.find(name);
  const features::ViewBlock* block = view == nullptr ? nullptr : row.find(view->id);
  if (block == nullptr) return values;
  for (const features::Entry& entry : block->entries) {
    if (features::within_ttl(*view, entry.value, time)) {
      values.emplace(entry.dimension, features::value_at(*view, entry.value, time));
    }
  }
  return values;
}

}  // namespace

const VisitedPlace* UserProfile::find_row(std::uint32_t row) const noexcept {
  const auto at = std::lower_bound(visited.begin(), visited.end(), row,
                                   [](const VisitedPlace& place, std::uint32_t r) { return place.row < r; });
  return at != visited.end() && at->row == row && row != gpu::kNoRow ? &*at : nullptr;
}

UserProfile read_user_profile(const features::Schema& schema, const features::Row* row, const PlaceIndex& index,
                              const HabitCoefficients& kernel, EventTime time) {
  UserProfile profile;
  if (row == nullptr) return profile;
  profile.known = true;
  const features::View* history = schema.find(kUserHistory);
  CAIRN_CHECK(history != nullptr);
  read_visits(kernel, read_history(row->find(history->id), index), index, time, &profile);
  profile.categories = read_values(schema, *row, kUserCategoryAffinity, time);
  profile.cells = read_values(schema, *row, kUserCellAffinity, time);
  for (const auto& [cell, value] : profile.cells) profile.cells_total += value;
  profile.interest = read_values(schema, *row, kUserInterest, time);
  profile.dismissed = read_values(schema, *row, kUserDismissed, time);
  return profile;
}

}  // namespace cairn::ranking

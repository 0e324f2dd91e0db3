#include "features/read.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <limits>
#include <new>
#include <utility>

#include "cairn/check.h"
#include "features/calendar.h"
#include "features/decay.h"
#include "features/geohash.h"
#include "features/value.h"

namespace cairn::features {
namespace {

double units(std::int64_t micros) noexcept { return static_cast<double>(micros) / kMicrosPerUnit; }

double mean(const Value& value) noexcept {
  return value.count == 0 ? 0.0 : units(value.micros) / static_cast<double>(value.count);
}

std::int64_t in_ms(std::chrono::seconds duration) noexcept { return std::chrono::milliseconds(duration).count(); }

// RFC 3339 where it has a spelling (years to 9999), else the number itself.
std::string hour_name(std::uint64_t hour) {
  constexpr std::uint64_t kYear10000 = 70'389'528;  // hours from 1970-01-01 to 10000-01-01
  if (hour >= kYear10000) return std::to_string(hour);
  const std::chrono::sys_days day{std::chrono::days(hour / 24)};
  const std::chrono::year_month_day date(day);
  char text[32];
  std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02u:00:00Z", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<unsigned>(hour % 24));
  return text;
}

/// Whether none of the entry's events lies at or before `as_of`. Requires: its newest lies after it.
bool all_later(const View& view, const Entry& entry, EventTime as_of) noexcept {
  // Events of a sequence that share an entry share their time.
  if (entry.value.count == 1 || view.spec.aggregate == Aggregate::kSequence) return true;
  return view.spec.dimension == Dimension::kHour && static_cast<std::int64_t>(entry.dimension) > hour_tile(as_of);
}

/// value_at() of a view's entries, at one instant.
class ViewValues {
 public:
  ViewValues(const View& view, EventTime as_of) : view_(view), as_of_(as_of), decays_(time_of(view, as_of)) {}

  double operator()(const Value& value) const {
    // An entry that is newer has an instant of its own.
    const bool decays = view_.spec.aggregate == Aggregate::kDecayedSum && value.newest_ms <= to_ms(as_of_);
    return decays ? decays_({value.mantissa, value.exponent}) : value_at(view_, value, as_of_);
  }

 private:
  static ValuesAt time_of(const View& view, EventTime as_of) {
    const bool decays = view.spec.aggregate == Aggregate::kDecayedSum;
    return ValuesAt(decays ? decay_time(to_ms(as_of), in_ms(view.spec.half_life)) : DecayTime{});
  }

  const View& view_;
  const EventTime as_of_;
  const ValuesAt decays_;
};

}  // namespace

double value_at(const View& view, const Value& value, EventTime as_of) {
  switch (view.spec.aggregate) {
    case Aggregate::kCount:
      return static_cast<double>(value.count);
    case Aggregate::kMean:
      return mean(value);
    case Aggregate::kDecayedSum:
      return value_at(DecayedSum{value.mantissa, value.exponent},
                      decay_time(std::max(to_ms(as_of), value.newest_ms), in_ms(view.spec.half_life)));
    case Aggregate::kSum:
    case Aggregate::kMin:
    case Aggregate::kMax:
    case Aggregate::kLast:
    case Aggregate::kSequence:
      return units(value.micros);
  }
  CAIRN_CHECK_MSG(false, view.spec.name + " has no known aggregate");
}

bool within_ttl(const View& view, const Value& value, EventTime as_of) noexcept {
  if (view.spec.ttl.count() == 0) return true;
  // Saturating: times come from events and may lie at the ends of int64.
  return saturating_subtract(to_ms(as_of), value.newest_ms) <= in_ms(view.spec.ttl);
}

FeatureVector read_view(const View& view, const Row* row, EventTime as_of, LaterEvents later,
                        const DimensionNamer& name, const std::shared_ptr<FeatureArena>& arena) {
  FeatureVector vector{.view = view.spec.name, .status = FeatureStatus::kNotFound, .entries = {}};
  if (row == nullptr) return vector;
  const ViewBlock* block = row->find(view.id);
  if (block == nullptr || block->entries.empty()) {
    // The entity is known, but no event counted in this view: another answer than an unknown entity. A block that lost
    // its entries to its TTL (drop_faded) had a value once.
    const bool aged = block != nullptr && block->ttl_ms != 0 && view.spec.ttl.count() != 0;
    vector.status = aged ? FeatureStatus::kOutsideMaxAge : FeatureStatus::kNullValue;
    return vector;
  }
  FeatureEntry* const served = arena->room_for(block->entries.size());
  std::size_t size = 0;
  std::string made;
  bool any_later = false;
  bool any_mixed = false;
  const ViewValues values(view, as_of);
  for (const Entry& entry : block->entries) {
    if (later == LaterEvents::kUnknown && entry.value.newest_ms > to_ms(as_of)) {
      any_later = true;
      any_mixed |= !all_later(view, entry, as_of);
      continue;
    }
    if (!within_ttl(view, entry.value, as_of)) continue;
    new (served + size++) FeatureEntry{.dimension = arena->copy(name(view, entry.dimension, &made)),
                                       .value = values(entry.value),
                                       .count = entry.value.count,
                                       .newest = event_time_from_ms(entry.value.newest_ms)};
  }
  if (size > 0) vector.entries = FeatureEntries(arena, {served, size});
  if (any_mixed || (any_later && vector.entries.empty())) {
    vector.status = FeatureStatus::kNewerThanAsOf;
  } else {
    vector.status = vector.entries.empty() ? FeatureStatus::kOutsideMaxAge : FeatureStatus::kPresent;
  }
  return vector;
}

std::optional<std::string> plain_dimension_name(const View& view, std::uint64_t dimension) {
  switch (view.spec.dimension) {
    case Dimension::kNone:
      return std::string();
    case Dimension::kCell:
      return geohash_text(dimension, view.spec.cell_precision);
    case Dimension::kHourOfWeek:
      return std::to_string(dimension);
    case Dimension::kHour:
      return hour_name(dimension);
    case Dimension::kPlace:
    case Dimension::kCategory:
    case Dimension::kType:
      break;
  }
  return std::nullopt;
}

}  // namespace cairn::features

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

/// What a reader found among the entries of a block.
struct Served {
  std::size_t size = 0;
  bool any_later = false;
  bool any_mixed = false;
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

ViewReader::ViewReader(const View& view, EventTime as_of, LaterEvents later, const DimensionNames& names,
                       std::shared_ptr<FeatureArena> arena)
    : view_(view),
      as_of_(as_of),
      later_(later),
      names_(names),
      arena_(std::move(arena)),
      decays_(view.spec.aggregate == Aggregate::kDecayedSum ? decay_time(to_ms(as_of), in_ms(view.spec.half_life))
                                                            : DecayTime{}) {}

// What a view's values and dimensions are is the same for all of its entries. So it is found out once, and the loop
// over entries is made for each kind.

/// Calls `with` with what makes a number of a stored value: value_at(), with the same bits.
template <class With>
auto ViewReader::with_values(const With& with) const {
  switch (view_.spec.aggregate) {
    case Aggregate::kCount:
      return with([](const Value& value) { return static_cast<double>(value.count); });
    case Aggregate::kMean:
      return with(mean);
    case Aggregate::kDecayedSum:
      return with([this, now_ms = to_ms(as_of_)](const Value& value) {
        // An entry that is newer has an instant of its own.
        return value.newest_ms <= now_ms ? decays_({value.mantissa, value.exponent}) : value_at(view_, value, as_of_);
      });
    case Aggregate::kSum:
    case Aggregate::kMin:
    case Aggregate::kMax:
    case Aggregate::kLast:
    case Aggregate::kSequence:
      break;
  }
  return with([](const Value& value) { return units(value.micros); });
}

/// Calls `with` with what names a dimension. Texts are in the arena, or kept by it.
template <class With>
auto ViewReader::with_names(const With& with) const {
  const auto of_dictionary = [&](const Dictionary& dictionary) {
    arena_->keep(dictionary.memory());
    return with([&dictionary](std::uint64_t dimension) { return dictionary.text(dimension); });
  };
  switch (view_.spec.dimension) {
    case Dimension::kPlace:
      return of_dictionary(names_.places);
    case Dimension::kCategory:
      return of_dictionary(names_.categories);
    case Dimension::kNone:
      return with([](std::uint64_t) { return std::string_view(); });
    case Dimension::kCell:
      return with([this, letters = static_cast<std::size_t>(view_.spec.cell_precision)](std::uint64_t dimension) {
        const std::span<char> text = arena_->room_for_text(letters);
        write_geohash(dimension, text);
        return std::string_view(text.data(), text.size());
      });
    default:
      return with([this, made = std::string()](std::uint64_t dimension) mutable {
        return arena_->copy(dimension_name(names_, view_, dimension, &made));
      });
  }
}

FeatureVector ViewReader::read(const Row* row) const {
  FeatureVector vector{.view = view_.spec.name, .status = FeatureStatus::kNotFound, .entries = {}};
  if (row == nullptr) return vector;
  const ViewBlock* block = row->find(view_.id);
  if (block == nullptr || block->entries.empty()) {
    // The entity is known, but no event counted in this view: another answer than an unknown entity. A block that lost
    // its entries to its TTL (drop_faded) had a value once.
    const bool aged = block != nullptr && block->ttl_ms != 0 && view_.spec.ttl.count() != 0;
    vector.status = aged ? FeatureStatus::kOutsideMaxAge : FeatureStatus::kNullValue;
    return vector;
  }
  FeatureEntry* const room = arena_->room_for(block->entries.size());
  const Served served = with_values([&](const auto& value_of) {
    return with_names([&](auto&& name_of) {
      Served so_far;
      for (const Entry& entry : block->entries) {
        if (later_ == LaterEvents::kUnknown && entry.value.newest_ms > to_ms(as_of_)) {
          so_far.any_later = true;
          so_far.any_mixed |= !all_later(view_, entry, as_of_);
          continue;
        }
        if (!within_ttl(view_, entry.value, as_of_)) continue;
        new (room + so_far.size++) FeatureEntry{.dimension = name_of(entry.dimension),
                                                .value = value_of(entry.value),
                                                .count = entry.value.count,
                                                .newest = event_time_from_ms(entry.value.newest_ms)};
      }
      return so_far;
    });
  });
  if (served.size > 0) vector.entries = FeatureEntries(arena_, {room, served.size});
  if (served.any_mixed || (served.any_later && vector.entries.empty())) {
    vector.status = FeatureStatus::kNewerThanAsOf;
  } else {
    vector.status = vector.entries.empty() ? FeatureStatus::kOutsideMaxAge : FeatureStatus::kPresent;
  }
  return vector;
}

std::string_view dimension_name(const DimensionNames& names, const View& view, std::uint64_t dimension,
                                std::string* made) {
  switch (view.spec.dimension) {
    case Dimension::kPlace:
      return names.places.text(dimension);
    case Dimension::kCategory:
      return names.categories.text(dimension);
    case Dimension::kType:
      return names.types.name(TypeIndex{static_cast<std::uint8_t>(dimension)});
    default:
      return *made = plain_dimension_name(view, dimension).value_or("");
  }
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

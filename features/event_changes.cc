#include "features/event_changes.h"

#include <algorithm>
#include <chrono>
#include <string>

#include "cairn/check.h"
#include "features/calendar.h"
#include "features/decay.h"
#include "features/geohash.h"
#include "features/value.h"

namespace cairn::features {
namespace {

std::optional<std::uint64_t> tile_of(EventTime time) noexcept {
  const std::int64_t hour = hour_tile(time);
  // Dimensions are unsigned; hours before 1970 have no number.
  if (hour < 0) return std::nullopt;
  return static_cast<std::uint64_t>(hour);
}

// The entry of `view` that the event falls into; nullopt: none.
std::optional<std::uint64_t> dimension_of(const View& view, const ResolvedEvent& event) {
  switch (view.spec.dimension) {
    case Dimension::kNone:
      return 0;
    case Dimension::kPlace:
      return event.place;
    case Dimension::kCategory:
      return event.category;
    case Dimension::kCell:
      if (!event.cell) return std::nullopt;
      return cell_prefix(*event.cell, view.spec.cell_precision);
    case Dimension::kHourOfWeek:
      return static_cast<std::uint64_t>(hour_of_week(event.interaction->time));
    case Dimension::kType:
      return event.interaction->type.value;
    case Dimension::kHour:
      return tile_of(event.interaction->time);
  }
  return std::nullopt;
}

/// The decayed sum of weight 1 at the event's time. Most views weigh with 1 and share their half-lives, so the power of
/// two is computed once for them all.
class UnitSum {
 public:
  explicit UnitSum(std::int64_t time_ms) : time_ms_(time_ms) {}

  const DecayedSum& of(std::int64_t half_life_ms) {
    if (half_life_ms != half_life_ms_) {
      half_life_ms_ = half_life_ms;
      sum_ = decayed(1.0, decay_time(time_ms_, half_life_ms));
    }
    return sum_;
  }

 private:
  const std::int64_t time_ms_;
  std::int64_t half_life_ms_ = 0;
  DecayedSum sum_;
};

}  // namespace

std::optional<std::uint64_t> cell_of(const std::optional<GeoPoint>& by_catalogue,
                                     const std::optional<GeoPoint>& by_event) {
  // A cell is about where the place is. The user's own position stands in for a place that the catalogue does not know.
  const std::optional<GeoPoint>& position = by_catalogue ? by_catalogue : by_event;
  if (!position || !valid_position(*position)) return std::nullopt;
  return geohash_bits(*position, kCellLettersMax);
}

EventChanges::EventChanges(const Schema& schema) : waiting_events_(schema.waiting_events()) {
  const auto group_of = [this](const View& view) -> Compiled& {
    const int letters = view.spec.entity == EntityKind::kCell ? view.spec.cell_precision : 0;
    const auto same = [&](const Compiled& c) { return c.group.kind == view.spec.entity && c.group.letters == letters; };
    const auto found = std::find_if(groups_.begin(), groups_.end(), same);
    if (found != groups_.end()) return *found;
    return groups_.emplace_back(Compiled{{view.spec.entity, letters}, {}, {}});
  };
  for (const View& view : schema.views()) {
    compile(view, false, &group_of(view).by_type);
    const bool by_place = view.spec.entity == EntityKind::kCell || view.spec.dimension == Dimension::kCell ||
                          view.spec.dimension == Dimension::kCategory;
    waiting_types_.resize(std::max(waiting_types_.size(), view.weights.size()));
    for (std::size_t type = 0; by_place && type < view.weights.size(); ++type) {
      if (view.weights[type]) waiting_types_[type] = true;
    }
  }
  for (const WaitingView& waiting : schema.waiting()) {
    const View& of = schema.views()[waiting.of];
    compile(waiting.by_place, of.spec.dimension == Dimension::kCell, &group_of(of).waiting);
  }
}

void EventChanges::compile(const View& view, bool without_cell_only, std::vector<std::vector<Weighing>>* by_type) {
  by_type->resize(std::max(by_type->size(), view.weights.size()));
  const bool decays = view.spec.aggregate == Aggregate::kDecayedSum;
  const std::int64_t half_life_ms = decays ? std::chrono::milliseconds(view.spec.half_life).count() : 0;
  for (std::size_t type = 0; type < view.weights.size(); ++type) {
    const std::optional<Expression>& weight = view.weights[type];
    // An expression that has a value without the event's does not read it.
    if (weight) {
      (*by_type)[type].push_back({&view, &*weight, weight->evaluate(std::nullopt), half_life_ms, without_cell_only});
    }
  }
}

void EventChanges::append(std::size_t group, const ResolvedEvent& event, std::vector<Change>* changes) const {
  const Interaction& interaction = *event.interaction;
  const Compiled& compiled = groups_[group];
  CAIRN_CHECK_MSG(interaction.type.value < compiled.by_type.size(), std::to_string(interaction.type.value));
  const std::int64_t time_ms = to_ms(interaction.time);
  UnitSum unit(time_ms);
  const auto append_one = [&](const Weighing& weighing) {
    const std::optional<double> weight =
        weighing.constant ? weighing.constant : weighing.expression->evaluate(interaction.value);
    if (!weight) return;
    const std::optional<std::uint64_t> dimension = dimension_of(*weighing.view, event);
    if (!dimension) return;
    Change& change = changes->emplace_back(Change{
        weighing.view, *dimension, {.count = 1, .micros = 0, .mantissa = 0.0, .exponent = 0, .newest_ms = time_ms}});
    if (weighing.half_life_ms > 0) {
      const DecayedSum sum = *weight == 1.0 ? unit.of(weighing.half_life_ms)
                                            : decayed(*weight, decay_time(time_ms, weighing.half_life_ms));
      change.value.mantissa = sum.mantissa;
      change.value.exponent = sum.exponent;
    } else if (weighing.view->spec.aggregate != Aggregate::kCount) {
      change.value.micros = to_micros(*weight);
    }
  };
  for (const Weighing& weighing : compiled.by_type[interaction.type.value]) append_one(weighing);
  if (!event.waits || interaction.type.value >= compiled.waiting.size()) return;
  for (const Weighing& weighing : compiled.waiting[interaction.type.value]) {
    if (!weighing.without_cell_only || !event.cell) append_one(weighing);
  }
}

void EventChanges::append_waiting(const ResolvedEvent& event, std::vector<Change>* changes) const {
  CAIRN_CHECK(waiting_events_ != nullptr);
  changes->push_back(
      {waiting_events_,
       0,
       {.count = 1, .micros = 0, .mantissa = 0.0, .exponent = 0, .newest_ms = to_ms(event.interaction->time)}});
}

}  // namespace cairn::features

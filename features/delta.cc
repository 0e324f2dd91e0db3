#include "features/delta.h"

#include <algorithm>

#include "cairn/check.h"
#include "features/calendar.h"
#include "features/decay.h"
#include "features/geohash.h"
#include "features/value.h"

namespace cairn::features {
namespace {

std::optional<GeoPoint> position_of(const ResolvedEvent& event) noexcept {
  // A cell is about where the place is. The user's own position stands in for a place that the catalogue does not know.
  const std::optional<GeoPoint> position = event.place_position ? event.place_position : event.interaction->position;
  return position && valid_position(*position) ? position : std::nullopt;
}

std::optional<std::uint64_t> cell_of(const ResolvedEvent& event, int letters) {
  const std::optional<GeoPoint> position = position_of(event);
  if (!position) return std::nullopt;
  return geohash_bits(*position, letters);
}

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
      return cell_of(event, view.spec.cell_precision);
    case Dimension::kHourOfWeek:
      return static_cast<std::uint64_t>(hour_of_week(event.interaction->time));
    case Dimension::kType:
      return event.interaction->type.value;
    case Dimension::kHour:
      return tile_of(event.interaction->time);
  }
  return std::nullopt;
}

Value value_of(const View& view, double weight, EventTime time) {
  Value value{.count = 1, .micros = 0, .mantissa = 0.0, .exponent = 0, .newest_ms = to_ms(time)};
  if (view.spec.aggregate == Aggregate::kDecayedSum) {
    const std::int64_t half_life_ms = std::chrono::milliseconds(view.spec.half_life).count();
    const DecayedSum sum = decayed(weight, decay_time(value.newest_ms, half_life_ms));
    value.mantissa = sum.mantissa;
    value.exponent = sum.exponent;
  } else if (view.spec.aggregate != Aggregate::kCount) {
    value.micros = to_micros(weight);
  }
  return value;
}

ViewBlock& block_of(const View& view, Row* row) {
  // A row has few views, so a walk is enough.
  auto it = row->blocks.begin();
  while (it != row->blocks.end() && it->view < view.id) ++it;
  if (it == row->blocks.end() || it->view != view.id) {
    it = row->blocks.insert(
        it,
        ViewBlock{.view = view.id,
                  .aggregate = view.spec.aggregate,
                  .max_entries = view.spec.max_entries,
                  .half_life_ms = std::chrono::milliseconds(view.spec.half_life).count(),
                  .ttl_ms = std::chrono::milliseconds(view.spec.ttl).count(),
                  .entries = {}});
  }
  return *it;
}

// Entries are appended as they come and combined when the vector is full; it grows only when that has not freed half of
// it. So repeats cost no memory, and one entity with very many entries costs a sort now and then, no insertions. The
// usual block has one entry and takes memory for one.
void append(const Entry& entry, ViewBlock* block) {
  constexpr std::size_t kCapacitySecond = 4;
  std::vector<Entry>& entries = block->entries;
  if (!entries.empty() && entries.size() == entries.capacity()) {
    sort_and_combine(block->aggregate, &entries);
    if (entries.size() * 2 >= entries.capacity()) entries.reserve(std::max(kCapacitySecond, 2 * entries.capacity()));
  }
  entries.push_back(entry);
}

}  // namespace

std::string entity_key(EntityKind kind, std::string_view id) {
  std::string key;
  key.reserve(id.size() + 1);
  key.push_back(static_cast<char>(kind));
  key.append(id);
  return key;
}

DeltaAccumulator::DeltaAccumulator(const Schema& schema) {
  for (const View& view : schema.views()) {
    const int letters = view.spec.entity == EntityKind::kCell ? view.spec.cell_precision : 0;
    const auto same = [&](const Group& g) { return g.kind == view.spec.entity && g.letters == letters; };
    auto group = std::find_if(groups_.begin(), groups_.end(), same);
    if (group == groups_.end()) group = groups_.insert(group, Group{view.spec.entity, letters, {}});
    group->views.push_back(&view);
  }
}

bool DeltaAccumulator::make_key(const Group& group, const ResolvedEvent& event) {
  key_.assign(1, static_cast<char>(group.kind));
  switch (group.kind) {
    case EntityKind::kUser:
      key_.append(event.interaction->user.str());
      return true;
    case EntityKind::kPlace:
      key_.append(event.interaction->place.str());
      return true;
    case EntityKind::kCell:
      break;
  }
  const std::optional<std::uint64_t> cell = cell_of(event, group.letters);
  if (cell) key_.append(geohash_text(*cell, group.letters));
  return cell.has_value();
}

void DeltaAccumulator::add(const ResolvedEvent& event) {
  for (const Group& group : groups_) add_to_group(group, event);
}

void DeltaAccumulator::add_to_group(const Group& group, const ResolvedEvent& event) {
  const Interaction& interaction = *event.interaction;
  Row* row = nullptr;  // looked up for the first view that the event counts in
  for (const View* view : group.views) {
    CAIRN_CHECK_MSG(interaction.type.value < view->weights.size(), std::to_string(interaction.type.value));
    const std::optional<Expression>& expression = view->weights[interaction.type.value];
    if (!expression) continue;
    const std::optional<double> weight = expression->evaluate(interaction.value);
    if (!weight) continue;
    const std::optional<std::uint64_t> dimension = dimension_of(*view, event);
    if (!dimension) continue;
    // The row is made only when an event counts in it, so that no entity gets an empty row.
    if (row == nullptr) {
      if (!make_key(group, event)) return;
      Growing& growing = rows_[key_];
      if (group.kind == EntityKind::kPlace) growing.place = event.place;
      row = &growing.row;
      row->blocks.reserve(group.views.size());
    }
    append({.dimension = *dimension, .value = value_of(*view, *weight, interaction.time)}, &block_of(*view, row));
  }
}

std::vector<EntityDelta> DeltaAccumulator::take() {
  std::vector<EntityDelta> deltas;
  deltas.reserve(rows_.size());
  while (!rows_.empty()) {
    auto node = rows_.extract(rows_.begin());
    for (ViewBlock& block : node.mapped().row.blocks) {
      sort_and_combine(block.aggregate, &block.entries);
      keep_newest(block.aggregate, block.max_entries, &block.entries);
    }
    deltas.push_back({std::move(node.key()), std::move(node.mapped().row), node.mapped().place});
  }
  std::sort(deltas.begin(), deltas.end(), [](const EntityDelta& a, const EntityDelta& b) { return a.key < b.key; });
  return deltas;
}

}  // namespace cairn::features

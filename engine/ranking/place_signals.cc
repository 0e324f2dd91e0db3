#include "engine/ranking/place_signals.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "engine/ranking/builtin_views.h"
#include "features/value.h"

namespace cairn::ranking {

namespace {

std::uint32_t view_id(const state::FeatureState& state, std::string_view name) {
  const features::View* view = state.schema().find(name);
  CAIRN_CHECK_MSG(view != nullptr, std::string(name));
  return view->id;
}

/// Adds `count` under `key` to an ascending list of pairs.
template <class Key>
void add_count(Key key, std::int64_t count, std::vector<std::pair<Key, std::uint32_t>>* counts) {
  auto at =
      std::lower_bound(counts->begin(), counts->end(), key, [](const auto& pair, Key k) { return pair.first < k; });
  if (at == counts->end() || at->first != key) at = counts->insert(at, {key, 0});
  at->second += static_cast<std::uint32_t>(count);
}

/// Only the newest hours are looked at. Counted from the place's newest event, not from the clock, so that signals are
/// a function of the events alone.
void add_tile(std::int32_t hour, std::int64_t count, std::vector<std::pair<std::int32_t, std::uint32_t>>* tiles) {
  if (!tiles->empty() && hour <= tiles->back().first - PlaceSignals::kTilesKept) return;
  add_count(hour, count, tiles);
  const std::int32_t oldest = tiles->back().first - PlaceSignals::kTilesKept;
  if (tiles->front().first > oldest) return;
  std::erase_if(*tiles, [oldest](const auto& tile) { return tile.first <= oldest; });
}

/// A value without events is none, which the least and the greatest of values must not take for a 0.
void merge(Aggregate aggregate, const features::Value& change, features::Value* value) {
  if (value->count == 0) {
    *value = change;
  } else {
    features::combine(aggregate, change, value);
  }
}

}  // namespace

PlaceSignals::PlaceSignals(const state::FeatureState& state, OwnFeatures own)
    : own_(std::move(own)),
      visits_view_(view_id(state, kPlaceVisits)),
      visits_30d_view_(view_id(state, kPlaceVisits30d)),
      week_view_(view_id(state, kPlaceHourOfWeek)),
      tiles_view_(view_id(state, kPlaceHourly)),
      rating_view_(view_id(state, kPlaceRating)) {
  tables_.changed.resize(kChangesKept);
  tables_.own_of_places.resize(own_.of_places());
  tables_.own_of_cells.resize(own_.of_cells());
  if (own_.reads_cells()) tables_.changed_cells.resize(kChangesKept);
}

PlaceSignals::Reader::Reader(const PlaceSignals& signals, const MutexLock& /*turn*/)
    : lock_(signals.mutex_), tables_(signals.tables_), own_(signals.own_) {}

void PlaceSignals::update(std::span<const state::PlaceChange> changes) {
  // A few at a time, so that a question does not wait for a whole batch.
  constexpr std::size_t kAtOnce = 256;
  for (std::size_t begin = 0; begin < changes.size(); begin += kAtOnce) {
    MutexLock turn(turn_);
    const WriterLock lock(mutex_);
    turn.unlock();
    const state::PlaceChange* before = nullptr;
    for (const state::PlaceChange& change : changes.subspan(begin, std::min(kAtOnce, changes.size() - begin))) {
      add(change);
      if (own_.of_places() > 0) add_own(change);
      // The changes of one event come one after the other. Within one hold of the lock nobody has seen the first.
      if (before == nullptr || before->place != change.place) remember(change.place);
      before = &change;
    }
  }
}

// Categories are interned one by one as places are imported, so the table grows to the largest one that is counted.
PlaceSignals::CategoryTotals& PlaceSignals::totals_of(std::uint32_t category) {
  if (category == PlaceIndex::kNoCategory) return tables_.uncategorised;
  if (tables_.categories.size() <= category) tables_.categories.resize(category + 1);
  return tables_.categories[category];
}

void PlaceSignals::remember(std::uint64_t place) { tables_.changed[tables_.changes++ % kChangesKept] = place; }

void PlaceSignals::remember(Cell cell) { tables_.changed_cells[tables_.cell_changes++ % kChangesKept] = cell; }

std::optional<std::vector<std::uint64_t>> PlaceSignals::Reader::changed_after(std::uint64_t since) const {
  if (tables_.changes - since > kChangesKept) return std::nullopt;
  std::vector<std::uint64_t> places;
  places.reserve(tables_.changes - since);
  for (std::uint64_t i = since; i < tables_.changes; ++i) {
    const std::uint64_t place = tables_.changed[i % kChangesKept];
    if (places.empty() || places.back() != place) places.push_back(place);
  }
  return places;
}

void PlaceSignals::add(const state::PlaceChange& change) {
  const std::uint64_t place = change.place;
  // Events may come before their place is imported: until then it has no category, and recategorise() finds it one.
  if (tables_.signals.size() <= place) tables_.signals.resize(place + 1);
  if (tables_.category_of.size() <= place) tables_.category_of.resize(place + 1, PlaceIndex::kNoCategory);
  PlaceSignal& signal = tables_.signals[place];
  const auto& [dimension, value] = change.entry;
  if (change.view == visits_view_) {
    signal.visits += value.count;
    totals_of(tables_.category_of[place]).visits += value.count;
    tables_.all.visits += value.count;
  } else if (change.view == visits_30d_view_) {
    signal.visits_30d = features::add(signal.visits_30d, {value.mantissa, value.exponent});
  } else if (change.view == week_view_ && dimension < 168) {
    add_count(static_cast<std::uint16_t>(dimension), value.count, &signal.week);
    totals_of(tables_.category_of[place]).week[dimension] += static_cast<std::uint32_t>(value.count);
    tables_.all.week[dimension] += static_cast<std::uint32_t>(value.count);
  } else if (change.view == tiles_view_) {
    add_tile(static_cast<std::int32_t>(dimension), value.count, &signal.tiles);
  } else if (change.view == rating_view_) {
    signal.ratings += value.count;
    // As the row's own sum is added: it stops at its bounds.
    signal.rating_micros = features::saturating_add(signal.rating_micros, value.micros);
  }
}

void PlaceSignals::add_own(const state::PlaceChange& change) {
  for (const OwnFeatures::Feature& feature : own_.all()) {
    if (feature.reads != OwnFeatures::Reads::kPlace || feature.view.id != change.view) continue;
    if (feature.dimension != change.entry.dimension) continue;
    std::vector<features::Value>& values = tables_.own_of_places[feature.slot];
    if (values.size() <= change.place) values.resize(change.place + 1);
    merge(feature.view.spec.aggregate, change.entry.value, &values[change.place]);
  }
}

void PlaceSignals::add_own(const state::CellChange& change) {
  for (const OwnFeatures::Feature& feature : own_.all()) {
    if (feature.reads != OwnFeatures::Reads::kCell || feature.view.id != change.view) continue;
    if (feature.dimension != change.entry.dimension) continue;
    merge(feature.view.spec.aggregate, change.entry.value, &tables_.own_of_cells[feature.slot][change.cell]);
    remember(Cell{feature.view.spec.cell_precision, change.cell});
  }
}

void PlaceSignals::update_cells(std::span<const state::CellChange> changes) {
  constexpr std::size_t kAtOnce = 256;  // as in update()
  for (std::size_t begin = 0; begin < changes.size(); begin += kAtOnce) {
    MutexLock turn(turn_);
    const WriterLock lock(mutex_);
    turn.unlock();
    for (const state::CellChange& change : changes.subspan(begin, std::min(kAtOnce, changes.size() - begin))) {
      add_own(change);
    }
  }
}

void PlaceSignals::replace_cell(Cell cell, std::span<const state::CellChange> changes) {
  MutexLock turn(turn_);
  const WriterLock lock(mutex_);
  turn.unlock();
  bool read = false;
  for (const OwnFeatures::Feature& feature : own_.all()) {
    // Cells of other lengths have the same bits.
    if (feature.reads != OwnFeatures::Reads::kCell || feature.view.spec.cell_precision != cell.letters) continue;
    read = true;
    tables_.own_of_cells[feature.slot].erase(cell.bits);
  }
  if (!read) return;
  for (const state::CellChange& change : changes) add_own(change);
  remember(cell);  // also one of which nothing is left
}

std::optional<std::vector<PlaceSignals::Cell>> PlaceSignals::Reader::cells_changed_after(std::uint64_t since) const {
  if (tables_.cell_changes - since > kChangesKept) return std::nullopt;
  std::vector<Cell> cells;
  for (std::uint64_t i = since; i < tables_.cell_changes; ++i) {
    cells.push_back(tables_.changed_cells[i % kChangesKept]);
  }
  return cells;
}

void PlaceSignals::forget(std::uint64_t place) { replace(place, {}); }

void PlaceSignals::replace(std::uint64_t place, std::span<const state::PlaceChange> changes) {
  MutexLock turn(turn_);
  const WriterLock lock(mutex_);
  turn.unlock();
  for (std::vector<features::Value>& values : tables_.own_of_places) {
    if (place < values.size()) values[place] = {};
  }
  if (place < tables_.signals.size()) remove(place);
  for (const state::PlaceChange& change : changes) {
    add(change);
    if (own_.of_places() > 0) add_own(change);
  }
  // As if what is gone had never been: how many categories there are is part of a score.
  while (!tables_.categories.empty() && tables_.categories.back().visits == 0) tables_.categories.pop_back();
  remember(place);
}

void PlaceSignals::remove(std::uint64_t place) {
  const PlaceSignal gone = std::exchange(tables_.signals[place], PlaceSignal{});
  CategoryTotals& of_category = totals_of(tables_.category_of[place]);
  for (CategoryTotals* totals : {&of_category, &tables_.all}) {
    totals->visits -= gone.visits;
    for (const auto& [hour, visits] : gone.week) totals->week[hour] -= visits;
  }
}

std::size_t PlaceSignals::memory_bytes() const {
  MutexLock turn(turn_);
  const ReaderLock lock(mutex_);
  turn.unlock();
  std::size_t bytes =
      tables_.signals.capacity() * sizeof(PlaceSignal) + tables_.category_of.capacity() * sizeof(std::uint32_t) +
      tables_.categories.capacity() * sizeof(CategoryTotals) + tables_.changed.capacity() * sizeof(std::uint64_t);
  for (const auto& values : tables_.own_of_places) bytes += values.capacity() * sizeof(features::Value);
  for (const auto& cells : tables_.own_of_cells) bytes += cells.size() * (sizeof(features::Value) + 32);
  for (const PlaceSignal& signal : tables_.signals) {
    bytes += signal.week.capacity() * sizeof(signal.week[0]) + signal.tiles.capacity() * sizeof(signal.tiles[0]);
  }
  return bytes;
}

void PlaceSignals::recategorise(const PlaceIndex& index) {
  MutexLock turn(turn_);
  const WriterLock lock(mutex_);
  turn.unlock();
  // Visits of all places do not depend on categories and stay; the totals by category are summed up from nothing, since
  // any place may have another category than before, or be the first of one.
  tables_.categories.clear();
  tables_.uncategorised = {};
  tables_.category_of.assign(tables_.signals.size(), PlaceIndex::kNoCategory);
  for (std::uint32_t row = 0; row < index.size(); ++row) {
    const std::uint64_t place = index.place_id(row);
    if (tables_.category_of.size() <= place) tables_.category_of.resize(place + 1, PlaceIndex::kNoCategory);
    tables_.category_of[place] = index.category(row);
  }
  for (std::uint64_t place = 0; place < tables_.signals.size(); ++place) {
    CategoryTotals& totals = totals_of(tables_.category_of[place]);
    totals.visits += tables_.signals[place].visits;
    for (const auto& [hour, visits] : tables_.signals[place].week) totals.week[hour] += visits;
  }
}

}  // namespace cairn::ranking

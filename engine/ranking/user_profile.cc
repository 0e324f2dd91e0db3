#include "engine/ranking/user_profile.h"

#include <algorithm>
#include <bit>
#include <map>

#include "engine/ranking/builtin_views.h"
#include "features/read.h"

namespace cairn::ranking {

namespace {

std::vector<Visit> read_history(const features::ViewBlock* block, const PlaceIndex& index) {
  std::vector<Visit> visits;
  if (block == nullptr) return visits;
  visits.reserve(block->entries.size());
  // Entries are ascending by time. Visits that coincide are one entry with a count, and are told apart again here. An
  // event may count as many visits: of all of them the newest are looked at, as many as there are entries at most.
  for (auto entry = block->entries.rbegin(); entry != block->entries.rend(); ++entry) {
    for (std::int64_t i = 0; i < entry->value.count && visits.size() < kHistoryVisitsMax; ++i) {
      visits.push_back({entry->dimension, entry->value.newest_ms, index.row_of(entry->dimension)});
    }
  }
  std::reverse(visits.begin(), visits.end());
  return visits;
}

/// Finds the number of a place among those seen so far, or gives it the next one. Open addressing in a table at most
/// half full, as std::unordered_map would take longer than all the rest of a profile.
class PlaceNumbers {
 public:
  explicit PlaceNumbers(std::size_t most) : slots_(std::bit_ceil(2 * most + 1)) {}

  [[nodiscard]] std::size_t number_of(std::uint64_t place) {
    std::size_t at = (place * 0x9E3779B97F4A7C15ULL >> 32) & (slots_.size() - 1);
    while (slots_[at].number != 0 && slots_[at].place != place) at = (at + 1) & (slots_.size() - 1);
    if (slots_[at].number == 0) slots_[at] = {place, ++count_};
    return slots_[at].number - 1;
  }

 private:
  struct Slot {
    std::uint64_t place = 0;
    std::size_t number = 0;  ///< counted from 1; 0: free
  };
  std::vector<Slot> slots_;
  std::size_t count_ = 0;
};

/// Brings places in the order of rows, as candidates are: scoring walks along both. gpu::kNoRow is the largest row, so
/// that unknown places come last. `numbers` of places become those in the new order.
std::vector<VisitedPlace> by_row(const std::vector<VisitedPlace>& places, std::vector<std::uint32_t>* numbers) {
  std::vector<std::uint64_t> order;  // a place is large: what is sorted is its row and where it stands
  order.reserve(places.size());
  for (std::size_t i = 0; i < places.size(); ++i) order.push_back(std::uint64_t{places[i].row} << 32 | i);
  std::sort(order.begin(), order.end());
  std::vector<VisitedPlace> sorted;
  sorted.reserve(places.size());
  std::vector<std::uint32_t> moved(places.size());
  for (const std::uint64_t one : order) {
    moved[one & 0xFFFFFFFF] = static_cast<std::uint32_t>(sorted.size());
    sorted.push_back(places[one & 0xFFFFFFFF]);
  }
  for (std::uint32_t& number : *numbers) number = moved[number];
  return sorted;
}

void read_visits(const HabitCoefficients& kernel, const PlaceIndex& index, EventTime time, UserProfile* profile) {
  const std::vector<Visit>& visits = profile->visits;
  if (visits.empty()) return;
  profile->visit_weights = weigh_visits(kernel, visits, index, time);
  const VisitWeights& weights = profile->visit_weights;
  PlaceNumbers numbers(visits.size());
  std::vector<VisitedPlace> places;
  profile->place_of_visit.reserve(visits.size());
  for (std::size_t i = 0; i < visits.size(); ++i) {
    const Visit& visit = visits[i];
    const std::size_t number = numbers.number_of(visit.place);
    profile->place_of_visit.push_back(static_cast<std::uint32_t>(number));
    if (number == places.size())
      places.push_back({.row = visit.row, .place = visit.place, .newest_ms = visit.ms, .oldest_ms = visit.ms});
    VisitedPlace& place = places[number];
    ++place.visits;
    place.newest_ms = std::max(place.newest_ms, visit.ms);
    place.habit += weights.habit[i];
    place.recent += weights.recent[i];
    place.same_hour += weights.same_hour[i];
    place.same_week_hour += weights.same_week_hour[i];
    profile->monthly_total += weights.monthly[i];
    profile->recent_total += weights.recent[i];
    profile->same_hour_total += weights.same_hour[i];
    profile->same_week_hour_total += weights.same_week_hour[i];
  }
  profile->visited = by_row(places, &profile->place_of_visit);
  const Visit& last = visits.back();
  profile->last_place = last.place;
  profile->last_row = last.row;
  profile->last_ms = last.ms;
  profile->hours_since_last = std::max(0.0, static_cast<double>(to_ms(time) - last.ms) / 3.6e6);
}

/// The entries of a view that are still served, by dimension.
Affinities read_values(const features::View* view, const features::Row& row, EventTime time) {
  Affinities values;
  const features::ViewBlock* block = view == nullptr ? nullptr : row.find(view->id);
  if (block == nullptr) return values;
  values.reserve(block->entries.size());
  for (const features::Entry& entry : block->entries) {  // ascending
    if (features::within_ttl(*view, entry.value, time)) {
      values.append(entry.dimension, features::value_at(*view, entry.value, time));
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
                              const HabitCoefficients& kernel, EventTime time, const OwnFeatures& own) {
  UserProfile profile;
  if (row == nullptr) return profile;
  profile.known = true;
  const features::View* history = schema.find(kUserHistory);
  CAIRN_CHECK(history != nullptr);
  profile.visits = read_history(row->find(history->id), index);
  read_visits(kernel, index, time, &profile);
  profile.categories = read_values(schema.find(kUserCategoryAffinity), *row, time);
  profile.cells = read_values(schema.find(kUserCellAffinity), *row, time);
  for (const auto& [cell, value] : profile.cells) profile.cells_total += value;
  profile.interest = read_values(schema.find(kUserInterest), *row, time);
  profile.dismissed = read_values(schema.find(kUserDismissed), *row, time);
  profile.own.resize(own.of_users());
  for (const OwnFeatures::Feature& feature : own.all()) {
    if (feature.reads == OwnFeatures::Reads::kPlace || feature.reads == OwnFeatures::Reads::kCell) continue;
    profile.own[feature.slot] = read_values(&feature.view, *row, time);
  }
  return profile;
}

namespace {

Affinities counted(const std::map<std::uint64_t, double>& counts) {
  Affinities values;
  for (const auto& [key, count] : counts) values.append(key, count);
  return values;
}

}  // namespace

void read_session(std::span<const std::uint32_t> rows, const PlaceIndex& index, UserProfile* profile) {
  std::map<std::uint64_t, double> categories;
  std::map<std::uint64_t, double> cells;
  for (const std::uint32_t row : rows) {
    if (index.category(row) != PlaceIndex::kNoCategory) categories[index.category(row)] += 1.0;
    cells[index.cell(row)] += 1.0;
  }
  profile->by_session = !rows.empty();
  profile->categories = counted(categories);
  profile->cells = counted(cells);
  profile->cells_total = static_cast<double>(rows.size());
  profile->monthly_total = static_cast<double>(rows.size());
}

}  // namespace cairn::ranking

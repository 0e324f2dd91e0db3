#include <algorithm>
#include <memory>
#include <utility>

#include "cairn/kill_point.h"
#include "engine/state/feature_state.h"
#include "engine/state/keys.h"
#include "features/renamed.h"
#include "features/row.h"

// Events that are taken out of the features again (README.md, "Corrections").

namespace cairn::state {

using features::ResolvedEvent;

namespace {

/// Whether the key is made of the number of a place.
bool is_by_place(std::string_view key) {
  return place_of_key(key).has_value() || waiting_place_of_key(key).has_value();
}

/// Everything that a row holds, as changes of the place or cell of that number. `row`: null for one without anything.
template <class Change>
std::vector<Change> all_of(std::uint64_t number, const features::Row* row) {
  std::vector<Change> changes;
  if (row == nullptr) return changes;
  for (const features::ViewBlock& block : row->blocks) {
    for (const features::Entry& entry : block.entries) changes.push_back({number, block.view, entry});
  }
  return changes;
}

}  // namespace

ResolvedEvent FeatureState::resolve(const Interaction& event) const {
  ResolvedEvent resolved{&event, place_ids_.find(event.place.str()).value_or(kNoPlace), std::nullopt, std::nullopt};
  catalog_.resolve({&resolved, 1});
  return resolved;
}

/// How and where an event was counted that was applied at `moment`: there may be other views by now, and the catalogue
/// may say something else of its place.
FeatureState::Counted FeatureState::as_counted(const Interaction& event, std::uint32_t moment) const {
  Counted counted{.event = resolve(event)};
  counted.noted = moment != 0;
  counted.then = past_schemas_.at(moment);
  ResolvedEvent& resolved = counted.event;
  if (resolved.place == kNoPlace) return counted;
  const PastFacts::Then then = catalog_.facts_at(resolved.place, moment);
  counted.erased = then.erased;
  counted.dropped = then.dropped;
  if (!then.changed) {
    if (resolved.category) resolved.category = catalog_.category_now(*resolved.category);
    return counted;
  }
  if (then.known && then.facts.cell) {
    resolved.category = then.facts.category;
    resolved.cell = then.facts.cell;
    resolved.waits = false;
    return counted;
  }
  counted.unsure = !then.known;
  if (counted.unsure) return counted;
  // It waited for its place, but for its own position. In rows of users it waits yet: what arrives there is added when
  // they are read. Cells were given what waited for the place when it came.
  resolved.waits = true;
  resolved.category.reset();
  resolved.cell = features::cell_of(std::nullopt, event.position);
  if (!then.coming) return counted;
  counted.came = true;
  if (resolved.cell || counted.dropped) return counted;
  const PastSchemas::Then* const came = past_schemas_.at(then.came_in);
  counted.came_by = came != nullptr ? &came->schema : &stored_.schema;
  counted.in_cells = resolved;
  counted.in_cells->waits = false;
  counted.in_cells->category = then.coming->category;
  counted.in_cells->cell = then.coming->cell;
  return counted;
}

void FeatureState::for_each_counted(const Counted& counted, const Accumulator::VisitRow& visit) const {
  const features::EventChanges* const by = counted.then != nullptr ? counted.then->changes.get() : nullptr;
  const Accumulator::VisitRow where_left = [&](const std::string& key, const auto& changes) {
    const bool waits_no_more = (counted.came || counted.dropped) && waiting_place_of_key(key);
    if (!waits_no_more && !(counted.erased && place_of_key(key))) visit(key, changes);
  };
  accumulator_.for_each_row(counted.event, where_left, by);
  if (!counted.in_cells) return;
  const Accumulator::VisitRow in_cells = [&](const std::string& key, std::vector<features::Change> changes) {
    if (!cell_of_key(key)) return;
    std::erase_if(changes, [&](const auto& change) { return counted.came_by->find(change.view->id) == nullptr; });
    if (!changes.empty()) visit(key, changes);
  };
  accumulator_.for_each_row(*counted.in_cells, in_cells, by);
}

std::size_t FeatureState::drop_unsure(const std::string& key, std::vector<features::Change>* changes) {
  const bool cell = cell_of_key(key) || waiting_place_of_key(key);
  return std::erase_if(*changes, [cell](const features::Change& change) {
    const Dimension by = change.view->spec.dimension;
    return cell || by == Dimension::kCategory || by == Dimension::kCell;
  });
}

/// What is stored of the rows that the batch's retractions may change. It is read before anything of the batch is
/// applied, because it may fail, and a batch is applied whole or not at all.
Status FeatureState::read_retracted(std::span<const Interaction> interactions, const ReadVersion& version,
                                    RetractedRows* rows) {
  Status failed;
  for (std::uint32_t i = 0; i < interactions.size(); ++i) {
    if (!interactions[i].retracts) continue;
    // What waited for a place that has come is where it belongs, before it is taken out of there.
    if (const auto place = place_ids_.find(interactions[i].place.str())) settle({&*place, 1});
    const auto note = event_ids_.find(interactions[i].event_id);
    const std::uint32_t moment = note ? note->moment : catalog_.moment();
    const Counted& counted = rows->events.emplace(i, as_counted(interactions[i], moment)).first->second;
    for_each_counted(counted, [&](const std::string& key, const auto&) {
      const bool new_place = counted.event.place == kNoPlace && is_by_place(key);
      if (!failed.ok() || new_place || rows->stored.contains(key)) return;
      auto row = stored_row(key, version);
      if (row.ok()) {
        rows->stored.emplace(key, row->row);
      } else if (row.status().code() == StatusCode::kDataLoss) {
        rows->stored.emplace(key, std::nullopt);  // nothing can be taken out of what makes no sense
      } else {
        failed = row.status();
      }
    });
  }
  return failed;
}

void FeatureState::undo(std::uint32_t index, const ReadVersion& version, RetractedRows& rows, Corrections* totals) {
  Counted& counted = rows.events.at(index);
  ResolvedEvent& event = counted.event;
  // A place that came with this very batch has its number now.
  if (event.place == kNoPlace) event.place = place_ids_.find(event.interaction->place.str()).value_or(kNoPlace);
  ++totals->retracted;
  bool waited = false;
  using Changes = std::vector<features::Change>;
  const auto take_out = [&](const std::string& key, const Changes& changes) CAIRN_REQUIRES(windows_->growing_mutex()) {
    waited = waited || waiting_place_of_key(key);
    const auto found = rows.stored.try_emplace(key, RowCache::RowPtr()).first;
    if (!found->second) {
      totals->values_lost += changes.size();
      return;
    }
    features::TakenOut taken;
    Changes sure = changes;
    if (counted.unsure) totals->values_lost += drop_unsure(key, &sure);
    // What waits in the row goes on waiting: it follows its place, as it would had this event never been.
    auto row = counted.noted ? renamed_row_now(key, version, *found->second) : row_now(key, version, *found->second);
    if (counted.then != nullptr) rename_categories(counted.then->schema, row.get());  // of views that are gone
    features::take_out(sure, row.get(), &taken);
    totals->values_lost += taken.lost;
    if (taken.values == 0) return;
    note_inexact(key, taken.inexact);
    rebase_row(key, std::move(row));
  };
  for_each_counted(counted, take_out);
  if (waited && !counted.unsure && waiting_.contains(event.place))
    waiting_.add(event.place, ~std::uint64_t{0});  // one less
  CAIRN_KILL_POINT("retraction.undone");
}

/// The row with everything that was applied to it, and what has arrived where it belongs. `stored`: as stored at
/// `version`.
std::shared_ptr<features::Row> FeatureState::row_now(const std::string& key, const ReadVersion& version,
                                                     const RowCache::RowPtr& stored) const {
  const auto row = unsettled_row_now(key, version, stored);
  const RowCache::RowPtr whole = settled(row);
  return whole == row ? row : std::make_shared<features::Row>(*whole);
}

/// The row with everything that was applied to it, under the categories of today. What has arrived waits there yet.
std::shared_ptr<features::Row> FeatureState::renamed_row_now(const std::string& key, const ReadVersion& version,
                                                             const RowCache::RowPtr& stored) const {
  auto row = unsettled_row_now(key, version, stored);
  rename_categories(stored_.schema, row.get());
  return row;
}

void FeatureState::rename_categories(const features::Schema& schema, features::Row* row) const {
  if (!catalog_.any_renamed()) return;
  features::rename_categories(
      schema, [this](std::uint64_t category) { return catalog_.category_now(category); }, row);
}

std::shared_ptr<features::Row> FeatureState::unsettled_row_now(const std::string& key, const ReadVersion& version,
                                                               const RowCache::RowPtr& stored) const {
  std::vector<features::DeltaRow::Flat> pending;
  RebasedRows::Base base;
  const bool rebased = copy_pending(version, key, &pending, &base);
  const RowCache::RowPtr& before = rebased ? base : stored;
  auto row = before ? std::make_shared<features::Row>(*before) : std::make_shared<features::Row>();
  features::merge_row(row.get(), features::to_row(std::move(pending)));
  return row;
}

bool FeatureState::may_retract(const Interaction& retraction) const {
  const MutexLock no_apply(windows_->growing_mutex());
  const auto counted = event_ids_.find(retraction.event_id);
  return !counted || features::may_be_of(*counted, retraction);
}

FeatureState::RememberedEvent FeatureState::remembered(std::string_view event_id) const {
  const MutexLock no_apply(windows_->growing_mutex());
  return {event_ids_.find(event_id), event_ids_.retracted(event_id)};
}

bool FeatureState::retracted(std::string_view event_id, std::uint32_t contents) const {
  const MutexLock no_apply(windows_->growing_mutex());
  return event_ids_.retracted(event_id, contents);
}

bool FeatureState::forgot_event_ids() const {
  const MutexLock no_apply(windows_->growing_mutex());
  return event_ids_.forgot();
}

void FeatureState::rebase_row(const std::string& key, std::shared_ptr<features::Row> row) {
  PendingWindow& window = *windows_->current()->growing;
  const RebasedRows::Base base = row->blocks.empty() ? nullptr : std::move(row);
  window.rebased.set(key, base, [&] { window.rows.clear(key, Window::hash(key)); });
  if (const auto place = place_of_key(key)) tell_of_place(*place, base.get());
  if (const auto cell = cell_of_key(key)) tell_of_cell(*cell, cell_letters_of_key(key), base.get());
}

void FeatureState::tell_of_place(std::uint64_t place, const features::Row* row) const {
  if (replacers_.empty()) return;
  const auto changes = all_of<PlaceChange>(place, row);
  for (const PlaceReplacer& replace : replacers_) replace(place, changes);
}

void FeatureState::tell_of_cell(std::uint64_t cell, int letters, const features::Row* row) const {
  if (cell_replacers_.empty()) return;
  const auto changes = all_of<CellChange>(cell, row);
  for (const CellReplacer& replace : cell_replacers_) replace(cell, letters, changes);
}

// ---- values that cannot be taken back -----------------------------------------------------------------------------

void FeatureState::note_inexact(const std::string& key, std::vector<features::InexactEntry> entries) {
  if (entries.empty()) return;
  auto& noted = inexact_[key];
  const std::size_t before = noted.size();
  noted.insert(noted.end(), entries.begin(), entries.end());
  std::sort(noted.begin(), noted.end());
  noted.erase(std::unique(noted.begin(), noted.end()), noted.end());
  inexact_values_.fetch_add(noted.size() - before, std::memory_order_relaxed);
  windows_->current()->growing->inexact[key] = noted;
}

void FeatureState::set_inexact(const std::string& key, std::vector<features::InexactEntry> left) {
  const auto noted = inexact_.find(key);
  if (noted == inexact_.end()) return;
  inexact_values_.fetch_sub(noted->second.size() - left.size(), std::memory_order_relaxed);
  windows_->current()->growing->inexact[key] = left;
  if (left.empty()) {
    inexact_.erase(noted);
  } else {
    noted->second = std::move(left);
  }
}

/// The notes of a row, of the categories of today.
std::vector<features::InexactEntry> FeatureState::renamed_notes(std::vector<features::InexactEntry> notes) const {
  for (features::InexactEntry& note : notes) {
    const features::View* const of = stored_.schema.find(note.view);
    if (of == nullptr || of->spec.dimension != Dimension::kCategory) continue;
    note.dimension = catalog_.category_now(note.dimension);
  }
  std::sort(notes.begin(), notes.end());
  notes.erase(std::unique(notes.begin(), notes.end()), notes.end());
  return notes;
}

InexactRows FeatureState::inexact_rows() const {
  const MutexLock no_apply(windows_->growing_mutex());
  return inexact_;
}

/// What keeps a history need not know yet what the state knows, or may know what counted for nothing here. Returns:
/// nullopt for an event that does not count, as far as its id is remembered.
std::optional<FeatureState::Counted> FeatureState::counted_of_history(const Interaction& event) const {
  const auto some_time = [&] {
    Counted counted{.event = resolve(event)};
    constexpr std::uint32_t kOldest = 1;
    const std::uint64_t place = counted.event.place;
    counted.perhaps_erased = place != kNoPlace && catalog_.facts_at(place, kOldest).erased;
    return counted;
  };
  if (event.event_id.empty()) return some_time();
  const MutexLock no_apply(windows_->growing_mutex());
  if (event_ids_.retracted(event.event_id, features::contents_print(event))) return std::nullopt;
  const auto note = event_ids_.find(event.event_id);
  if (!note) return some_time();
  // Another event came under this id, and it is that one that counts.
  if (!features::may_be_of(*note, event)) return std::nullopt;
  return as_counted(event, note->moment);
}

void FeatureState::History::add(std::span<const Interaction> events) {
  for (const Interaction& event : events) {
    const auto counted = state_.counted_of_history(event);
    if (!counted) continue;
    state_.for_each_counted(*counted, [&](const std::string& key, const auto& changes) {
      const auto row = rows_.find(key);
      if (row == rows_.end()) return;
      if (counted->perhaps_erased && place_of_key(key)) doubtful_.insert(key);
      std::vector<features::Change> sure = changes;
      if (counted->unsure) drop_unsure(key, &sure);
      for (features::Change& change : sure) {
        change.view = views_.try_emplace(change.view->id, change.view).first->second;
        row->second.add(change);
      }
    });
  }
}

Status FeatureState::mend(const History& history) {
  CAIRN_RETURN_IF_ERROR(windows_->admit());
  const MutexLock no_apply(windows_->growing_mutex());
  const auto version = windows_->current();
  for (const auto& [key, delta] : history.rows_) {
    const auto noted = inexact_.find(key);
    if (noted == inexact_.end() || history.doubtful_.contains(key)) continue;
    const auto stored = stored_row(key, *version);
    if (!stored.ok()) continue;  // it stays noted
    auto row = renamed_row_now(key, *version, stored->row);
    std::vector<features::InexactEntry> left = renamed_notes(noted->second);
    const bool changed = features::mend(features::to_row(delta.entries()), row.get(), &left);
    if (changed) rebase_row(key, std::move(row));
    if (left != noted->second) set_inexact(key, std::move(left));
  }
  windows_->grown();
  return ok_status();
}

}  // namespace cairn::state

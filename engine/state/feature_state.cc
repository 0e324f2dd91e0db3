#include "engine/state/feature_state.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "cairn/prefetch.h"
#include "engine/state/keys.h"
#include "features/delta_row.h"
#include "features/geohash.h"
#include "features/read.h"
#include "features/renamed.h"
#include "features/row.h"
#include "features/waiting.h"

namespace cairn::state {

using storage::Family;

FeatureState::FeatureState(storage::StateStore& store, const Options& options, InteractionTypes types,
                           StoredIdentity stored)
    : store_(store),
      types_(std::move(types)),
      stored_(std::move(stored)),
      window_options_{options.window, options.window_bytes, options.log},
      row_cache_bytes_(options.row_cache_bytes),
      views_(options.views),
      fading_(options.fading),
      log_(options.log),
      catalog_(store, place_ids_, category_ids_, options.attributes),
      cache_(options.row_cache_bytes),
      writer_(store, options.sync ? storage::Durability::kSynced : storage::Durability::kBuffered, place_ids_,
              category_ids_, cache_),
      accumulator_(stored_.schema, place_ids_, catalog_),
      event_ids_(features::EventIdMemory::generation_size(options.dedup_ids)) {}

Result<std::unique_ptr<FeatureState>> FeatureState::open(storage::StateStore& store, const Options& options,
                                                         InteractionTypes types) {
  CAIRN_ASSIGN_OR_RETURN(StoredIdentity identity, recover_identity(store, options.views, types));
  std::unique_ptr<FeatureState> state(new FeatureState(store, options, std::move(types), std::move(identity)));
  CAIRN_RETURN_IF_ERROR(state->recover());
  return state;
}

Status FeatureState::recover() {
  CAIRN_RETURN_IF_ERROR(recover_ids(store_, &place_ids_, &category_ids_));
  CAIRN_RETURN_IF_ERROR(catalog_.load());
  CAIRN_RETURN_IF_ERROR(event_ids_.recover(store_));
  CAIRN_RETURN_IF_ERROR(past_schemas_.recover(store_, views_, types_, event_ids_.oldest_moment(), &catalog_));
  CAIRN_RETURN_IF_ERROR(catalog_.forget_moments_before(std::min(event_ids_.oldest_moment(), catalog_.moment())));
  CAIRN_RETURN_IF_ERROR(recover_progress(store_, &progress_));
  event_ids_.retracted_in(progress_.counters().corrections.retracted_in);
  CAIRN_RETURN_IF_ERROR(recover_inexact(store_, &inexact_));
  for (const auto& [key, entries] : inexact_) inexact_values_ += entries.size();
  CAIRN_RETURN_IF_ERROR(erased_users_.recover(store_));
  windows_ = std::make_unique<Windows>(store_, writer_, progress_, window_options_);
  const MutexLock no_apply(windows_->growing_mutex());
  CAIRN_RETURN_IF_ERROR(waiting_.recover(
      store_, stored_.schema, [this](std::string_view key, const Status& why) { note_invalid_row(key, why); }));
  settle(waiting_.places());  // of those that came just before a crash
  return ok_status();
}

FeatureState::~FeatureState() {
  if (const Status closed = close(); !closed.ok()) log_.error("state.close", closed.message());
}

Status FeatureState::close() {
  stop_waiting();
  return windows_ ? windows_->close() : ok_status();  // none when opening has failed
}

// ---- writing ------------------------------------------------------------------------------------------------------

void FeatureState::tell_of(std::span<const Interaction> interactions) const {
  if (interactions_seen_) interactions_seen_(interactions);
}

Status FeatureState::apply(const MicroBatch& micro) noexcept {
  CAIRN_RETURN_IF_ERROR(windows_->admit());
  const MutexLock one_at_a_time(windows_->growing_mutex());
  const auto version = windows_->current();
  PendingWindow& window = *version->growing;
  const auto interactions = erased_users_.without_erased(micro.interactions, &remaining_);
  erased_users_.count_refused(micro.interactions.size() - interactions.size());
  // What the catalogue says of the batch's places is of the moment that the ids are noted with.
  const ReaderLock steady(catalog_.steady());
  RetractedRows retracted;
  std::vector<const Interaction*> mismatched;
  if (event_ids_.look_at(interactions, catalog_.moment())) {
    CAIRN_RETURN_IF_ERROR(read_retracted(interactions, *version, &retracted));
    for (const std::uint32_t i : event_ids_.mismatched(interactions)) mismatched.push_back(&interactions[i]);
  }
  if (micro.refuse) CAIRN_RETURN_IF_ERROR(micro.refuse(mismatched));
  event_ids_.judge(interactions, &window.event_ids, &judged_);
  const std::vector<std::uint32_t>& included = judged_.included;
  tell_of(interactions);
  accumulator_.add(interactions, included, observers_, &waiting_, &window.rows);
  Counters counters = progress_.counters();
  for (const std::uint32_t i : judged_.undone) undo(i, *version, retracted, &counters.corrections);
  tell_of(interactions);
  counters.corrections.withheld += judged_.withheld;
  counters.corrections.unmatched += judged_.unmatched;
  counters.corrections.retracted_in = event_ids_.retracted_in();
  for (const std::uint32_t i : included) {
    counters.newest_event_ms = std::max(counters.newest_event_ms, to_ms(interactions[i].time));
  }
  counters.applied += included.size();
  counters.repeated += judged_.repeated;
  counters.rejected += micro.rejected + mismatched.size();
  event_ids_bytes_.store(event_ids_.memory_bytes(), std::memory_order_relaxed);
  if (fading_ != nullptr && !included.empty()) fading_->advance(event_time_from_ms(counters.newest_event_ms));
  progress_.reflect(micro.source, micro.positions, counters);
  windows_->grown();
  return ok_status();
}

void FeatureState::erase_row(const std::string& key) {
  PendingWindow& window = *windows_->current()->growing;
  window.rebased.set(key, nullptr, [&] { window.rows.clear(key, Window::hash(key)); });
  set_inexact(key, {});
  windows_->grown();
}

Status FeatureState::upsert_places(std::span<const Place> places) {
  CAIRN_RETURN_IF_ERROR(catalog_.upsert(places));
  // An event that is applied before this lock is taken waits, and is filled here; one that is applied later finds the
  // place in the catalogue.
  const MutexLock no_apply(windows_->growing_mutex());
  std::vector<std::uint64_t> numbers;
  for (const Place& place : places) {
    const auto number = place_ids_.find(place.id.str());
    if (number && waiting_.contains(*number)) numbers.push_back(*number);
  }
  settle(numbers);
  return ok_status();
}

void FeatureState::settle(std::span<const std::uint64_t> places) {
  for (const std::uint64_t place : places) {
    if (!waiting_.contains(place) || !catalog_.facts(place)) continue;
    if (const Status settled = settle_cells(place); !settled.ok()) {
      log_.error("state.place_not_filled",
                 "what cells had waiting for a place could not be read; a restart tries again",
                 {{"place", place_ids_.name(place)}, {"reason", settled.message()}});
      continue;
    }
    waiting_.remove(place, true);
  }
  if (!places.empty()) windows_->grown();
}

Status FeatureState::settle_cells(std::uint64_t place) {
  std::string key;
  append_waiting_key(place, &key);
  CAIRN_ASSIGN_OR_RETURN(const auto found, row_of(key));
  if (!found.row) return ok_status();
  const RowCache::RowPtr row = settled(found.row);
  const features::PlaceFacts facts = *catalog_.facts(place);
  const std::uint64_t cell = facts.cell;
  const auto noted = inexact_.find(key);
  const std::vector<features::InexactEntry> inexact =
      noted == inexact_.end() ? std::vector<features::InexactEntry>() : settled_notes(noted->second, facts);
  // The removal and the additions are of one window, which is stored whole or not at all.
  erase_row(key);
  const auto version = windows_->current();
  std::vector<features::Change> changes;
  for (const features::View& view : stored_.schema.views()) {
    const features::ViewBlock* block = row->find(view.id);
    if (block == nullptr || view.spec.entity != EntityKind::kCell) continue;
    changes.clear();
    for (const features::Entry& entry : block->entries) changes.push_back({&view, entry.dimension, entry.value});
    std::string cell_key;
    append_cell_key(features::cell_prefix(cell, view.spec.cell_precision), view.spec.cell_precision, &cell_key);
    version->growing->rows.add(cell_key, Window::hash(cell_key), changes);
    std::vector<features::InexactEntry> of_cell;
    std::copy_if(inexact.begin(), inexact.end(), std::back_inserter(of_cell),
                 [&](const features::InexactEntry& one) { return one.view == view.id; });
    note_inexact(cell_key, std::move(of_cell));
    std::vector<CellChange> told;
    const std::uint64_t of_view = features::cell_prefix(cell, view.spec.cell_precision);
    for (const features::Entry& entry : block->entries) told.push_back({of_view, view.id, entry});
    for (const CellObserver& observer : observers_.cells) observer(told);
  }
  return ok_status();
}

std::vector<features::InexactEntry> FeatureState::settled_notes(std::vector<features::InexactEntry> notes,
                                                                const features::PlaceFacts& facts) const {
  for (features::InexactEntry& note : notes) {
    for (const features::WaitingView& waiting : stored_.schema.waiting()) {
      if (note.view != waiting.by_place.id || !facts.category) continue;
      note = {stored_.schema.views()[waiting.of].id, *facts.category};
    }
  }
  return notes;
}

RowCache::RowPtr FeatureState::settled(RowCache::RowPtr row) const {
  if (!row) return row;
  const auto facts_of = [this](std::uint64_t place) { return catalog_.facts(place); };
  features::Row come;
  if (features::any_waiting(stored_.schema, *row)) come = features::arrived(stored_.schema, *row, facts_of);
  const auto now = [this](std::uint64_t category) { return catalog_.category_now(category); };
  const bool renamed = catalog_.any_renamed() && features::any_renamed(stored_.schema, *row, now);
  if (come.blocks.empty() && !renamed) return row;
  auto whole = std::make_shared<features::Row>(*row);
  if (renamed) features::rename_categories(stored_.schema, now, whole.get());
  if (!come.blocks.empty()) features::settle_row(stored_.schema, come, facts_of, whole.get());
  return whole;
}

Status FeatureState::delete_places(std::span<const PlaceId> ids, PlaceHistory history, EventTime now) {
  if (history == PlaceHistory::kErase) {
    CAIRN_RETURN_IF_ERROR(catalog_.check_removal(ids, history));
    CAIRN_RETURN_IF_ERROR(forget_places(ids));
    // Stored before the deletion is: a crash in between leaves places without a history, and the caller without an
    // answer, who deletes them again.
    CAIRN_RETURN_IF_ERROR(flush());
  }
  return catalog_.remove(ids, history, now);
}

Status FeatureState::forget_places(std::span<const PlaceId> ids) {
  const MutexLock no_apply(windows_->growing_mutex());
  // So that a retraction knows which events came before, and takes nothing of them out of what comes now. A moment that
  // ends for nothing, because of a crash, does no harm.
  const std::uint32_t moment = catalog_.moment();
  CAIRN_RETURN_IF_ERROR(catalog_.end_moment());
  for (const PlaceId& id : ids) {
    const auto place = place_ids_.find(id.str());
    if (!place) continue;
    auto [note, moments] = catalog_.note_erased(*place, moment);
    windows_->current()->growing->marks.push_back({std::move(note), std::move(moments)});
    std::string key;
    append_place_key(*place, &key);
    erase_row(key);
    if (waiting_.contains(*place)) {
      key.clear();
      append_waiting_key(*place, &key);
      erase_row(key);
      waiting_.remove(*place, false);
    }
    for (const PlaceForgetter& forget : forgetters_) forget(*place);
  }
  return ok_status();
}

Result<EventTime> FeatureState::erase_user(const UserId& user, EventTime at) {
  CAIRN_RETURN_IF_ERROR(erased_users_.ensure_key(store_));
  std::string key;
  append_user_key(user.str(), &key);
  // A mark of this erasure came with the removal of the row: what is there now came since.
  const auto marked = erased_users_.until(user);
  if (!marked || *marked < at) CAIRN_RETURN_IF_ERROR(forget_user(user, at, key));
  CAIRN_RETURN_IF_ERROR(flush());
  CAIRN_RETURN_IF_ERROR(purge_row(key));
  const std::string note = std::string(kInexactPrefix) + key;  // it names him too
  CAIRN_RETURN_IF_ERROR(store_.purge(Family::kMeta, {&note, 1}));
  return erased_users_.until(user).value();
}

Status FeatureState::forget_user(const UserId& user, EventTime at, const std::string& key) {
  {
    const MutexLock no_apply(windows_->growing_mutex());
    // A row that cannot be read goes like any other.
    const auto row = this->row(EntityKind::kUser, user.str());
    if (!row.ok() && row.status().code() != StatusCode::kDataLoss) return row.status();
    EventTime until = at;
    if (row.ok() && row->row) {
      for (const features::ViewBlock& block : row->row->blocks) {
        for (const features::Entry& entry : block.entries) {
          until = std::max(until, event_time_from_ms(entry.value.newest_ms));
        }
      }
    }
    windows_->current()->growing->marks.push_back(erased_users_.mark(user, until));
    erase_row(key);
  }
  return ok_status();
}

Status FeatureState::purge_row(const std::string& key) {
  constexpr std::size_t kHashBytes = 8;  // behind an entity's key in that family
  storage::WriteBatch batch;
  std::vector<std::string> parts;
  CAIRN_RETURN_IF_ERROR(store_.scan(Family::kQuarantine, key, [&](std::string_view part, std::string_view) {
    if (part.size() != key.size() + kHashBytes) return true;
    batch.remove(Family::kQuarantine, part);
    parts.emplace_back(part);
    return true;
  }));
  if (!parts.empty()) CAIRN_RETURN_IF_ERROR(store_.write(std::move(batch), storage::Durability::kSynced));
  CAIRN_RETURN_IF_ERROR(store_.purge(Family::kState, {&key, 1}));
  return store_.purge(Family::kQuarantine, parts);
}

Status FeatureState::observe_places(PlaceObserver observer, PlaceForgetter forget, PlaceReplacer replace) {
  return tell_of_rows<PlaceChange>(EntityKind::kPlace, &place_of_key, observer, [&] {
    observers_.places.push_back(std::move(observer));
    if (forget) forgetters_.push_back(std::move(forget));
    if (replace) replacers_.push_back(std::move(replace));
  });
}

Status FeatureState::observe_cells(CellObserver observer, CellReplacer replace) {
  return tell_of_rows<CellChange>(EntityKind::kCell, &cell_of_key, observer, [&] {
    observers_.cells.push_back(std::move(observer));
    if (replace) cell_replacers_.push_back(std::move(replace));
  });
}

template <class Change>
Status FeatureState::tell_of_rows(EntityKind kind, std::optional<std::uint64_t> (*number_of)(std::string_view),
                                  const std::function<void(std::span<const Change>)>& observer,
                                  const std::function<void()>& keep) {
  constexpr std::size_t kChangesAtOnce = 4096;
  MutexLock no_apply(windows_->growing_mutex());
  // While a window is on its way to the store, it cannot be told what of it a scan finds; and of a row that
  // begins anew in a window a scan finds what was there before.
  while (windows_->current()->full != nullptr || windows_->current()->growing->rebased.times() > 0) {
    no_apply.unlock();
    CAIRN_RETURN_IF_ERROR(flush());
    no_apply.lock();
  }
  std::vector<Change> changes;
  CAIRN_RETURN_IF_ERROR(for_each_stored(kind, [&](std::string_view key, const features::Row& row) {
    const auto number = number_of(key);
    if (!number) {
      const std::string of = kind == EntityKind::kPlace ? "place" : "cell";
      return data_loss("the key of a " + of + "'s row is damaged; restore a checkpoint");
    }
    for (const features::ViewBlock& block : row.blocks) {
      for (const features::Entry& entry : block.entries) changes.push_back({*number, block.view, entry});
    }
    if (changes.size() >= kChangesAtOnce) {
      observer(changes);
      changes.clear();
    }
    return ok_status();
  }));
  const Window& growing = windows_->current()->growing->rows;
  for (std::size_t shard = 0; shard < Window::kShards; ++shard) {
    growing.for_each(shard, [&](std::string_view key, const features::DeltaRow& row) {
      const auto number = number_of(key);
      if (!number) return;
      for (const auto& [view, entry] : row.entries()) changes.push_back({*number, view->id, entry});
    });
  }
  observer(changes);
  keep();
  return ok_status();
}

Status FeatureState::for_each_stored(
    EntityKind kind, const std::function<Status(std::string_view key, const features::Row& row)>& see) const {
  Status seen;
  features::Row row;
  CAIRN_RETURN_IF_ERROR(
      store_.scan(Family::kState, kind_prefix(kind), [&](std::string_view key, std::string_view value) {
        if (const Status decoded = features::decode_row(value, &row); !decoded.ok()) {
          note_invalid_row(key, decoded);  // the others are none the worse
          row.blocks.clear();              // its key is looked at all the same
        }
        seen = see(key, row);
        return seen.ok();
      }));
  return seen;
}

// ---- reading ------------------------------------------------------------------------------------------------------

Result<RowCache::Found> FeatureState::row(EntityKind kind, std::string_view id) const {
  std::string key;
  if (!make_key(kind, id, &key)) return RowCache::Found{nullptr, true};
  CAIRN_ASSIGN_OR_RETURN(RowCache::Found found, row_of(key));
  found.row = settled(std::move(found.row));
  return found;
}

Result<std::vector<FeatureState::ReadRow>> FeatureState::rows(const CallContext& context, EntityKind kind,
                                                              std::span<const std::string> ids) const {
  std::vector<std::string> keys(ids.size());  // empty: of an entity that there cannot be
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (!make_key(kind, ids[i], &keys[i])) keys[i].clear();
  }
  if (keys.size() > 1) {  // one waits for nothing else meanwhile
    prefetch_pending(keys);
    cache_.prefetch(keys);
  }
  std::vector<ReadRow> rows(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    CAIRN_RETURN_IF_ERROR(context.check());
    if (keys[i].empty()) continue;
    auto found = row_of(keys[i]);
    if (!found.ok() && found.status().code() != StatusCode::kDataLoss) return found.status();
    if (found.ok()) {
      rows[i] = {.row = std::move(found->row), .hit = found->hit};
    } else {
      rows[i].damaged = true;
    }
  }
  for (const ReadRow& read : rows) {
    if (read.row) cairn::prefetch(read.row->blocks.data());
  }
  for (ReadRow& read : rows) read.row = settled(std::move(read.row));
  return rows;
}

void FeatureState::prefetch_pending(std::span<const std::string> keys) const {
  const auto version = windows_->current();
  for (const std::string& key : keys) {
    const std::uint64_t hash = Window::hash(key);
    version->growing->rows.prefetch(hash);
    if (version->full) version->full->rows.prefetch(hash);
  }
}

Result<RowCache::Found> FeatureState::row_of(const std::string& key) const {
  const auto version = windows_->current();
  if (version->stored == nullptr) return unavailable("the state is closed");
  std::vector<features::DeltaRow::Flat> pending;
  RowCache::Found found{nullptr, true};
  if (!copy_pending(*version, key, &pending, &found.row)) {
    CAIRN_ASSIGN_OR_RETURN(found, stored_row(key, *version));
  }
  if (pending.empty()) return found;
  auto row = found.row ? std::make_shared<features::Row>(*found.row) : std::make_shared<features::Row>();
  features::merge_row(row.get(), features::to_row(std::move(pending)));
  return RowCache::Found{std::move(row), found.hit};
}

bool FeatureState::copy_pending(const ReadVersion& version, const std::string& key,
                                std::vector<features::DeltaRow::Flat>* pending, RebasedRows::Base* base) {
  const std::uint64_t hash = Window::hash(key);
  const PendingWindow& growing = *version.growing;
  while (true) {
    const std::size_t before = growing.rebased.settled_times();
    const bool rebased = growing.rebased.find(key, base);
    pending->clear();
    if (version.full && !rebased) version.full->rows.copy(key, hash, pending);
    growing.rows.copy(key, hash, pending);
    if (growing.rebased.times() != before) continue;  // what was copied may be of before and of after
    return rebased || (version.full && version.full->rebased.find(key, base));
  }
}

bool FeatureState::make_key(EntityKind kind, std::string_view id, std::string* key) const {
  if (kind == EntityKind::kUser) {
    append_user_key(id, key);
    return true;
  }
  if (kind == EntityKind::kPlace) {
    const auto place = place_ids_.find(id);
    if (place) append_place_key(*place, key);
    return place.has_value();
  }
  const auto cell = features::parse_geohash(id);
  if (cell) append_cell_key(*cell, static_cast<int>(id.size()), key);
  return cell.has_value();
}

Result<RowCache::Found> FeatureState::stored_row(const std::string& key, const ReadVersion& version) const {
  return cache_.get(key, version.epoch, [&](std::string_view) -> Result<RowCache::RowPtr> {
    CAIRN_ASSIGN_OR_RETURN(const auto bytes, store_.get_at(*version.stored, Family::kState, key));
    if (!bytes) return RowCache::RowPtr();
    auto row = std::make_shared<features::Row>();
    if (Status decoded = features::decode_row(*bytes, row.get()); !decoded.ok()) {
      note_invalid_row(key, decoded);
      return std::move(decoded).with_context("a stored row");
    }
    return RowCache::RowPtr(std::move(row));
  });
}

void FeatureState::note_invalid_row(std::string_view key, const Status& why) const {
  if (invalid_rows_.fetch_add(1, std::memory_order_relaxed) > 0) return;
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : key) text.append({kDigits[byte >> 4], kDigits[byte & 15]});
  log_.error("state.invalid_row", "a stored row makes no sense and is answered as INVALID; others are not affected",
             {{"key", text}, {"reason", why.message()}});
}

Freshness FeatureState::freshness() const {
  // In this order, so that nothing is durable that is not reflected.
  std::vector<Watermark> durable = progress_.durable();
  std::vector<Watermark> reflected = progress_.reflected();
  return {std::move(reflected), std::move(durable), event_time_from_ms(counters().newest_event_ms), Tier::kNone};
}

void FeatureState::describe(EngineStatus* status) const {
  const Counters totals = counters();
  status->events_applied = totals.applied;
  status->events_rejected = totals.rejected;
  status->events_repeated = totals.repeated;
  status->events_retracted = totals.corrections.retracted;
  status->events_withheld = totals.corrections.withheld;
  status->retractions_unmatched = totals.corrections.unmatched;
  status->retracted_values_lost = totals.corrections.values_lost;
  status->values_inexact = inexact_values_.load(std::memory_order_relaxed);
  status->events_of_erased = erased_users_.refused();
  status->erased_users = erased_users_.size();
  status->newest_event = event_time_from_ms(totals.newest_event_ms);
  status->durable = progress_.durable();
  status->invalid_rows = invalid_rows_.load(std::memory_order_relaxed);
  status->places = catalog_.size();
  const WaitingPlaces::Stats waiting = waiting_.stats();
  status->unknown_places = waiting.places;
  status->events_waiting = waiting.events;
  status->events_filled = waiting.filled;
  const RowCache::Stats rows = cache_.stats();
  status->row_cache_bytes = rows.bytes;
  status->row_cache_hits = rows.hits;
  status->row_cache_misses = rows.misses;
  const WindowsStats windows = windows_->stats();
  status->windows_written = windows.written;
  status->window_rows_written = windows.rows_written;
  status->pending_rows = windows.pending_rows;
  status->memory.push_back({"pending", windows.pending_bytes, 2 * window_options_.bytes_max});
  status->memory.push_back({"row_cache", rows.bytes, row_cache_bytes_});
  status->memory.push_back({"dictionaries", place_ids_.memory_bytes() + category_ids_.memory_bytes(), 0});
  status->memory.push_back({"catalogue", catalog_.memory_bytes() + waiting_.memory_bytes(), 0});
  status->memory.push_back({"event_ids", event_ids_bytes_.load(std::memory_order_relaxed), 0});
}

}  // namespace cairn::state

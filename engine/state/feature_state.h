#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "cairn/call_context.h"
#include "cairn/clock.h"
#include "cairn/engine_status.h"
#include "cairn/feature_view.h"
#include "cairn/freshness.h"
#include "cairn/interaction.h"
#include "cairn/log.h"
#include "cairn/mutex.h"
#include "cairn/source_position.h"
#include "cairn/status.h"
#include "engine/state/accumulator.h"
#include "engine/state/catalog.h"
#include "engine/state/corrections.h"
#include "engine/state/counters.h"
#include "engine/state/erased_users.h"
#include "engine/state/event_ids.h"
#include "engine/state/fading.h"
#include "engine/state/past_schemas.h"
#include "engine/state/progress.h"
#include "engine/state/recovery.h"
#include "engine/state/row_cache.h"
#include "engine/state/window_writer.h"
#include "engine/state/windows.h"
#include "features/delta_row.h"
#include "features/dictionary.h"
#include "features/event_changes.h"
#include "features/read.h"
#include "features/schema.h"
#include "storage/state_store.h"

namespace cairn::state {

/// What a micro-batch brings: interactions of one source, and where the source stands after them.
struct MicroBatch {
  std::string_view source;
  std::span<const Interaction> interactions;
  std::span<const SourcePosition> positions;
  std::uint64_t rejected = 0;  ///< records among those read that went to the dead letters
  /// Told, before anything is applied, of retractions that are refused because they say something else than the event
  /// of their id. What it returns other than OK is returned by apply(). Empty: nobody wants to know.
  std::function<Status(std::span<const Interaction* const> mismatched)> refuse = nullptr;
};

/// Every feature of every entity, fresh to the last applied micro-batch.
///
/// What was applied is visible at once and stored a little later: the changes of a window lie in memory, added up, and
/// are read together with the stored rows; the window is then written as one batch with its positions. What a crash
/// takes with it is what the sources are asked for again.
///
/// Threads: any; apply() serialises its callers. Readers wait neither for it nor for a write.
class FeatureState {
 public:
  struct Options {
    std::vector<FeatureViewSpec> views;        ///< all of them, those that ranking reads included
    std::uint64_t dedup_ids = 4'000'000;       ///< see DecodeOptions
    bool sync = true;                          ///< see StateOptions
    std::chrono::milliseconds window{1000};    ///< see StateOptions
    std::size_t window_bytes = 64u << 20;      ///< see StateOptions
    std::size_t row_cache_bytes = 256u << 20;  ///< see StateOptions
    features::AttributeRules attributes = features::AttributeRules();  ///< by which places are judged
    Fading* fading = nullptr;  ///< told of the newest event; must outlive the state
    Logger log;
  };

  /// Recovers from what the store holds. `store` must outlive the state.
  /// Returns: INVALID_ARGUMENT for bad views; FAILED_PRECONDITION when the declared types do not continue the stored
  /// ones; DATA_LOSS.
  [[nodiscard]] static Result<std::unique_ptr<FeatureState>> open(storage::StateStore& store, const Options& options,
                                                                  InteractionTypes types);
  /// Calls close().
  ~FeatureState();

  /// Applies a micro-batch: all of it or, with an error, none of it. Readers see it when this returns. Waits while the
  /// window is full and the one before it is still being written.
  /// Requires: no position lies before the one that is reflected. A sink compares them first.
  /// Returns: why the last window could not be written, until it is; UNAVAILABLE after close().
  /// Nothing is thrown: a part of a batch in memory would make counts wrong, so that without memory the process ends
  /// here, and is exact when it starts again.
  Status apply(const MicroBatch& batch) noexcept;

  /// Waits until everything applied before the call is stored.
  /// Returns: why it cannot be at present; UNAVAILABLE after close(); DEADLINE_EXCEEDED, CANCELLED.
  Status flush(const CallContext& context = {}) { return windows_->flush(context); }

  /// Stores what is pending and lets go of the store, which may be closed then. Idempotent.
  /// Returns: why the last window could not be written.
  Status close();

  /// Adds places to the catalogue or replaces them. What events added for them before they were known counts from now
  /// on, by category and by cell. The places are durable on return, and what they have filled is with the next window;
  /// a crash in between fills it at the next start. Returns: see Engine::upsert_places.
  Status upsert_places(std::span<const Place> places);

  /// Deletes places from the catalogue. With PlaceHistory::kErase everything that was counted for them until now is
  /// forgotten first, in the features and in what observers keep. Durable on return.
  /// Returns: see Engine::delete_places.
  Status delete_places(std::span<const PlaceId> ids, PlaceHistory history, EventTime now);

  /// Forgets a user, and marks him in erased_users(), so that nothing of before is taken again: up to `at`, or to the
  /// newest event that is known of him, if that is later. Readers miss him at once. On return the mark and the removal
  /// are stored, by one write, and no file of the store has anything of him. An erasure of the same `at` that was cut
  /// short is finished: what came for the user since then stays.
  /// Returns: up to when his events are refused; what flush() and StateStore::purge return, to be tried again.
  [[nodiscard]] Result<EventTime> erase_user(const UserId& user, EventTime at);
  [[nodiscard]] ErasedUsers& erased_users() noexcept { return erased_users_; }
  [[nodiscard]] const ErasedUsers& erased_users() const noexcept { return erased_users_; }

  /// Whether the event that was applied under the retraction's id says the same, as far as that is remembered.
  [[nodiscard]] bool may_retract(const Interaction& retraction) const;
  /// What is remembered of an event_id, whatever source brought it.
  struct RememberedEvent {
    std::optional<features::EventNote> came;  ///< nullopt: no event
    bool retracted = false;                   ///< a retraction of it came; where no event came, one of any
  };
  [[nodiscard]] RememberedEvent remembered(std::string_view event_id) const;
  /// Whether a retraction of what says `contents` is remembered under an id of which no event is.
  [[nodiscard]] bool retracted(std::string_view event_id, std::uint32_t contents) const;
  /// Whether ids have been forgotten, so that an event whose id is not remembered may have come.
  [[nodiscard]] bool forgot_event_ids() const;

  /// Rows with values that may still say what a retracted event said. They are told by their keys.
  [[nodiscard]] InexactRows inexact_rows() const;
  /// The rows of some entities, made of events that are known of them, whatever the state says of them.
  class History;
  /// Makes inexact values of the rows of `history` exact, where it knows of all the events that are behind them: it has
  /// as many as the state (see features::mend). Returns: see apply().
  Status mend(const History& history);

  [[nodiscard]] RowCache::Stats row_cache_stats() const { return cache_.stats(); }

  /// The row of an entity: what is stored and what is pending.
  [[nodiscard]] Result<RowCache::Found> row(EntityKind kind, std::string_view id) const;

  struct ReadRow {
    RowCache::RowPtr row;  ///< null: nothing is known of the entity
    bool hit = true;       ///< it came from memory
    bool damaged = false;  ///< which is no reason to refuse the others
  };
  /// row() of many, in less time each: what they wait for in memory is asked for ahead.
  /// Returns: as many; DEADLINE_EXCEEDED, CANCELLED; else as row().
  [[nodiscard]] Result<std::vector<ReadRow>> rows(const CallContext& context, EntityKind kind,
                                                  std::span<const std::string> ids) const;

  /// Tells `observer` of everything that is known of places, and from now on of every change of them as it is applied,
  /// by the threads that apply it. For what ranking keeps in dense arrays.
  /// `forget` is told of a place (its dictionary id) of which all that was known is erased.
  /// `replace` is told of a place out of which an event was taken.
  Status observe_places(PlaceObserver observer, PlaceForgetter forget = nullptr, PlaceReplacer replace = nullptr);
  /// The same of cells, of which nothing is ever erased.
  Status observe_cells(CellObserver observer, CellReplacer replace = nullptr);

  /// Tells `observer` of interactions, by the threads that apply them, before the first of what they change can be seen
  /// and again when all of it can, before positions say so: what was read before then may lack some of it. Call before
  /// anything is applied.
  void observe_interactions(std::function<void(std::span<const Interaction>)> observer) {
    interactions_seen_ = std::move(observer);
  }

  [[nodiscard]] std::vector<SourcePosition> positions(std::string_view source) const {
    return progress_.reflected(source);
  }
  [[nodiscard]] std::vector<Watermark> watermarks() const { return progress_.reflected(); }
  [[nodiscard]] std::vector<Watermark> durable_watermarks() const { return progress_.durable(); }
  /// Before this position of the source's partition everything is in table files, which the loss of the store's log
  /// does not touch. Returns: the beginning, when nothing is.
  [[nodiscard]] Offset in_files(std::string_view source, Partition partition) {
    return windows_->in_files(source, partition);
  }
  /// The watermarks and the newest event; the tier is left to whoever reads rows.
  [[nodiscard]] Freshness freshness() const;
  /// Waits until everything before `watermark` is reflected. Returns: DEADLINE_EXCEEDED, CANCELLED; UNAVAILABLE after
  /// stop_waiting().
  Status wait_for(const Watermark& watermark, const CallContext& context) const {
    return progress_.wait_for(watermark, context);
  }
  [[nodiscard]] bool reached(const Watermark& watermark) const { return progress_.reached(watermark); }
  /// Wakes those who wait: nothing will be applied any more. Idempotent.
  void stop_waiting() { progress_.stop_waiting(); }

  [[nodiscard]] Counters counters() const { return progress_.counters(); }
  [[nodiscard]] RowCache::Stats cache_stats() const { return cache_.stats(); }

  /// What tells this state directory from any other: 16 hexadecimal digits, drawn when it was made.
  [[nodiscard]] const std::string& id() const noexcept { return stored_.id; }
  [[nodiscard]] const features::Schema& schema() const noexcept { return stored_.schema; }
  [[nodiscard]] const InteractionTypes& types() const noexcept { return types_; }
  [[nodiscard]] Catalog& catalog() noexcept { return catalog_; }
  [[nodiscard]] const Catalog& catalog() const noexcept { return catalog_; }
  [[nodiscard]] const features::Dictionary& place_ids() const noexcept { return place_ids_; }
  [[nodiscard]] const features::Dictionary& category_ids() const noexcept { return category_ids_; }
  [[nodiscard]] features::DimensionNames dimension_names() const noexcept {
    return {place_ids_, category_ids_, types_};
  }

  /// Fills in what the state knows of an engine's status: counters, places, memory.
  void describe(EngineStatus* status) const;

 private:
  FeatureState(storage::StateStore& store, const Options& options, InteractionTypes types, StoredIdentity stored);

  Status recover();
  void tell_of(std::span<const Interaction> interactions) const;
  /// Moves what waited for these places (dictionary ids) to the cells, if they are known now.
  void settle(std::span<const std::uint64_t> places) CAIRN_REQUIRES(windows_->growing_mutex());
  [[nodiscard]] Status settle_cells(std::uint64_t place) CAIRN_REQUIRES(windows_->growing_mutex());
  /// What the notes of a row of what waits say where that goes to cells.
  [[nodiscard]] std::vector<features::InexactEntry> settled_notes(std::vector<features::InexactEntry> notes,
                                                                  const features::PlaceFacts& facts) const;
  /// What is stored of `key` and what is pending.
  [[nodiscard]] Result<RowCache::Found> row_of(const std::string& key) const;
  /// Asks for the memory where changes of these rows that are not stored yet would be.
  void prefetch_pending(std::span<const std::string> keys) const;
  /// The row with all that waited in it for places that are known by now, and categories as they are called by now.
  [[nodiscard]] RowCache::RowPtr settled(RowCache::RowPtr row) const;
  Status forget_places(std::span<const PlaceId> ids);
  Status forget_user(const UserId& user, EventTime at, const std::string& key);
  /// Takes what is left of a row out of the store's files, and its parts that made no sense.
  Status purge_row(const std::string& key);
  /// Everything that the row of `key` holds is gone from here on, for readers at once.
  void erase_row(const std::string& key) CAIRN_REQUIRES(windows_->growing_mutex());
  [[nodiscard]] bool make_key(EntityKind kind, std::string_view id, std::string* key) const;
  /// What the windows add to a row. Returns: whether they say too that what is stored of it does not count, and that
  /// `*base` stands in its place.
  static bool copy_pending(const ReadVersion& version, const std::string& key,
                           std::vector<features::DeltaRow::Flat>* pending, RebasedRows::Base* base);

  /// What a batch's retractions need of before it.
  /// An event as it was counted.
  struct Counted {
    features::ResolvedEvent event;
    std::optional<features::ResolvedEvent> in_cells;  ///< the same in rows of cells, where that is another one
    const PastSchemas::Then* then = nullptr;          ///< how events counted; null: as they do now
    const features::Schema* came_by = nullptr;        ///< the views that were given what waited for the place
    bool noted = false;                               ///< it is known when it was applied
    bool perhaps_erased = false;                      ///< it is not, and its place's history was erased once
    bool came = false;                                ///< it waited for its place, which has come
    bool erased = false;                              ///< its place's history was erased since
    bool dropped = false;                             ///< and so what waited for the place
    bool unsure = false;  ///< what it changed by category, and by cell where it has no position, is not known
  };
  struct RetractedRows {
    std::unordered_map<std::uint32_t, Counted> events;  ///< by index in the batch
    /// By key; null: the store has none, nullopt: it cannot be read.
    std::unordered_map<std::string, std::optional<RowCache::RowPtr>> stored;
  };
  static constexpr std::uint64_t kNoPlace = UINT64_MAX;  ///< for a place without a number
  [[nodiscard]] features::ResolvedEvent resolve(const Interaction& event) const;
  /// `moment`: when the event was applied.
  [[nodiscard]] Counted as_counted(const Interaction& event, std::uint32_t moment) const;
  /// An event that something else keeps, as it was counted here.
  [[nodiscard]] std::optional<Counted> counted_of_history(const Interaction& event) const
      CAIRN_EXCLUDES(windows_->growing_mutex());
  /// Accumulator::for_each_row of an event as it was counted.
  void for_each_counted(const Counted& counted, const Accumulator::VisitRow& visit) const;
  /// Takes out of `*changes` what may have been counted elsewhere. Returns: how many.
  static std::size_t drop_unsure(const std::string& key, std::vector<features::Change>* changes);
  Status read_retracted(std::span<const Interaction> interactions, const ReadVersion& version, RetractedRows* rows)
      CAIRN_REQUIRES(windows_->growing_mutex());
  /// Takes the event of the batch's retraction `index` out of every row.
  void undo(std::uint32_t index, const ReadVersion& version, RetractedRows& rows, Corrections* totals)
      CAIRN_REQUIRES(windows_->growing_mutex());
  [[nodiscard]] std::shared_ptr<features::Row> row_now(const std::string& key, const ReadVersion& version,
                                                       const RowCache::RowPtr& stored) const;
  [[nodiscard]] std::shared_ptr<features::Row> renamed_row_now(const std::string& key, const ReadVersion& version,
                                                               const RowCache::RowPtr& stored) const;
  [[nodiscard]] std::shared_ptr<features::Row> unsettled_row_now(const std::string& key, const ReadVersion& version,
                                                                 const RowCache::RowPtr& stored) const;
  /// Brings a row's entries of views of `schema` under the categories of today.
  void rename_categories(const features::Schema& schema, features::Row* row) const;
  /// From here on the row is `row` and what comes.
  void rebase_row(const std::string& key, std::shared_ptr<features::Row> row) CAIRN_REQUIRES(windows_->growing_mutex());
  void tell_of_place(std::uint64_t place, const features::Row* row) const;
  void tell_of_cell(std::uint64_t cell, int letters, const features::Row* row) const;
  void note_inexact(const std::string& key, std::vector<features::InexactEntry> entries)
      CAIRN_REQUIRES(windows_->growing_mutex());
  void set_inexact(const std::string& key, std::vector<features::InexactEntry> left)
      CAIRN_REQUIRES(windows_->growing_mutex());
  [[nodiscard]] std::vector<features::InexactEntry> renamed_notes(std::vector<features::InexactEntry> notes) const;
  [[nodiscard]] Result<RowCache::Found> stored_row(const std::string& key, const ReadVersion& version) const;
  /// Shows `see` every stored row of a kind. Returns: what the first `see` that fails returns.
  Status for_each_stored(EntityKind kind,
                         const std::function<Status(std::string_view key, const features::Row& row)>& see) const;
  /// Tells `observer` of everything that the rows of a kind hold, and calls `keep` before more is applied. `number_of`
  /// reads a row's key.
  template <class Change>
  Status tell_of_rows(EntityKind kind, std::optional<std::uint64_t> (*number_of)(std::string_view),
                      const std::function<void(std::span<const Change>)>& observer, const std::function<void()>& keep);
  /// A stored row that was read whole and makes no sense: counted, and said once.
  void note_invalid_row(std::string_view key, const Status& why) const;

  // Fixed after construction.
  storage::StateStore& store_;
  const InteractionTypes types_;
  const StoredIdentity stored_;
  const Windows::Options window_options_;
  const std::size_t row_cache_bytes_;
  const std::vector<FeatureViewSpec> views_;
  PastSchemas past_schemas_;
  Fading* const fading_;
  const Logger log_;

  // Synchronise themselves.
  features::Dictionary place_ids_;
  features::Dictionary category_ids_;
  Catalog catalog_;
  ErasedUsers erased_users_;
  mutable RowCache cache_;
  Progress progress_;
  WindowWriter writer_;
  std::unique_ptr<Windows> windows_;  ///< set when everything else was recovered

  // Guarded by windows_->growing_mutex().
  Accumulator accumulator_;
  EventIds event_ids_;
  WaitingPlaces waiting_;
  Observers observers_;
  std::vector<PlaceForgetter> forgetters_;
  std::vector<PlaceReplacer> replacers_;
  std::vector<CellReplacer> cell_replacers_;
  InexactRows inexact_;
  std::function<void(std::span<const Interaction>)> interactions_seen_;  ///< empty: nobody wants to know
  EventIds::Judged judged_;                                              ///< kept for its memory
  std::vector<Interaction> remaining_;                                   ///< of a batch with events of erased users

  std::atomic<std::size_t> event_ids_bytes_{0};
  std::atomic<std::uint64_t> inexact_values_{0};
  mutable std::atomic<std::uint64_t> invalid_rows_{0};  ///< reads that met one
};

class FeatureState::History {
 public:
  /// Of the rows of these keys. `state` must outlive it.
  template <class Keys>
  History(const FeatureState& state, const Keys& keys) : state_(state) {
    for (const auto& [key, ignored] : keys) rows_.try_emplace(key);
    for (const features::View& view : state.schema().views()) views_.emplace(view.id, &view);
  }

  /// Adds what the events change in those rows, where and as they were counted, as far as that is remembered; what is
  /// remembered as retracted is left out. None may come twice, and no retraction.
  void add(std::span<const Interaction> events);

 private:
  friend class FeatureState;
  const FeatureState& state_;
  std::map<std::string, features::DeltaRow, std::less<>> rows_;
  std::set<std::string, std::less<>> doubtful_;  ///< rows that may not have all that is added to them here
  std::unordered_map<std::uint32_t, const features::View*> views_;  ///< of several moments, one of each id
};

}  // namespace cairn::state

#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
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
#include "engine/state/catalog.h"
#include "engine/state/counters.h"
#include "engine/state/row_cache.h"
#include "features/dedup.h"
#include "features/delta.h"
#include "features/dictionary.h"
#include "features/schema.h"
#include "storage/state_store.h"

namespace cairn::state {

/// What a micro-batch brings: interactions of one source, and where the source stands after them.
struct MicroBatch {
  std::string_view source;
  std::span<const Interaction> interactions;
  std::span<const SourcePosition> positions;
  std::uint64_t rejected = 0;  ///< records among those read that went to the dead letters
};

/// Every feature of every entity, fresh to the last applied micro-batch: the state store, the decoded rows in memory,
/// the dictionaries, the catalogue, and how far each source has been read. Deltas and positions are one write batch.
///
/// Threads: any; apply() serialises its callers.
class FeatureState {
 public:
  struct Options {
    std::vector<FeatureViewSpec> views;            ///< all of them, those that ranking reads included
    std::chrono::seconds dedup_window{24 * 3600};  ///< see DecodeOptions
    bool sync = true;                              ///< see StateOptions
    std::size_t row_cache_bytes = 256u << 20;      ///< see StateOptions
    Logger log;
  };

  /// Recovers from what the store holds. `store` must outlive the state.
  /// Returns: INVALID_ARGUMENT for bad views; FAILED_PRECONDITION when the declared types do not continue the stored
  /// ones; DATA_LOSS.
  [[nodiscard]] static Result<std::unique_ptr<FeatureState>> open(storage::StateStore& store, const Options& options,
                                                                  InteractionTypes types);

  /// Applies a micro-batch: all of it or, with an error, none of it.
  /// Requires: no position lies before the stored one. A sink compares them first; here they are stored as they come.
  /// Returns: what the store returned.
  Status apply(const MicroBatch& batch);

  /// The row of an entity, from memory or the store.
  [[nodiscard]] Result<RowCache::Found> row(EntityKind kind, std::string_view id) const;

  /// Told of every delta after its batch committed, in commit order, by the applying thread; and once, at
  /// registration, of every stored row of `kind`. For what ranking keeps in dense arrays.
  using Observer = std::function<void(std::span<const features::EntityDelta>)>;
  Status observe(EntityKind kind, Observer observer);

  [[nodiscard]] std::vector<SourcePosition> positions(std::string_view source) const;
  [[nodiscard]] std::vector<Watermark> watermarks() const;
  /// The watermarks and the newest event; the tier is left to whoever reads rows.
  [[nodiscard]] Freshness freshness() const;
  /// Waits until everything before `watermark` is reflected. Returns: DEADLINE_EXCEEDED, CANCELLED; UNAVAILABLE after
  /// stop_waiting().
  Status wait_for(const Watermark& watermark, const CallContext& context) const;
  [[nodiscard]] bool reached(const Watermark& watermark) const;
  /// Wakes those who wait: nothing will be applied any more. Idempotent.
  void stop_waiting();

  [[nodiscard]] Counters counters() const;
  [[nodiscard]] RowCache::Stats cache_stats() const { return cache_.stats(); }

  /// What tells this state directory from any other: 16 hexadecimal digits, drawn when it was made.
  [[nodiscard]] const std::string& id() const noexcept { return id_; }
  [[nodiscard]] const features::Schema& schema() const noexcept { return schema_; }
  [[nodiscard]] const InteractionTypes& types() const noexcept { return types_; }
  [[nodiscard]] Catalog& catalog() noexcept { return catalog_; }
  [[nodiscard]] const Catalog& catalog() const noexcept { return catalog_; }
  [[nodiscard]] const features::Dictionary& place_ids() const noexcept { return place_ids_; }
  [[nodiscard]] const features::Dictionary& category_ids() const noexcept { return category_ids_; }
  /// What a dimension value is called, for people.
  [[nodiscard]] std::string dimension_name(const features::View& view, std::uint64_t dimension) const;

  /// Forgets event ids that no repeat inside the dedup window can match any more. Call now and then; what fails is
  /// logged and done by the next call.
  void forget_old_event_ids();

  /// Fills in what the state knows of an engine's status: counters, places, row cache.
  void describe(EngineStatus* status) const;

 private:
  FeatureState(storage::StateStore& store, const Options& options, InteractionTypes types);

  Status recover(const std::vector<FeatureViewSpec>& views);
  Status recover_id();
  Status recover_types();
  Status recover_ids();
  Status recover_positions();

  Status forget_event_ids_before(std::int64_t bucket) CAIRN_REQUIRES(apply_mutex_);

  /// The indexes of interactions that are no repeats; remembers their event ids in `batch`.
  Result<std::vector<std::size_t>> drop_repeats(std::span<const Interaction> interactions, storage::WriteBatch* batch);
  [[nodiscard]] bool has_reached(const Watermark& watermark) const CAIRN_REQUIRES(mutex_);
  /// What the store remembers of the interactions' event ids, near their times.
  [[nodiscard]] Result<features::SeenEventIds> stored_event_ids(std::span<const Interaction> interactions) const;
  Counters accumulate(const MicroBatch& batch, std::span<const std::size_t> fresh, features::DeltaAccumulator* deltas);
  void publish(const MicroBatch& batch, std::span<const features::EntityDelta> deltas, const Counters& counters)
      CAIRN_REQUIRES(apply_mutex_);

  // Fixed after construction.
  storage::StateStore& store_;
  const InteractionTypes types_;
  const features::DedupRule dedup_;
  const storage::Durability durability_;
  const Logger log_;
  features::Schema schema_;
  std::string id_;

  // Synchronise themselves.
  features::Dictionary place_ids_;
  features::Dictionary category_ids_;
  Catalog catalog_;
  mutable RowCache cache_;

  Mutex apply_mutex_;  ///< one batch at a time, from the choice of what is new to what others see
  std::vector<std::pair<EntityKind, Observer>> observers_ CAIRN_GUARDED_BY(apply_mutex_);
  std::int64_t oldest_dedup_bucket_ CAIRN_GUARDED_BY(apply_mutex_) = INT64_MIN;

  mutable Mutex mutex_;
  mutable std::condition_variable_any advanced_;
  std::map<std::pair<std::string, Partition>, SourcePosition, std::less<>> positions_ CAIRN_GUARDED_BY(mutex_);
  Counters counters_ CAIRN_GUARDED_BY(mutex_);
  bool stopped_waiting_ CAIRN_GUARDED_BY(mutex_) = false;
};

}  // namespace cairn::state

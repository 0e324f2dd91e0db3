#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "cairn/category.h"
#include "cairn/clock.h"
#include "cairn/mutex.h"
#include "cairn/place.h"
#include "cairn/status.h"
#include "engine/state/category_names.h"
#include "engine/state/past_facts.h"
#include "features/attribute_rules.h"
#include "features/dictionary.h"
#include "features/event_changes.h"
#include "features/waiting.h"
#include "storage/state_store.h"

namespace cairn::state {

/// The place catalogue: durable in the state store, whole in memory. Every change raises the version by one and stamps
/// its places with it, so that PostgreSQL can be brought up to date by asking for what is newer. A place that is
/// deleted stays as a mark of that, until an upsert brings it back.
///
/// Places are named by their dictionary id here, as in rows. Threads: any.
class Catalog {
 public:
  /// All but `attributes`, by which places' attributes are judged, must outlive the catalogue.
  Catalog(storage::StateStore& store, features::Dictionary& places, features::Dictionary& categories,
          features::AttributeRules attributes = features::AttributeRules())
      : store_(store),
        place_ids_(places),
        category_ids_(categories),
        attributes_(std::move(attributes)),
        names_(categories) {}

  /// Reads the stored catalogue. Call once, before anything else, after the dictionaries were restored.
  Status load();

  /// Moments are counted so that a retraction knows what held when its event was applied. A moment ends when the facts
  /// of a place change that events may have named, or when the owner says so. From 1 on.
  [[nodiscard]] std::uint32_t moment() const;
  /// While it is held no moment ends by itself: what resolve() says is of moment().
  [[nodiscard]] SharedMutex& steady() const CAIRN_RETURN_CAPABILITY(steady_) { return steady_; }
  /// Ends the moment, in one write with `batch`.
  Status end_moment(storage::WriteBatch batch = {});
  /// What was counted for a place until the end of a moment is erased. Returns: key and value of the note of that, to
  /// be stored in one write with the erasure.
  std::pair<std::string, std::string> note_erased(std::uint64_t place, std::uint32_t moment) CAIRN_EXCLUDES(mutex_);
  /// What the place's facts were at a moment, and what has become of them. Categories are those of by now.
  [[nodiscard]] PastFacts::Then facts_at(std::uint64_t place, std::uint32_t moment) const;
  /// Nobody will ask for moments before this one any more. Of what is stored nothing else may change meanwhile.
  Status forget_moments_before(std::uint32_t moment);

  /// Adds or replaces; see Engine::upsert_places.
  Status upsert(std::span<const Place> places);

  /// Deletes places; all or none. `history`: whether what was counted for them goes as well, which is only noted here.
  /// Returns: INVALID_ARGUMENT for an id that is none; NOT_FOUND naming the first id that no place has. A deleted place
  /// may be deleted again in order to erase its history.
  Status remove(std::span<const PlaceId> ids, PlaceHistory history, EventTime now);
  /// Whether remove() would find these places.
  [[nodiscard]] Status check_removal(std::span<const PlaceId> ids, PlaceHistory history) const {
    return find_to_remove(ids, history).status();
  }

  /// Gives a category another name, or makes one of two; see Engine::rename_category. What rows have under the old one
  /// is read under the new one from then on. One write. Returns: how many places have the new name now that had not.
  [[nodiscard]] Result<std::uint64_t> rename_category(const std::string& from, const std::string& to,
                                                      CategoryTarget target);
  /// By name.
  [[nodiscard]] std::vector<Category> categories() const;
  /// The dictionary id of the category that `name` means by now. Returns: nullopt when there is none.
  [[nodiscard]] std::optional<std::uint64_t> category_named(const std::string& name) const;
  /// Whether some category was ever renamed, and into what. The former costs one load.
  [[nodiscard]] bool any_renamed() const noexcept { return any_renamed_.load(std::memory_order_acquire); }
  [[nodiscard]] std::uint64_t category_now(std::uint64_t category) const;

  /// Stamps every place anew with a version above `version`, so that all of them are newer than it.
  Status rise_above(std::uint64_t version);

  /// The largest version that this state directory knows to have written to PostgreSQL. When PostgreSQL holds another
  /// one, another directory has written it, or this one did just before a crash. All places are then written anew.
  [[nodiscard]] Result<std::uint64_t> pushed_version() const;
  Status set_pushed_version(std::uint64_t version);

  [[nodiscard]] Result<Place> get(const PlaceId& id) const;
  /// Fills in what the catalogue knows of the events' places: the category, and the cell of the place's position, which
  /// otherwise is that of the event's own; and whether the events wait for their places. Requires: `interaction` and
  /// `place` are set.
  void resolve(std::span<features::ResolvedEvent> events) const;
  /// Of a place by its dictionary id. Returns: nullopt for one that is not in the catalogue, or deleted.
  [[nodiscard]] std::optional<features::PlaceFacts> facts(std::uint64_t place) const;
  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] std::size_t memory_bytes() const;
  [[nodiscard]] std::uint64_t version() const;

  /// That a place was deleted.
  struct Deletion {
    EventTime at;
    bool history_erased = false;
  };
  /// A place with its dictionary id and the version that wrote it.
  struct Stored {
    std::uint64_t id = 0;
    std::uint64_t version = 0;
    Place place;
    std::optional<Deletion> deleted = std::nullopt;  ///< the place is as it was before
  };
  /// Copies of all places newer than `version`, ascending by version, those that are deleted included.
  [[nodiscard]] std::vector<Stored> newer_than(std::uint64_t version) const;

 private:
  /// Stamps the places with `version`, and writes them.
  Status write(std::vector<Stored> places, std::uint64_t version, storage::WriteBatch batch = {},
               const CategoryNames::Changes& changes = {}) CAIRN_REQUIRES(upsert_mutex_) CAIRN_EXCLUDES(mutex_);
  [[nodiscard]] Result<Stored> find(const PlaceId& id) const CAIRN_EXCLUDES(mutex_);
  [[nodiscard]] Result<std::vector<Stored>> find_to_remove(std::span<const PlaceId> ids, PlaceHistory history) const;
  void keep(Stored stored) CAIRN_REQUIRES(mutex_);
  void count_category(const Stored& stored, int by) CAIRN_REQUIRES(mutex_);

  /// What the facts of `places` were, where they are about to change, and events may have named them.
  [[nodiscard]] std::vector<std::pair<std::uint64_t, Facts>> about_to_change(
      std::span<const Stored> places, const CategoryNames::Changes& changes) const CAIRN_EXCLUDES(mutex_);
  [[nodiscard]] Facts facts_of(const Stored& stored) const;

  storage::StateStore& store_;
  features::Dictionary& place_ids_;
  features::Dictionary& category_ids_;
  const features::AttributeRules attributes_;

  Mutex upsert_mutex_;  ///< one upsert at a time, from the choice of a version to its end

  mutable SharedMutex steady_;  ///< before mutex_

  mutable SharedMutex mutex_;
  /// Dictionary id to index in stored_.
  std::unordered_map<std::uint64_t, std::size_t> by_id_ CAIRN_GUARDED_BY(mutex_);
  std::vector<Stored> stored_ CAIRN_GUARDED_BY(mutex_);
  std::vector<Facts> facts_ CAIRN_GUARDED_BY(mutex_);    ///< by dictionary id
  std::size_t text_bytes_ CAIRN_GUARDED_BY(mutex_) = 0;  ///< of what lies outside of the objects in stored_
  std::size_t deleted_ CAIRN_GUARDED_BY(mutex_) = 0;     ///< of those in stored_
  CategoryNames names_ CAIRN_GUARDED_BY(mutex_);
  std::vector<std::uint64_t> places_of_ CAIRN_GUARDED_BY(mutex_);  ///< by dictionary id of a category; not the deleted
  std::atomic<bool> any_renamed_{false};
  std::uint64_t version_ CAIRN_GUARDED_BY(mutex_) = 0;
  PastFacts past_ CAIRN_GUARDED_BY(mutex_);
};

}  // namespace cairn::state

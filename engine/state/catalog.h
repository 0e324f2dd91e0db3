#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "cairn/place.h"
#include "cairn/status.h"
#include "features/dictionary.h"
#include "storage/state_store.h"

namespace cairn::state {

/// What applying an event needs to know of its place.
struct PlaceFacts {
  GeoPoint position;
  std::optional<std::uint64_t> category;  ///< dictionary id; nullopt: no category
};

/// The place catalogue: durable in the state store, whole in memory. Every upsert raises the version by one and stamps
/// its places with it, so that PostgreSQL can be brought up to date by asking for what is newer.
///
/// Places are named by their dictionary id here, as in rows. Threads: any.
class Catalog {
 public:
  /// All must outlive the catalogue.
  Catalog(storage::StateStore& store, features::Dictionary& places, features::Dictionary& categories)
      : store_(store), place_ids_(places), category_ids_(categories) {}

  /// Reads the stored catalogue. Call once, before anything else, after the dictionaries were restored.
  Status load();

  /// Adds or replaces; see Engine::upsert_places.
  Status upsert(std::span<const Place> places);

  /// Stamps every place anew with a version above `version`, so that all of them are newer than it.
  Status rise_above(std::uint64_t version);

  /// The largest version that this state directory is known to have written to PostgreSQL. Another one found there was
  /// written by another directory (or by this one just before a crash): all places are then to be written anew.
  [[nodiscard]] Result<std::uint64_t> pushed_version() const;
  Status set_pushed_version(std::uint64_t version);

  [[nodiscard]] Result<Place> get(const PlaceId& id) const;
  [[nodiscard]] std::optional<PlaceFacts> facts(std::uint64_t place) const;
  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] std::uint64_t version() const;

  /// A place with its dictionary id and the version that wrote it.
  struct Stored {
    std::uint64_t id = 0;
    std::uint64_t version = 0;
    Place place;
  };
  /// Copies of all places newer than `version`, ascending by version.
  [[nodiscard]] std::vector<Stored> newer_than(std::uint64_t version) const;

 private:
  Status write(std::span<const Place> places, std::uint64_t version);
  void keep(Stored stored);

  storage::StateStore& store_;
  features::Dictionary& place_ids_;
  features::Dictionary& category_ids_;

  std::mutex upsert_mutex_;  ///< one upsert at a time

  mutable std::shared_mutex mutex_;
  // Guarded by mutex_.
  std::unordered_map<std::uint64_t, std::size_t> by_id_;  ///< dictionary id to index in stored_
  std::vector<Stored> stored_;
  std::vector<std::optional<PlaceFacts>> facts_;  ///< by dictionary id
  std::uint64_t version_ = 0;
};

}  // namespace cairn::state

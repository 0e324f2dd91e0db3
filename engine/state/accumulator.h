#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "cairn/interaction.h"
#include "engine/state/catalog.h"
#include "engine/state/waiting_places.h"
#include "engine/state/window.h"
#include "features/dictionary.h"
#include "features/event_changes.h"

namespace cairn::state {

/// What is added to one entry of one view of a place.
struct PlaceChange {
  std::uint64_t place;  ///< dictionary id
  std::uint32_t view;   ///< features::View::id
  features::Entry entry;
};
/// What is added to one entry of one view of a cell.
struct CellChange {
  std::uint64_t cell;  ///< geohash bits, of as many letters as the view has
  std::uint32_t view;  ///< features::View::id
  features::Entry entry;
};
/// As PlaceObserver, of cells.
using CellObserver = std::function<void(std::span<const CellChange>)>;
/// Told of changes of places as they are added to a window. May be called by several threads at once.
using PlaceObserver = std::function<void(std::span<const PlaceChange>)>;
/// Told of a place (dictionary id) of which nothing is known any more. Never while changes are told.
using PlaceForgetter = std::function<void(std::uint64_t place)>;
/// Told of a place of which from now on is known what `changes` add up to, and nothing else. Never while changes are
/// told.
using PlaceReplacer = std::function<void(std::uint64_t place, std::span<const PlaceChange> changes)>;

/// The same of a cell (geohash bits, of so many letters).
using CellReplacer = std::function<void(std::uint64_t cell, int letters, std::span<const CellChange> changes)>;

/// Whom an accumulator tells.
struct Observers {
  std::vector<PlaceObserver> places;
  std::vector<CellObserver> cells;
};

/// Adds batches of events to a window, with all cores: first every event is looked up and its rows are named, then the
/// rows' changes are added, each shard of the window by one thread. The events of a row are added in the order of the
/// batch.
///
/// One thread at a time. Keeps its memory from batch to batch.
class Accumulator {
 public:
  /// All must outlive this.
  Accumulator(const features::Schema& schema, features::Dictionary& places, const Catalog& catalog)
      : changes_(schema), places_(places), catalog_(catalog) {}

  /// `included`: indexes of the interactions that count, ascending. `waiting` is told of the events whose places are
  /// not in the catalogue, one by one.
  void add(std::span<const Interaction> interactions, std::span<const std::uint32_t> included,
           const Observers& observers, WaitingPlaces* waiting, Window* window);

  /// Calls `visit` for every row that the event changes, with what it adds there. `weighed`: by which weights, of the
  /// same views; null: by those in force. Any thread.
  using VisitRow = std::function<void(const std::string& key, const std::vector<features::Change>& changes)>;
  void for_each_row(const features::ResolvedEvent& event, const VisitRow& visit,
                    const features::EventChanges* weighed = nullptr) const;

 private:
  /// One row that an event changes.
  struct Touch {
    std::uint64_t hash;   ///< of the row's key
    std::uint32_t event;  ///< within the chunk
    std::uint32_t group;  ///< of EventChanges; one more: the row of what waits for the event's place
  };
  /// Events that one thread looks up in one go.
  struct Chunk {
    std::vector<features::ResolvedEvent> events;
    std::vector<std::uint64_t> hashes;   ///< of the places' ids
    std::vector<std::uint64_t> waiting;  ///< for each event that waits, its place
    std::vector<Touch> found;
    std::vector<Touch> touches;                             ///< by shard
    std::array<std::uint32_t, Window::kShards + 1> begins;  ///< where in `touches` each shard's begin
  };

  void resolve(std::span<const Interaction> interactions, std::span<const std::uint32_t> included, Chunk* chunk);
  void find_touches(Chunk* chunk) const;
  /// What observers are to be told, gathered by one thread.
  struct Told {
    std::vector<PlaceChange> places;
    std::vector<CellChange> cells;
  };
  static void tell(const Observers& observers, Told* told);
  void add_touches(const Chunk& chunk, std::span<const Touch> touches, const Observers& observers, Told* told,
                   Window* window) const;
  void touch(const std::string& key, std::uint32_t event, std::size_t group, Chunk* chunk) const;
  bool make_key(std::size_t group, const features::ResolvedEvent& event, std::string* key) const {
    return make_key(changes_, group, event, key);
  }
  static bool make_key(const features::EventChanges& of, std::size_t group, const features::ResolvedEvent& event,
                       std::string* key);

  const features::EventChanges changes_;
  features::Dictionary& places_;
  const Catalog& catalog_;
  std::vector<Chunk> chunks_;
};

}  // namespace cairn::state

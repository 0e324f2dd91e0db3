#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "cairn/geo.h"
#include "cairn/interaction.h"
#include "features/row.h"
#include "features/schema.h"

namespace cairn::features {

/// The key of an entity's row: one byte of EntityKind, then the id's bytes.
[[nodiscard]] std::string entity_key(EntityKind kind, std::string_view id);

/// An interaction with what the catalogue and the dictionaries know about it.
struct ResolvedEvent {
  const Interaction* interaction;
  std::uint64_t place;                     ///< dictionary id
  std::optional<std::uint64_t> category;   ///< dictionary id; nullopt: place unknown or without category
  std::optional<GeoPoint> place_position;  ///< by the catalogue; nullopt: unknown, the event's own position serves
};

/// One entity's change.
struct EntityDelta {
  std::string key;
  Row row;
  std::optional<std::uint64_t> place;  ///< dictionary id where the entity is a place, as the events had it resolved
};

/// Turns a micro-batch of events into one delta row per entity. An event counts in a view when the view weighs its
/// type, the weight can be computed, and the view's entity and dimension are known for it; an entity that no event
/// counts for gets no row. Not thread-safe; reusable after take(). Its memory grows with the distinct entries since the
/// last one.
class DeltaAccumulator {
 public:
  /// `schema` must outlive the accumulator.
  explicit DeltaAccumulator(const Schema& schema);

  void add(const ResolvedEvent& event);

  /// The deltas so far, ascending by key, and empties the accumulator.
  [[nodiscard]] std::vector<EntityDelta> take();

  [[nodiscard]] std::size_t entities() const noexcept { return rows_.size(); }

 private:
  /// The views of one kind of entity (of one precision, for cells): an event finds their row once.
  struct Group {
    EntityKind kind;
    int letters;  ///< of the cell that is the entity; 0 for other kinds
    std::vector<const View*> views;
  };

  /// A delta that is still growing.
  struct Growing {
    Row row;  ///< entries in the order they came; take() brings them into a row's
    std::optional<std::uint64_t> place;
  };

  bool make_key(const Group& group, const ResolvedEvent& event);
  void add_to_group(const Group& group, const ResolvedEvent& event);

  std::vector<Group> groups_;
  std::unordered_map<std::string, Growing> rows_;  ///< by key
  std::string key_;                                ///< of the row looked up last; kept for its memory
};

}  // namespace cairn::features

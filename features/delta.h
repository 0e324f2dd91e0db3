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
};

/// Turns a micro-batch of events into one delta row per entity. Not thread-safe; reusable after take().
class DeltaAccumulator {
 public:
  /// `schema` must outlive the accumulator.
  explicit DeltaAccumulator(const Schema& schema);

  void add(const ResolvedEvent& event);

  /// The deltas so far, ascending by key, and empties the accumulator.
  [[nodiscard]] std::vector<EntityDelta> take();

  [[nodiscard]] std::size_t entities() const noexcept { return rows_.size(); }

 private:
  const Schema& schema_;
  std::unordered_map<std::string, Row> rows_;
};

}  // namespace cairn::features

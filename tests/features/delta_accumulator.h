#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "features/delta_row.h"
#include "features/event_changes.h"
#include "features/geohash.h"
#include "features/row.h"

namespace cairn::features {

/// One entity's change.
struct EntityDelta {
  std::string key;  ///< one byte of EntityKind, then the id as people write it
  Row row;
};

/// Adds events up to one row an entity, as a window of the engine's state does, by the names that entities have
/// outside.
class DeltaAccumulator {
 public:
  explicit DeltaAccumulator(const Schema& schema) : changes_(schema) {}

  void add(const ResolvedEvent& event) {
    for (std::size_t group = 0; group < changes_.groups(); ++group) {
      std::vector<Change> changes;
      changes_.append(group, event, &changes);
      const auto key = key_of(changes_.group(group), event);
      if (changes.empty() || !key) continue;
      for (const Change& change : changes) rows_[*key].add(change);
    }
  }

  /// The changes so far, ascending by key.
  std::vector<EntityDelta> take() {
    std::vector<EntityDelta> deltas;
    for (const auto& [key, row] : std::exchange(rows_, {})) deltas.push_back({key, to_row(row.entries())});
    return deltas;
  }

 private:
  static std::optional<std::string> key_of(const EventChanges::Group& group, const ResolvedEvent& event) {
    std::string key(1, static_cast<char>(group.kind));
    if (group.kind == EntityKind::kUser) return key + event.interaction->user.str();
    if (group.kind == EntityKind::kPlace) return key + event.interaction->place.str();
    if (!event.cell) return std::nullopt;
    return key + geohash_text(cell_prefix(*event.cell, group.letters), group.letters);
  }

  const EventChanges changes_;
  std::map<std::string, DeltaRow> rows_;
};

}  // namespace cairn::features

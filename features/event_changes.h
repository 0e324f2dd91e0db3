#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "cairn/interaction.h"
#include "features/row.h"
#include "features/schema.h"

namespace cairn::features {

/// An interaction with what the catalogue and the dictionaries know about it.
struct ResolvedEvent {
  const Interaction* interaction;
  std::uint64_t place;                    ///< dictionary id
  std::optional<std::uint64_t> category;  ///< dictionary id; nullopt: place unknown or without category
  /// cell_of() where the event is about; nullopt: no position is known.
  std::optional<std::uint64_t> cell;
  /// The place is not in the catalogue: what it adds by category, and by cell where it has none, waits for the place.
  bool waits = false;
};

/// The letters of the cell that an event is resolved to. A coarser cell is a prefix of it.
inline constexpr int kCellLettersMax = 12;

/// The finest cell of where an event is about: the place's by the catalogue, else the event's own position. Invalid
/// positions count as none.
[[nodiscard]] std::optional<std::uint64_t> cell_of(const std::optional<GeoPoint>& by_catalogue,
                                                   const std::optional<GeoPoint>& by_event);

/// The coarser cell of `letters` letters around a finest cell.
[[nodiscard]] constexpr std::uint64_t cell_prefix(std::uint64_t cell, int letters) noexcept {
  return cell >> (5 * (kCellLettersMax - letters));
}

/// What one event adds to one entry of one view.
struct Change {
  const View* view;
  std::uint64_t dimension;
  Value value;
};

/// Says what an event changes: for each entity that it is about, the entries and what is added to them. An event counts
/// in a view when the view weighs its type, the weight can be computed, and the view's entity and dimension are known
/// for it. One whose type counts as another (CountsAs) changes what so many events of that type would, at its time.
///
/// Immutable; any thread.
class EventChanges {
 public:
  /// The views of one kind of entity (of one precision, for cells): an event is about one entity of each group.
  struct Group {
    EntityKind kind;
    int letters;  ///< of the cell that is the entity; 0 for other kinds
  };

  /// `schema` must outlive this.
  explicit EventChanges(const Schema& schema);

  [[nodiscard]] std::size_t groups() const noexcept { return groups_.size(); }
  [[nodiscard]] const Group& group(std::size_t index) const noexcept { return groups_[index].group; }

  /// Whether events of the type can count in the group at all.
  [[nodiscard]] bool counts(std::size_t group, TypeIndex type) const noexcept {
    return !groups_[group].by_type[type.value].empty();
  }

  /// Whether an event of the type adds something that depends on what is known of its place.
  [[nodiscard]] bool waits(TypeIndex type) const noexcept {
    return type.value < waiting_types_.size() && waiting_types_[type.value];  // without views there are none
  }

  /// Appends what the event changes of its entity in the group; of an event that waits also what it adds to
  /// Schema::waiting(). A group of cells may be asked without a cell: its changes are those of the place's row of what
  /// waits.
  void append(std::size_t group, const ResolvedEvent& event, std::vector<Change>* changes) const;
  /// Appends one event to Schema::waiting_events(). Requires: waits() for its type.
  void append_waiting(const ResolvedEvent& event, std::vector<Change>* changes) const;

 private:
  /// A view that weighs a type of event.
  struct Weighing {
    const View* view;
    const Expression* expression;
    std::optional<double> constant;  ///< the weight, where it is the same for all events
    std::int64_t half_life_ms;       ///< 0: the view does not decay
    std::int64_t times;              ///< one event counts as so many
    bool without_cell_only = false;  ///< of a view that waits: it takes events that have no cell
  };
  struct Compiled {
    Group group;
    std::vector<std::vector<Weighing>> by_type;  ///< by TypeIndex
    std::vector<std::vector<Weighing>> waiting;  ///< the same of what waits; may be shorter
  };

  static void compile(const View& view, bool without_cell_only, std::vector<std::vector<Weighing>>* by_type);

  std::vector<Compiled> groups_;
  std::vector<bool> waiting_types_;  ///< by TypeIndex
  const View* waiting_events_;
};

}  // namespace cairn::features

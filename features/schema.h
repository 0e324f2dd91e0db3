#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/feature_view.h"
#include "cairn/interaction.h"
#include "cairn/status.h"
#include "features/expression.h"

namespace cairn::features {

/// A declared view, checked and compiled.
struct View {
  std::uint32_t id = 0;  ///< stable across restarts; from ViewRegistry
  FeatureViewSpec spec;
  std::vector<std::optional<Expression>> weights;  ///< by TypeIndex; nullopt: events of the type do not count
  std::vector<std::uint32_t> times = {};           ///< by TypeIndex; one event counts as so many; beyond the end: 1
};

/// Which id a view's definition has in the stored rows. A view that changes what its values mean gets a new id, so old
/// values are never read as new ones. Stored beside the rows.
class ViewRegistry {
 public:
  /// The id of this definition, given out when new.
  std::uint32_t id_of(const FeatureViewSpec& spec);

  [[nodiscard]] std::string encode() const;
  /// Returns: DATA_LOSS.
  [[nodiscard]] static Result<ViewRegistry> decode(std::string_view bytes);

  friend bool operator==(const ViewRegistry&, const ViewRegistry&) = default;

 private:
  struct Definition {
    std::uint32_t id;
    std::string fingerprint;  ///< canonical text of all that decides what stored values mean
    friend bool operator==(const Definition&, const Definition&) = default;
  };
  std::vector<Definition> definitions_;
};

/// What events of places that are not known yet add to a view by category or by cell: kept by place, in a block of its
/// own of the same row, until the place says which entry it belongs to (waiting.h).
struct WaitingView {
  View by_place;       ///< as the view that it waits for, but by place; of no name that can be asked for
  std::size_t of = 0;  ///< index in Schema::views()
};

/// All views in force. Immutable; readable from any thread.
class Schema {
 public:
  /// Returns: INVALID_ARGUMENT with every problem found, one a line, each naming its view.
  [[nodiscard]] static Result<Schema> build(std::span<const FeatureViewSpec> specs, const InteractionTypes& types,
                                            ViewRegistry* registry);

  [[nodiscard]] const std::vector<View>& views() const noexcept { return views_; }
  [[nodiscard]] const View* find(std::string_view name) const noexcept;
  [[nodiscard]] const View* find(std::uint32_t id) const noexcept;  ///< View::id
  /// Ascending by `of`.
  [[nodiscard]] const std::vector<WaitingView>& waiting() const noexcept { return waiting_; }
  /// Counts the events that wait for a place, in the row of what waits for it. Null: no view has anything to wait for.
  [[nodiscard]] const View* waiting_events() const noexcept { return waiting_events_ ? &*waiting_events_ : nullptr; }

 private:
  void add_waiting(ViewRegistry* registry);

  std::vector<View> views_;
  std::vector<WaitingView> waiting_;
  std::optional<View> waiting_events_;
};

}  // namespace cairn::features

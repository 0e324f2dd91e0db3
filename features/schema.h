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

/// All views in force. Immutable; readable from any thread.
class Schema {
 public:
  /// Returns: INVALID_ARGUMENT with every problem found, one a line, each naming its view.
  [[nodiscard]] static Result<Schema> build(std::span<const FeatureViewSpec> specs, const InteractionTypes& types,
                                            ViewRegistry* registry);

  [[nodiscard]] const std::vector<View>& views() const noexcept { return views_; }
  [[nodiscard]] const View* find(std::string_view name) const noexcept;

 private:
  std::vector<View> views_;
};

}  // namespace cairn::features

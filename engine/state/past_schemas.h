#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>

#include "cairn/feature_view.h"
#include "cairn/interaction.h"
#include "cairn/status.h"
#include "engine/state/catalog.h"
#include "features/event_changes.h"
#include "features/schema.h"
#include "storage/state_store.h"

namespace cairn::state {

/// Which views there were, and as what declared types counted, before either was changed, by moments
/// (Catalog::moment). So a retraction takes out of the features what its event had added, and nothing out of a view
/// that was declared later.
///
/// Immutable after recover(); any thread.
class PastSchemas {
 public:
  /// Configurations that are kept. What was applied before them counts as of the oldest one.
  static constexpr std::size_t kKeptMax = 64;

  /// Compares what is stored with `views` and `types`, and ends the moment of `catalog` where events count otherwise
  /// now. Forgets what was over before `oldest`. Requires: the store's view registry has `views`.
  /// Returns: DATA_LOSS, and what the store says.
  [[nodiscard]] Status recover(storage::StateStore& store, std::span<const FeatureViewSpec> views,
                               const InteractionTypes& types, std::uint32_t oldest, Catalog* catalog);

  /// How events counted. Views that are declared now as they were then have the same ids.
  struct Then {
    features::Schema schema;
    std::unique_ptr<features::EventChanges> changes;  ///< of `schema`
  };
  /// Of a moment. Returns: null for the moments since events count as they do now.
  [[nodiscard]] const Then* at(std::uint32_t moment) const;

 private:
  std::map<std::uint32_t, std::unique_ptr<Then>> until_;  ///< by the last moment
};

}  // namespace cairn::state

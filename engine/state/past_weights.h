#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cairn/feature_view.h"
#include "cairn/interaction.h"
#include "cairn/status.h"
#include "engine/state/catalog.h"
#include "features/event_changes.h"
#include "features/schema.h"
#include "storage/state_store.h"

namespace cairn::state {

/// As what declared types counted before that was changed, by moments (Catalog::moment). So a retraction takes out of
/// the features what its event had added by the weights of then.
///
/// Immutable after recover(); any thread.
class PastWeights {
 public:
  /// Configurations that are kept. What was applied before them counts as of the oldest one.
  static constexpr std::size_t kKeptMax = 64;

  /// Compares what is stored with `types`, and ends the moment of `catalog` where that is something else. Forgets what
  /// was over before `oldest`. Returns: DATA_LOSS, and what the store says.
  [[nodiscard]] Status recover(storage::StateStore& store, std::span<const FeatureViewSpec> views,
                               const InteractionTypes& types, std::uint32_t oldest, Catalog* catalog);

  /// What events changed at a moment. Returns: null for the moments since the types count as they do now.
  [[nodiscard]] const features::EventChanges* at(std::uint32_t moment) const;

 private:
  struct Compiled {
    features::Schema schema;
    std::unique_ptr<features::EventChanges> changes;  ///< of `schema`
  };
  std::map<std::uint32_t, std::unique_ptr<Compiled>> until_;  ///< by the last moment
};

}  // namespace cairn::state

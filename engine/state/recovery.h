#pragma once

#include <string>
#include <vector>

#include "cairn/feature_view.h"
#include "cairn/interaction.h"
#include "cairn/status.h"
#include "engine/state/counters.h"
#include "engine/state/progress.h"
#include "features/dictionary.h"
#include "features/schema.h"
#include "storage/state_store.h"

namespace cairn::state {

/// What a state directory is: fixed when it is opened.
struct StoredIdentity {
  std::string id;           ///< FeatureState::id()
  features::Schema schema;  ///< the views in force, with the numbers that their definitions have in stored rows
};

/// Reads it from the store, and writes what is new of it.
/// Returns: INVALID_ARGUMENT for bad views; FAILED_PRECONDITION when `types` do not continue the stored ones;
/// DATA_LOSS.
[[nodiscard]] Result<StoredIdentity> recover_identity(storage::StateStore& store,
                                                      const std::vector<FeatureViewSpec>& views,
                                                      const InteractionTypes& types);

/// Returns: DATA_LOSS.
[[nodiscard]] Status recover_ids(const storage::StateStore& store, features::Dictionary* places,
                                 features::Dictionary* categories);

/// Returns: DATA_LOSS.
[[nodiscard]] Status recover_progress(const storage::StateStore& store, Progress* progress);

}  // namespace cairn::state

#pragma once

#include <memory>
#include <optional>

#include "cairn/options.h"
#include "cairn/status.h"
#include "engine/state/feature_state.h"
#include "engine/state/state_directory.h"
#include "storage/state_store.h"
#include "streaming/event_log.h"

namespace cairn {

/// Up to where the features hold the API's log; nothing when they hold none of it.
[[nodiscard]] std::optional<Offset> applied_of(const state::FeatureState& state);

/// Opens the API's log and sees that it and the state belong together: no event that was acknowledged is in neither.
/// With EngineOptions::accept_log_loss what is lost is given up.
/// Returns: DATA_LOSS naming file, offset and remedy; what open_event_log() and the store return.
[[nodiscard]] Result<std::unique_ptr<streaming::EventLog>> open_api_log(const EngineOptions& options,
                                                                        const state::StateDirectory& directory,
                                                                        storage::StateStore& store,
                                                                        const state::FeatureState& state);

}  // namespace cairn

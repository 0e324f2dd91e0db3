#pragma once

#include <string>

#include "cairn/call_context.h"
#include "cairn/engine_status.h"
#include "engine/state/feature_state.h"
#include "engine/state/state_directory.h"
#include "engine/upkeep/log_trimmer.h"
#include "storage/state_store.h"
#include "streaming/event_log.h"

namespace cairn::upkeep {

/// Copies a running engine's state directory into a new one (see Engine::checkpoint).
///
/// What is pending is stored first, so that the copy has everything that answers reflected when it was asked for. The
/// store is copied then, the API's log after it, and nothing is trimmed from the log in between. So the log in the
/// copy reaches at least from the position that the copied store has on, and the copy can go on from there.
///
/// Threads: any; copies are made one after another.
class Checkpointer {
 public:
  /// All must outlive the checkpointer.
  Checkpointer(const state::StateDirectory& directory, storage::StateStore& store, state::FeatureState& state,
               const streaming::EventLog& log, LogTrimmer& trimmer)
      : directory_(directory), store_(store), state_(state), log_(log), trimmer_(trimmer) {}

  /// Returns: see Engine::checkpoint. Nothing is left behind after an error.
  [[nodiscard]] Result<CheckpointInfo> make(const CallContext& context, const std::string& path);

 private:
  Status copy_into(const CallContext& context, const state::StateDirectory& copy, CheckpointInfo* info);

  const state::StateDirectory& directory_;
  storage::StateStore& store_;
  state::FeatureState& state_;
  const streaming::EventLog& log_;
  LogTrimmer& trimmer_;
};

}  // namespace cairn::upkeep

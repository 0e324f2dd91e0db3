#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/state/corrections.h"
#include "engine/state/counters.h"
#include "engine/state/erased_users.h"
#include "engine/state/event_ids.h"
#include "engine/state/progress.h"
#include "engine/state/rebased_rows.h"
#include "engine/state/window.h"
#include "storage/state_store.h"

namespace cairn::state {

/// What a window brings to the store: changes of rows, and all that must be stored together with them.
struct PendingWindow {
  Window rows;
  RebasedRows rebased;
  std::vector<ErasedUsers::Record> marks;  ///< of users and places; stored with the removal of their rows
  EventIdChanges event_ids;
  InexactRows inexact;  ///< rows whose notes have changed
  // Set when it no longer grows.
  Positions positions;  ///< where the sources stand behind it
  Counters counters;

  [[nodiscard]] std::size_t memory_bytes() const { return rows.memory_bytes() + rebased.memory_bytes(); }
};

/// What readers see: the stored rows at one moment, and what has come since.
struct ReadVersion {
  std::shared_ptr<PendingWindow> growing;
  std::shared_ptr<const PendingWindow> full;  ///< on its way to the store; null: none
  std::shared_ptr<const storage::Snapshot> stored;
  std::uint64_t epoch = 0;  ///< windows stored so far (RowCache)
};

}  // namespace cairn::state

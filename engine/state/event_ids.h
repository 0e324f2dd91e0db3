#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string_view>
#include <vector>

#include "cairn/interaction.h"
#include "cairn/status.h"
#include "features/event_id_memory.h"
#include "storage/state_store.h"

namespace cairn::state {

/// What a window changes in what is remembered.
struct EventIdChanges {
  std::map<std::uint64_t, std::vector<features::EventFingerprint>> added;  ///< by generation
  std::vector<std::uint64_t> forgotten;                                    ///< generations
};

/// Which interactions are repeats of an event id: features::EventIdMemory, kept in the store. What a window adds is
/// stored with it, as one record a generation, so that an id costs no key of its own; memory holds them all.
///
/// One thread at a time.
class EventIds {
 public:
  explicit EventIds(std::uint64_t generation_ids) : memory_(generation_ids) {}

  /// Returns: DATA_LOSS, and what else the store says.
  [[nodiscard]] Status recover(const storage::StateStore& store);

  /// Sets `*included` to the indexes of the interactions that are no repeats, and notes in `*changes` what has become
  /// of their ids.
  void drop_repeats(std::span<const Interaction> interactions, EventIdChanges* changes,
                    std::vector<std::uint32_t>* included);

  [[nodiscard]] std::size_t memory_bytes() const noexcept { return memory_.memory_bytes(); }

 private:
  features::EventIdMemory memory_;
  std::vector<features::EventFingerprint> prints_;  ///< of the batch; kept for its memory
};

/// Puts what a window has changed into its batch, under `window`, a number that grows from one window to the next.
void put_event_ids(const EventIdChanges& changes, std::uint64_t window, storage::WriteBatch* batch);

}  // namespace cairn::state

#pragma once

#include <cstdint>
#include <map>
#include <optional>
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
  std::map<std::uint64_t, std::vector<features::RememberedId>> added;  ///< by generation
  std::vector<std::uint64_t> forgotten;                                ///< generations
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

  /// Looks at the ids of a batch, which judge() is to be called for next, and which is applied at `moment`. Returns:
  /// whether there are retractions in it.
  bool look_at(std::span<const Interaction> interactions, std::uint32_t moment);

  /// Retractions of the batch (indexes, ascending) that judge() will refuse, because they say something else than the
  /// event that was applied under their id. Requires: look_at() the same interactions.
  [[nodiscard]] std::vector<std::uint32_t> mismatched(std::span<const Interaction> interactions) const;

  /// What is kept beside the event of this id. Returns: nullopt: it is not remembered.
  [[nodiscard]] std::optional<features::EventNote> find(std::string_view event_id) const noexcept {
    return memory_.find(features::fingerprint(event_id));
  }

  /// Whether a retraction of the event of this id is remembered. Of an event that is not remembered: of the one that
  /// says `contents`, or of any.
  [[nodiscard]] bool retracted(std::string_view event_id, std::uint32_t contents) const noexcept;
  [[nodiscard]] bool retracted(std::string_view event_id) const noexcept;

  /// Whether ids have been forgotten.
  [[nodiscard]] bool forgot() const noexcept { return memory_.oldest_generation() > 0; }

  /// What is to be done with the interactions of a batch, and what has become of those with which nothing is.
  struct Judged {
    std::vector<std::uint32_t> included;  ///< indexes of events to apply
    std::vector<std::uint32_t> undone;    ///< indexes of retractions whose events are to be taken out
    std::uint64_t mismatched = 0;
    std::uint64_t repeated = 0;
    std::uint64_t withheld = 0;
    std::uint64_t unmatched = 0;
  };
  /// Notes in `*changes` what has become of the ids. Requires: look_at() the same interactions.
  void judge(std::span<const Interaction> interactions, EventIdChanges* changes, Judged* judged);

  /// See features::EventIdMemory.
  [[nodiscard]] std::optional<std::uint64_t> retracted_in() const noexcept { return memory_.retracted_in(); }
  void retracted_in(std::optional<std::uint64_t> generation) noexcept { memory_.retracted_in(generation); }

  /// The oldest moment beside an id that recover() found; UINT32_MAX without any.
  [[nodiscard]] std::uint32_t oldest_moment() const noexcept { return oldest_moment_; }

  [[nodiscard]] std::size_t memory_bytes() const noexcept { return memory_.memory_bytes(); }

 private:
  features::EventIdMemory memory_;
  void judge_one(std::uint32_t index, bool retracts, EventIdChanges* changes, Judged* judged);

  std::vector<features::RememberedId> prints_;  ///< of the batch; kept for its memory
  bool any_ids_ = false;                        ///< in the batch
  bool any_retractions_ = false;                ///< likewise
  std::uint32_t oldest_moment_ = UINT32_MAX;
};

/// Puts what a window has changed into its batch, under `window`, a number that grows from one window to the next.
void put_event_ids(const EventIdChanges& changes, std::uint64_t window, storage::WriteBatch* batch);

}  // namespace cairn::state

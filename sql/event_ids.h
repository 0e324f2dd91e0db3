#pragma once

#include <chrono>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "cairn/clock.h"
#include "cairn/interaction.h"

namespace cairn::sql {

/// Under which an event id is stored in seen_event_ids: the id itself, or for one of more than 512 bytes (an index
/// entry has 2,704 at most) its length and FNV-1a 128 hash.
[[nodiscard]] std::string event_key(std::string_view event_id);

/// The event times already written, by event_key().
using SeenEventIds = std::unordered_map<std::string, std::vector<EventTime>>;

/// A batch with its repeats told apart.
struct Deduplicated {
  std::vector<std::size_t> included;  ///< indexes of interactions to write, in order
  struct NewId {
    std::string key;
    EventTime time;
  };
  std::vector<NewId> new_ids;  ///< to be added to the ids seen
};

/// Leaves out each interaction whose event id was written, or stands earlier in the batch and is included, at most
/// `window` before or after its time. Interactions without an event id are all included.
[[nodiscard]] Deduplicated deduplicate(std::span<const Interaction> interactions, SeenEventIds seen,
                                       std::chrono::milliseconds window);

}  // namespace cairn::sql

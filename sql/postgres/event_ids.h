#pragma once

#include <cstddef>
#include <cstdint>
#include <pqxx/pqxx>
#include <span>
#include <vector>

#include "cairn/interaction.h"

namespace cairn::sql {

/// What is to be done with the interactions of a batch: indexes, ascending.
struct Judged {
  std::vector<std::size_t> included;  ///< events to write
  std::vector<std::size_t> undone;    ///< retractions whose events are to be taken out
};

/// Tells repeats of event ids from new events by features::EventIdMemory, and writes the new ids. The ids are rows of
/// seen_event_ids, and the row of event_id_order says which generation is being filled; both belong to the caller's
/// transaction, so that what is remembered is what was written.
///
/// When an interaction has an event id, other writers of event ids wait until the transaction ends; else nothing is
/// asked of the server. For each new id up to two forgotten ones are removed, so that never more than three generations
/// are kept. Throws what libpqxx throws.
///
/// Retractions are among the ids; they are looked for where some are remembered, and for the retractions of a batch.
[[nodiscard]] Judged judge_ids(pqxx::transaction_base& transaction, std::span<const Interaction> interactions,
                               std::uint64_t generation_ids);

}  // namespace cairn::sql

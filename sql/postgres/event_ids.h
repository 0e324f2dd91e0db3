#pragma once

#include <cstddef>
#include <cstdint>
#include <pqxx/pqxx>
#include <span>
#include <vector>

#include "cairn/interaction.h"

namespace cairn::sql {

/// Tells repeats of event ids from new events by features::EventIdMemory, and writes the new ids. The ids are rows of
/// seen_event_ids, and the row of event_id_order says which generation is being filled; both belong to the caller's
/// transaction, so that what is remembered is what was written.
///
/// When an interaction has an event id, other writers of event ids wait until the transaction ends; else nothing is
/// asked of the server. As many ids as came are removed twice over of those that are forgotten, so that never more than
/// three generations are kept. Throws what libpqxx throws.
///
/// Returns: the indexes of the interactions that are no repeats, ascending.
[[nodiscard]] std::vector<std::size_t> leave_out_repeats(pqxx::transaction_base& transaction,
                                                         std::span<const Interaction> interactions,
                                                         std::uint64_t generation_ids);

}  // namespace cairn::sql

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "features/event_changes.h"
#include "features/row.h"

namespace cairn::features {

/// A value that may say more than the events that are left behind it, until it is computed anew.
struct InexactEntry {
  std::uint32_t view = 0;
  std::uint64_t dimension = 0;

  friend auto operator<=>(const InexactEntry&, const InexactEntry&) = default;
};

/// What became of a retraction in a row.
struct TakenOut {
  std::size_t values = 0;  ///< that held the event and do not any more
  /// That did not hold it: the entry was dropped (`max_entries`, fading). They stay as they are. And those that may
  /// have been dropped by `max_entries` and begun anew since: they are among `values`, and too low if they did.
  std::size_t lost = 0;
  std::vector<InexactEntry> inexact;
};

/// Takes out of `*row` what the event with these changes had added to it.
///
/// Exact are: counts; sums and means, unless one stands at an end of its range; sequences, from which the one entry
/// goes. An entry whose last event goes is gone, and a block without entries too. A decayed sum loses what the event
/// had added: what is left is off by rounding alone, at most 2^-52 of the largest sum that it ever was, an event.
///
/// An entry's newest time, a minimum, a maximum and the last value cannot be taken back. Where the event was not the
/// one that made them they are exact as they are. Where it was, they stay, and the entry is told as inexact: the newest
/// time is then not before the true one, a minimum not above it, a maximum not below it.
void take_out(const std::vector<Change>& changes, Row* row, TakenOut* taken);

/// Puts into entries of `*row` that are in `*inexact` what `fresh` says of them, where it is made of the same events:
/// it has as many of them, their sum is the same (a decayed one but for rounding), and it says nothing that came after.
/// Those are removed from `*inexact`, and so are entries that are not there any more. Returns: whether `*row` has
/// changed.
bool mend(const Row& fresh, Row* row, std::vector<InexactEntry>* inexact);

}  // namespace cairn::features

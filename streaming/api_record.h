#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "cairn/interaction.h"
#include "streaming/reject.h"

namespace cairn::streaming {

// The records of the API's log: events that were judged when they came in, so that nobody who reads the log parses or
// judges them again. A record is either a decoded interaction or a refused payload with the reason; its first byte,
// which is ours and never a caller's, tells which. Bytes in format.md.

/// Appends the record of an event that was accepted.
/// Requires: what Decoder gives: valid ids, a finite value, a valid position.
void append_decoded_record(const Interaction& interaction, std::string* record);

/// Appends the record of an event that was refused: why, and its payload as it came.
/// Requires: a reason, and less than 64 KiB of `detail`.
void append_refused_record(Reject reject, std::string_view detail, std::string_view payload, std::string* record);

/// What a record holds beside a decoded interaction. Views into the record.
struct ApiRecord {
  Reject reject = Reject::kNone;  ///< kNone: the record is a decoded interaction
  std::string_view detail;
  std::string_view payload;  ///< the end of the record, so that what follows the record follows it too
};

/// Reads a record. A decoded one overwrites every field of `*decoded`; a refused one leaves it alone.
/// Returns: nothing when the bytes are not exactly what one of the two functions above writes, for one of `types`;
/// `*decoded` is then unspecified.
[[nodiscard]] std::optional<ApiRecord> read_api_record(std::string_view record, const InteractionTypes& types,
                                                       Interaction* decoded);

}  // namespace cairn::streaming

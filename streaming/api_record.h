#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/clock.h"
#include "cairn/ids.h"
#include "cairn/interaction.h"
#include "streaming/reject.h"

namespace cairn::streaming {

// The records of the API's log: events that were judged when they came in, so that nobody who reads the log parses or
// judges them again. An event's record is either a decoded interaction or a refused payload with the reason. The events
// of a call with an idempotency key are one record together, so that the log has all of them or none; and a record may
// hold nothing but which calls there were. The first byte, which is ours and never a caller's, tells the kinds apart.
// Bytes in format.md.

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

/// Appends the record that stands where an event was: it says nothing of it, and is none.
void append_erased_record(std::string* record);
/// Whether the bytes are such a record, which may have been longer.
[[nodiscard]] bool is_erased_record(std::string_view record);

/// Makes of what a record tells of a user records of nothing, of the same lengths: accepted events of the user up to
/// the time `until`, and refused ones that name him. In the record of a call, those events alone. Returns: how many
/// events were erased.
[[nodiscard]] std::size_t erase_user(std::string_view user, EventTime until, std::span<char> record);

/// Reads a record. A decoded one overwrites every field of `*decoded`; a refused one leaves it alone.
/// Returns: nothing when the bytes are not exactly what one of the two functions above writes, for one of `types`;
/// `*decoded` is then unspecified.
[[nodiscard]] std::optional<ApiRecord> read_api_record(std::string_view record, const InteractionTypes& types,
                                                       Interaction* decoded);

/// Stands for an idempotency key.
struct CallKey {
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  friend auto operator<=>(const CallKey&, const CallKey&) = default;
};

/// FNV-1a of 128 bits (RFC 9923): that two keys of one log are alike is not to be expected.
[[nodiscard]] CallKey call_key(std::string_view idempotency_key) noexcept;

/// A call with an idempotency key that was taken.
struct ApiCall {
  CallKey key;
  std::uint32_t content = 0;  ///< content_of() its events
  EventTime taken;            ///< by the clock
  std::uint32_t accepted = 0;
  std::uint32_t rejected = 0;
  Offset end;  ///< behind its events: what the caller was told

  friend bool operator==(const ApiCall&, const ApiCall&) = default;
};

/// A checksum by which a key that is used for other events is noticed.
[[nodiscard]] std::uint32_t content_of(std::span<const std::string_view> payloads);

/// Appends one record of a call and its events, each a record of one event as the functions above append it. The call's
/// `end` is where this record ends, and not in it.
void append_call_record(const ApiCall& call, std::span<const std::string_view> events, std::string* record);
/// Appends one record that says of calls, whose events stand elsewhere, that they were taken.
void append_known_calls_record(std::span<const ApiCall> calls, std::string* record);

/// Whether it is the record of one event, or of one that was erased, going by its first byte.
[[nodiscard]] bool is_event_record(std::string_view record);
/// The calls that a record of one call, or of known ones, tells of. `next`: the offset behind the record.
/// Returns: nothing when it is neither.
[[nodiscard]] std::optional<std::vector<ApiCall>> read_calls(std::string_view record, Offset next);
/// The records of events in a record of any kind: itself, those of a call, or none. Views into the record.
/// Returns: nothing when the record is not exactly what one of the functions above writes, apart from what is in the
/// events.
[[nodiscard]] std::optional<std::vector<std::string_view>> events_in(std::string_view record);

}  // namespace cairn::streaming

#pragma once

#include <cstdint>
#include <string_view>

namespace cairn::streaming {

/// Why a record cannot be used. The names are part of the dead letters' format and of a metric's label, the numbers of
/// the API's log (format.md): append, and do not reorder.
enum class Reject : std::uint8_t {
  kNone,
  kOversized,
  kTruncatedGzip,
  kMalformedJson,
  kNotAnObject,
  kDuplicateKey,
  kMissingField,
  kBadId,
  kUnknownType,
  kBadTime,
  kImpossibleTime,
  kBadValue,
  kBadPosition,
  kBadEventId,
  kDamagedBatch,
  kBadRetraction,
  kMismatchedRetraction,
};
inline constexpr int kRejects = 17;

[[nodiscard]] constexpr std::string_view to_string(Reject reject) noexcept {
  constexpr std::string_view kNames[kRejects] = {
      "none",          "oversized",    "truncated_gzip", "malformed_json", "not_an_object",        "duplicate_key",
      "missing_field", "bad_id",       "unknown_type",   "bad_time",       "impossible_time",      "bad_value",
      "bad_position",  "bad_event_id", "damaged_batch",  "bad_retraction", "mismatched_retraction"};
  return kNames[static_cast<std::size_t>(reject)];
}

}  // namespace cairn::streaming

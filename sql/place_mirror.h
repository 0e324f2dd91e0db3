#pragma once

#include <cstdint>
#include <span>

#include "cairn/place.h"
#include "cairn/status.h"

namespace cairn::sql {

/// The catalogue of places as a table, for those who join it with interactions. The engine's own catalogue is the
/// original: it writes here what is newer than places_version(), and reads nothing back but that number.
///
/// Threads: all methods from any thread. Errors of both methods: those of Materializer.
class PlaceMirror {
 public:
  virtual ~PlaceMirror() = default;

  /// Adds or replaces places, in one transaction that also records `version`. A row that a higher version wrote stays
  /// as it is, so retries and reorderings are harmless. Of a place that is given twice the last counts.
  /// Returns: INVALID_ARGUMENT naming the first bad place, and for a version beyond 2^63 - 1; nothing is written then.
  virtual Status upsert_places(std::span<const Place> places, std::uint64_t version) = 0;

  /// The largest version that upsert_places() recorded; 0 when none.
  [[nodiscard]] virtual Result<std::uint64_t> places_version() = 0;
};

}  // namespace cairn::sql

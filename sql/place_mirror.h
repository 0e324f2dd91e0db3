#pragma once

#include <cstdint>
#include <span>

#include "cairn/clock.h"
#include "cairn/place.h"
#include "cairn/status.h"

namespace cairn::sql {

/// A place that is deleted: its row stays, and says when.
struct DeletedPlace {
  Place place;  ///< as it was
  EventTime at;
  bool history_erased = false;  ///< its hourly aggregates go, once for each `at`
};

/// The catalogue of places as a table, attributes included as jsonb, for those who join it with interactions. The engine's own catalogue is the
/// original: it writes here what is newer than places_version(), and reads nothing back but that number.
///
/// Threads: all methods from any thread. Errors of both methods: those of Materializer.
class PlaceMirror {
 public:
  virtual ~PlaceMirror() = default;

  /// Adds or replaces places, and marks others as deleted, in one transaction that also records `version`. A row that a
  /// higher version wrote stays as it is, so retries and reorderings are harmless. Of a place that is given twice the
  /// last counts; in both lists, the deletion.
  /// Returns: INVALID_ARGUMENT naming the first bad place, and for a version beyond 2^63 - 1; nothing is written then.
  virtual Status write_places(std::span<const Place> places, std::span<const DeletedPlace> deleted,
                              std::uint64_t version) = 0;

  Status upsert_places(std::span<const Place> places, std::uint64_t version) {
    return write_places(places, {}, version);
  }

  /// The largest version that upsert_places() recorded; 0 when none.
  [[nodiscard]] virtual Result<std::uint64_t> places_version() = 0;
};

}  // namespace cairn::sql

#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <string>

#include "cairn/clock.h"
#include "cairn/interaction.h"
#include "cairn/source_position.h"
#include "cairn/status.h"

namespace cairn::sql {

// What decides about a batch without a database. Pure; every materializer asks here.

/// The first and last instants that are written: years 1 to 9999.
inline constexpr EventTime kTimeMin = std::chrono::sys_days{std::chrono::year{1} / 1 / 1};
inline constexpr EventTime kTimeMax =
    EventTime{std::chrono::sys_days{std::chrono::year{10000} / 1 / 1}} - std::chrono::milliseconds(1);

/// The arguments of Materializer::apply().
struct Batch {
  std::string source;
  std::span<const Interaction> interactions;
  std::span<const SourcePosition> before;
  std::span<const SourcePosition> after;
};

/// Checks everything that can be checked without the database. Decoding has made sure of most of it already; one bad
/// value that slips through would make its batch fail for ever, so it is refused here by its number.
/// Returns: INVALID_ARGUMENT.
[[nodiscard]] Status check_batch(const Batch& batch, const InteractionTypes& types);

[[nodiscard]] std::set<Partition> partitions_of(std::span<const SourcePosition> positions);

/// Where a source stands, as a batch of it sees it.
enum class Standing : std::uint8_t {
  kBefore,    ///< where the batch begins: it may be written
  kAfter,     ///< where the batch ends: it has been written
  kElsewhere  ///< another writer has moved the source
};

/// `stored`: the positions of the source, at least those of the batch's partitions. A partition without one stands at
/// its start: offset 0, empty cursor.
[[nodiscard]] Standing standing_of(const Batch& batch, std::span<const SourcePosition> stored);

/// The answer to a batch that does not stand at kBefore.
[[nodiscard]] Status aborted(const Batch& batch);

}  // namespace cairn::sql

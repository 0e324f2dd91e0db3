#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/interaction.h"
#include "cairn/source_position.h"
#include "cairn/status.h"
#include "streaming/reject.h"

namespace cairn::ingest {

/// The name of the source that is the API's own log.
inline constexpr std::string_view kApiSource = "api";

/// A record that decoding refused.
struct Refused {
  Partition partition;
  Offset offset;
  std::string incarnation;  ///< streaming::Source::incarnation
  streaming::Reject reason;
  std::string detail;
  std::string_view payload;  ///< lives as long as the batch it came with
};

/// One poll, decoded.
struct DecodedBatch {
  std::span<const Interaction> interactions;
  std::span<const Refused> refused;
  std::span<const SourcePosition>
      before;  ///< where the partitions in `after` stood; one that had no position is missing
  std::span<const SourcePosition> after;  ///< where they stand once the batch is applied; one each
  /// The record of an interaction (its index), as it is told when the sink refuses it: `reason` and `detail` are left
  /// out, and the payload of a record that came decoded. May be asked while the batch is applied. Empty: records are
  /// not known.
  std::function<Refused(std::size_t)> record_of = nullptr;
};

/// Where decoded batches go, and who remembers how far they went: the state of one consumer. Effects and positions are
/// stored together or not at all; everything exactly-once rests on that. A sink may hold back what it has applied for a
/// while, effects and positions alike: as long as the process lives, the position is that of what was applied, and
/// after a crash both are those of what was stored. Positions are kept by the name of the source and by partition.
///
/// A partition is resumed before the first batch with records of it, and revoked after the last one. Between two
/// consumers that hand a partition on, the sink is the witness: the one that resumes it finds what the other applied.
///
/// Threads: any, one thread per source.
class Sink {
 public:
  virtual ~Sink() = default;

  /// Looks up where to go on in `partitions`, which are about to be read.
  /// Returns: the position of what was applied last, for each of them that has one; others are left out.
  /// UNAVAILABLE, and what else the store says.
  [[nodiscard]] virtual Result<std::vector<SourcePosition>> resume(const std::string& source,
                                                                   std::span<const Partition> partitions) = 0;

  /// Applies the batch and its positions together, or nothing of it.
  /// Returns: ABORTED when the positions are not `before` (somebody else was here, or the batch is in already):
  /// nothing was applied, and the consumer reads the positions again. A retryable code to be handed the same batch
  /// again; anything else stops the source.
  virtual Status apply(const std::string& source, const DecodedBatch& batch) = 0;

  /// `partitions` are going to somebody else. Whatever was applied of them and is not stored yet must be stored before
  /// this returns OK, because the next reader looks for it; a sink that stores every batch at once has nothing to do.
  /// Returns: as apply(), without ABORTED.
  virtual Status revoke(const std::string& source, std::span<const Partition> partitions) = 0;
};

}  // namespace cairn::ingest

#pragma once

#include <span>

#include "cairn/check.h"
#include "cairn/source_position.h"
#include "cairn/status.h"
#include "streaming/source.h"

namespace cairn::streaming {

/// How far a source with one partition, which it never gives away, is in the order of calls that Source asks for. The
/// partition is assigned at the first poll. One thread.
class OnePartition {
 public:
  explicit OnePartition(Partition partition) : partition_(partition) {}

  [[nodiscard]] Partition partition() const noexcept { return partition_; }

  /// Whether a poll is the first, which assigns the partition and brings nothing else.
  /// Requires: the partition is resumed when it is not.
  [[nodiscard]] bool assign(RecordBatch* batch) {
    if (stage_ == Stage::kNew) {
      stage_ = Stage::kAssigned;
      batch->assigned.push_back(partition_);
      return true;
    }
    CAIRN_CHECK(stage_ == Stage::kResumed);
    return false;
  }

  /// The position to resume at, among those handed to Source::resume(); null to begin at the beginning.
  [[nodiscard]] const SourcePosition* stored(std::span<const SourcePosition> positions) const {
    CAIRN_CHECK(stage_ == Stage::kAssigned);
    if (positions.empty()) return nullptr;
    CAIRN_CHECK(positions.size() == 1 && positions[0].partition == partition_);
    return &positions[0];
  }

  void resumed() noexcept { stage_ = Stage::kResumed; }

  /// Nothing is ever revoked, so there is nothing to release.
  static Status release(std::span<const Partition> partitions) {
    CAIRN_CHECK(partitions.empty());
    return ok_status();
  }

 private:
  enum class Stage { kNew, kAssigned, kResumed };

  const Partition partition_;
  Stage stage_ = Stage::kNew;
};

}  // namespace cairn::streaming

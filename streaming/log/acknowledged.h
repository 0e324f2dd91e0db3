#pragma once

#include <optional>
#include <string>

#include "cairn/ids.h"
#include "cairn/status.h"
#include "streaming/posix/file.h"

namespace cairn::streaming {

/// How far a log was acknowledged, in a file beside its segments (format.md). It tells a tail that was lost from one
/// that never was. Written after each synced group, without a sync of its own: what a power failure takes of it makes
/// it name less than is there, never more.
///
/// Threads: one at a time.
class AcknowledgedMark {
 public:
  /// Opens what is there. Returns: nothing when there is no file; DATA_LOSS when it cannot be read; UNAVAILABLE.
  [[nodiscard]] static Result<std::optional<AcknowledgedMark>> open(const std::string& directory);
  /// Makes the file, or makes it anew, on the disk when this returns.
  [[nodiscard]] static Result<AcknowledgedMark> create(const std::string& directory, Offset end);

  [[nodiscard]] static std::string path(const std::string& directory) { return directory + "/acknowledged"; }

  [[nodiscard]] Offset end() const noexcept { return end_; }
  /// Everything before `end` is acknowledged from now on.
  [[nodiscard]] Status set(Offset end);

 private:
  AcknowledgedMark(posix::File file, Offset end) : file_(std::move(file)), end_(end) {}

  posix::File file_;
  Offset end_;
};

}  // namespace cairn::streaming

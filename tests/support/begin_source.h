#pragma once

#include <chrono>
#include <span>

#include "cairn/source_position.h"
#include "cairn/status.h"
#include "streaming/source.h"

namespace cairn::test {

/// The first poll of a source, which assigns its partitions, and their start at `positions`.
/// Returns: what the poll or the resume said; UNAVAILABLE when nothing was assigned.
inline Status begin(streaming::Source& source, std::span<const SourcePosition> positions = {}) {
  streaming::RecordBatch batch;
  CAIRN_RETURN_IF_ERROR(source.poll(1, std::chrono::milliseconds{0}, &batch));
  if (batch.assigned.empty()) return unavailable("no partition was assigned");
  return source.resume(positions);
}

}  // namespace cairn::test

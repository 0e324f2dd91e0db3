#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "cairn/ids.h"
#include "cairn/status.h"
#include "streaming/event_log.h"
#include "streaming/log/segment.h"

namespace cairn::streaming {

/// A segment after its payloads were shown to `change`.
struct RewrittenSegment {
  std::shared_ptr<Segment> segment;  ///< null: nothing was changed, and the file is what it was
  std::uint64_t changed = 0;         ///< payloads
};

/// Writes a segment, up to its end at `end`, beside itself with what `change` makes of its payloads, and puts it in its
/// own place: see EventLog::rewrite. Requires: nobody writes to the segment.
/// Returns: DATA_LOSS for a damaged record, RESOURCE_EXHAUSTED, UNAVAILABLE; nothing has changed then.
[[nodiscard]] Result<RewrittenSegment> rewrite_segment(const Segment& segment, const std::string& directory, Offset end,
                                                       const EventLog::Change& change);

/// Removes what a crash left of a segment that was being rewritten.
[[nodiscard]] Status remove_unfinished_rewrites(const std::string& directory);

}  // namespace cairn::streaming

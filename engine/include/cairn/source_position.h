#pragma once

#include <string>

#include "cairn/ids.h"

namespace cairn {

/// Where a consumer stands in one partition of a source: what is stored beside the state that it produced, in the same
/// transaction, and handed back to the source to resume.
struct SourcePosition {
  Partition partition;
  Offset offset;       ///< of the next record to read; every record before it is reflected
  std::string cursor;  ///< the source's own addition, such as the file that an offset counts in; opaque to others, at
                       ///< most 4 KiB, may be empty

  friend bool operator==(const SourcePosition&, const SourcePosition&) = default;
};

/// A position in one of several sources: how far features, or an acknowledgement, have come. The cursor is empty.
struct Watermark {
  std::string source;
  SourcePosition position;

  friend bool operator==(const Watermark&, const Watermark&) = default;
};

}  // namespace cairn

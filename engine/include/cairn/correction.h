#pragma once

#include <string>
#include <string_view>

#include "cairn/source_position.h"

namespace cairn {

/// An event that came and was wrong: it is to count no more, and another one may stand in its place.
///
/// What is taken is a retraction, an event like others: it carries all that the wrong event said, so that it takes away
/// exactly what that one added, wherever the two meet and whichever comes first.
struct EventCorrection {
  std::string event_id;          ///< of the event that was wrong
  std::string_view original;     ///< that event as it was sent (JSON); empty: it is looked up
  std::string_view replacement;  ///< what counts instead (JSON); empty: nothing does
};

/// A correction that was taken: it is on disk.
struct CorrectionAck {
  Watermark reflected_at;   ///< pass to RecommendRequest::min_offset to read your own write
  std::string found_in;     ///< what the wrong event said is known from: "caller", "event_log", "postgres"
  std::string replaced_by;  ///< event_id of what counts instead; empty: nothing does
};

}  // namespace cairn

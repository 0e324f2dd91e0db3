#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "cairn/source_position.h"

namespace cairn {

/// What became of events handed to Engine::ingest. Accepted ones are on disk: a crash after this loses nothing.
struct IngestAck {
  /// An event that was refused.
  struct Rejection {
    std::size_t index = 0;  ///< position among the events handed in
    std::string reason;
  };

  std::size_t accepted = 0;
  std::size_t rejected = 0;           ///< decoding refused them; kept in the dead letters
  Watermark reflected_at;             ///< pass to RecommendRequest::min_offset to read your own write
  std::vector<Rejection> rejections;  ///< the first 100; none when it is repeated
  /// The events were taken before, under the same idempotency key, and nothing was taken now: the rest is what the
  /// first call was told.
  bool repeated = false;
};

}  // namespace cairn

#pragma once

#include <string_view>

#include "tools/cairn/api_client.h"
#include "tools/cairn/chunk.h"

namespace cairn::cli {

/// Posts a chunk as NDJSON. Answers of 503 (the server has too much to do) are tried again, after what Retry-After says
/// or twice as long each time, for a minute in all.
/// Returns: the answer, of any code but 503; UNAVAILABLE when there is no connection, or only 503 for a minute.
[[nodiscard]] Result<HttpReply> post_chunk(const GlobalOptions& options, std::string_view target, const Chunk& chunk);

}  // namespace cairn::cli

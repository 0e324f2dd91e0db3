#pragma once

#include <string_view>

#include "tools/cairn/api_client.h"
#include "tools/cairn/chunk.h"

namespace cairn::cli {

/// Posts a chunk as NDJSON. Answers of 503 (the server has too much to do) and 504 (the chunk waited past its deadline
/// there) mean that nothing was taken: the chunk is sent again, after what Retry-After says or twice as long each time,
/// for a minute in all. Returns: the answer, of any code but these; UNAVAILABLE when there is no connection; the
/// server's own error when it gave only these for a minute.
/// `idempotency_key`, `unanswered`: see HttpRequest.
[[nodiscard]] Result<HttpReply> post_chunk(const GlobalOptions& options, std::string_view target, const Chunk& chunk,
                                           std::string_view idempotency_key = {}, bool* unanswered = nullptr);

}  // namespace cairn::cli

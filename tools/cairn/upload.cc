#include "tools/cairn/upload.h"

#include <algorithm>
#include <cstdio>
#include <string>
#include <thread>

namespace cairn::cli {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirstPause{100};
constexpr milliseconds kLongestPause{5'000};
constexpr milliseconds kPatience{60'000};
constexpr milliseconds kTimeout{60'000};

}  // namespace

Result<HttpReply> post_chunk(const GlobalOptions& options, std::string_view target, const Chunk& chunk,
                             std::string_view idempotency_key, bool* unanswered) {
  const std::string body = chunk.body();
  std::string told;
  const auto give_up = std::chrono::steady_clock::now() + kPatience;
  for (milliseconds pause = kFirstPause;; pause = std::min(pause * 2, kLongestPause)) {
    CAIRN_ASSIGN_OR_RETURN(HttpReply reply, try_call(options, {.method = "POST",
                                                               .target = target,
                                                               .body = body,
                                                               .content_type = "application/x-ndjson",
                                                               .idempotency_key = idempotency_key,
                                                               .timeout = kTimeout,
                                                               .unanswered = unanswered}));
    // Both say that nothing of the chunk was taken: the server was full, or the chunk waited past its deadline there.
    if (reply.code != 503 && reply.code != 504) return reply;
    const milliseconds asked = std::chrono::seconds(std::clamp(reply.retry_after_seconds, 0, 60));
    const milliseconds wait = std::max(pause, asked);
    if (std::chrono::steady_clock::now() + wait > give_up) return error_of(reply);
    if (Status why = error_of(reply); !options.quiet && why.message() != told) {
      told = why.message();
      std::fprintf(stderr, "cairn: the server takes nothing at present, trying again: %s\n", told.c_str());
    }
    std::this_thread::sleep_for(wait);
  }
}

}  // namespace cairn::cli

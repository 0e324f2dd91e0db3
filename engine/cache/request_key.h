#pragma once

#include <optional>
#include <string>

#include "cairn/recommendation.h"

namespace cairn::cache {

/// What two requests have in common that have one answer: all that the answer is made of, as bytes. The order of lists
/// that mean sets does not count, nor what a caller is content with (min_offset, max_staleness).
/// Returns: nullopt for a request whose answer is not worth keeping: about another moment than now, about a position
/// fixed earlier, a further page, whatever is drawn, and long lists (4 KiB in all), which nobody is likely to repeat.
[[nodiscard]] std::optional<std::string> key_of(const RecommendRequest& request);

}  // namespace cairn::cache

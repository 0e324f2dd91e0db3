#pragma once

#include <string>

#include "cairn/recommendation.h"
#include "cairn/status.h"

namespace cairn::cache {

/// The letters that RecommendRequest::cell may have: from 4.9 km x 4.9 km to 38 m x 19 m.
inline constexpr int kGridLettersMin = 5;
inline constexpr int kGridLettersMax = 8;

/// A geohash as it is compared: in small letters.
[[nodiscard]] std::string small_letters(std::string cell);

/// The request as it is asked at the centre of a cell: the one that it names, or the one of `letters` letters around
/// its position where it snaps. Position and cell are both set then. A request that does neither is as it was. Returns:
/// INVALID_ARGUMENT for a cell that is none, or with a position beside it, and for snapping without a position.
[[nodiscard]] Result<RecommendRequest> on_grid(const RecommendRequest& request, int letters);

}  // namespace cairn::cache

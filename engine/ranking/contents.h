#pragma once

#include <string>

#include "cairn/options.h"
#include "engine/ranking/score/place_scan.h"

namespace cairn::ranking {

/// What answers are made with, by its contents, so that two daemons can tell whether they would answer alike: every
/// place of the index, the model by its version, every number of the ranker, and the options. 128 bits of each; a
/// hash of a million places takes about a tenth of a second.
[[nodiscard]] std::string describe_contents(const PlaceScan& places, const RankingOptions& options);

}  // namespace cairn::ranking

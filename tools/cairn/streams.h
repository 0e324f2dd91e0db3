#pragma once

#include <cstdint>
#include <string>

#include "cairn/place.h"
#include "cairn/status.h"
#include "engine/learning/datasets/dataset.h"

namespace cairn::cli {

/// "city", made up with this seed, or the published check-ins "foursquare" and "gowalla" in the folder `data`.
/// Returns: INVALID_ARGUMENT when the folder is missing; what the loaders return.
[[nodiscard]] Result<datasets::Dataset> load_dataset(const std::string& name, const std::string& data,
                                                     std::uint64_t seed);

/// The places of a file that `cairn places import` takes.
/// Returns: INVALID_ARGUMENT with file and line; what PlaceSource returns.
[[nodiscard]] Result<std::vector<Place>> read_places(const std::string& path);

}  // namespace cairn::cli

#pragma once

#include <string>
#include <vector>

namespace cairn::ranking {

/// The one of `names` that was probably meant by `name`, whatever its capitals. Returns: empty when none is near.
[[nodiscard]] std::string nearest_name(const std::string& name, const std::vector<std::string>& names);

}  // namespace cairn::ranking

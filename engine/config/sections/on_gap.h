#pragma once

#include <string>
#include <utility>
#include <vector>

#include "cairn/options.h"

namespace cairn::config {

/// The words of `on_gap`, which each kind of source has.
[[nodiscard]] inline std::vector<std::pair<std::string, OnGap>> on_gap_words() {
  return {{"stop", OnGap::kStop}, {"accept", OnGap::kAccept}};
}

}  // namespace cairn::config

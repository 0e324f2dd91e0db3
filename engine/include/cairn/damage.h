#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>

#include "cairn/status.h"

namespace cairn {

/// Something of what is stored that is damaged or missing.
struct Damage {
  std::string what;    ///< names the file, or the row by its key, and where one is known the byte or offset
  std::string remedy;  ///< what to do about it
};

/// The damage that `status` tells of. Its remedy is what stands behind "; restore" or "; use", else `remedy`.
/// Requires: an error.
[[nodiscard]] inline Damage damage_of(const Status& status, std::string remedy) {
  const std::string& text = status.message();
  const std::size_t behind = std::min(text.find("; restore "), text.find("; use "));
  if (behind == std::string::npos) return {text, std::move(remedy)};
  return {text.substr(0, behind), text.substr(behind + 2)};
}

}  // namespace cairn

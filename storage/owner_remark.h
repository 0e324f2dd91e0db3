#pragma once

#include <string>

namespace cairn::storage {

/// "; ..." with the remedy for a path that we may not use: whose its nearest existing part is, and who we are.
[[nodiscard]] std::string owner_remark(const std::string& path);

}  // namespace cairn::storage

#pragma once

#include <string_view>

namespace cairn::storage {

/// The version of the layout that storage/format.md describes. A store of another version is not opened.
inline constexpr int kFormatVersion = 2;

/// Where Family::kMeta keeps it, in decimal digits. Keys that begin with "storage." belong to the store.
inline constexpr std::string_view kFormatVersionKey = "storage.format_version";

}  // namespace cairn::storage

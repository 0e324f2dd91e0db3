#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "cairn/status.h"

namespace cairn::storage {

[[nodiscard]] std::string manifest_name(std::uint64_t number);
/// The number in the name of a MANIFEST ("MANIFEST-000012"); nothing for other names. A path before the name is passed
/// over.
[[nodiscard]] std::optional<std::uint64_t> manifest_number(std::string_view name);

/// The write-ahead logs in a directory: their paths by their numbers.
[[nodiscard]] std::map<std::uint64_t, std::string> log_files(const std::string& directory);

/// The name of a file that only a store with data in it has; nothing when there is none. A crash while a store is being
/// made can leave its first MANIFEST and nothing else. Returns: UNAVAILABLE.
[[nodiscard]] Result<std::optional<std::string>> some_data_file(const std::string& directory);

/// The MANIFEST that the directory's CURRENT names, which need not be there.
[[nodiscard]] std::string current_manifest(const std::string& directory);

}  // namespace cairn::storage

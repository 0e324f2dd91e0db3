#pragma once

#include <optional>
#include <string>

#include "storage/last_flush_mark.h"

namespace cairn::storage {

/// Whether the MANIFEST that CURRENT names is one of an earlier moment than `flush`: cut, or an older file. To RocksDB
/// such a one is whole. It would open the store as it was then, and delete the files of later ones.
/// Returns: what is lost, with file and byte; nothing when all is there.
[[nodiscard]] std::optional<std::string> find_manifest_loss(const std::string& directory, const LastFlush& flush);

}  // namespace cairn::storage

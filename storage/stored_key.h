#pragma once

#include <string>
#include <string_view>

#include "storage/write_batch.h"

namespace cairn::storage {

/// A key as RocksDB has it: the family's byte, then the caller's key.
[[nodiscard]] inline std::string stored_key(Family family, std::string_view key) {
  std::string stored;
  stored.reserve(key.size() + 1);
  stored.push_back(family_byte(family));
  stored.append(key);
  return stored;
}

/// The caller's key. Requires: made by stored_key().
[[nodiscard]] inline std::string_view without_family(std::string_view stored) { return stored.substr(1); }

}  // namespace cairn::storage

#include "engine/cache/tag_versions.h"

#include <functional>

namespace cairn::cache {

TagVersions::Slot TagVersions::slot_of(TagKind kind, std::string_view name) noexcept {
  // The kind is mixed in as a multiple of an odd number, so that a user and a place of one name do not meet.
  const std::uint64_t hash =
      std::hash<std::string_view>{}(name) + 0x9E3779B97F4A7C15ULL * (static_cast<std::uint64_t>(kind) + 1);
  return static_cast<Slot>((hash ^ hash >> 32) & (kCounters - 1));
}

}  // namespace cairn::cache

#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace cairn {

/// A category of places, by the name that it has now.
struct Category {
  std::string name;
  std::uint64_t places = 0;            ///< in the catalogue, deleted ones not counted
  std::vector<std::string> old_names;  ///< that mean it too: of before a renaming, or of what was merged into it
};

/// What a category is to be called from now on.
enum class CategoryTarget : std::uint8_t {
  kNewName,   ///< a name that no category has
  kExisting,  ///< another category: the two become one
};

}  // namespace cairn

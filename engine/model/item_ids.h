#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "gpu/top_k.h"

namespace cairn::model {

/// The order of rows: ids that are decimal numbers first, by value, then all others by their bytes. It depends on the
/// ids alone, not on the order in which they were read.
[[nodiscard]] bool id_before(std::string_view a, std::string_view b) noexcept;

/// Finds the row of an id. It views the ids that it was made of: they must outlive it and stay where they are.
class IdIndex {
 public:
  IdIndex() = default;
  explicit IdIndex(std::span<const std::string> ids);

  /// Returns: the row, or gpu::kNoRow.
  [[nodiscard]] std::uint32_t find(std::string_view id) const noexcept;
  /// Returns: for each of the ids its row, or gpu::kNoRow.
  [[nodiscard]] std::vector<std::uint32_t> find_all(std::span<const std::string> ids) const;

 private:
  std::unordered_map<std::string_view, std::uint32_t> rows_;
};

}  // namespace cairn::model

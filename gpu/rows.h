#pragma once

#include <cstdint>
#include <limits>

namespace cairn::gpu {

/// Says "no row" where a row's number is expected, for example in answers with fewer rows than were asked for. No matrix
/// has a row of this number: check_items refuses that many rows.
inline constexpr std::uint32_t kNoRow = std::numeric_limits<std::uint32_t>::max();

/// The rows [begin, end) of a matrix; empty when both are equal. Requires: begin <= end.
struct RowRange {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;

  friend bool operator==(const RowRange&, const RowRange&) = default;
};

}  // namespace cairn::gpu

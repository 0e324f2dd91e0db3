#include "gpu/check_rows.h"

#include <algorithm>
#include <string>

namespace cairn::gpu {

Status check_ranges(std::span<const RowRange> ranges, std::size_t rows) {
  std::uint32_t previous_end = 0;
  for (const RowRange& range : ranges) {
    if (range.begin > range.end || range.begin < previous_end || range.end > rows) {
      return invalid_argument("row range [" + std::to_string(range.begin) + ", " + std::to_string(range.end) +
                              ") is not ascending, overlaps the one before it or ends past " + std::to_string(rows) +
                              " rows");
    }
    previous_end = range.end;
  }
  return ok_status();
}

Status check_allowed(std::span<const std::uint64_t> allowed, std::size_t rows) {
  const std::size_t words = (rows + 63) / 64;
  if (allowed.size() == words) return ok_status();
  return invalid_argument("a bitmap of " + std::to_string(rows) + " rows has " + std::to_string(words) +
                          " words, not " + std::to_string(allowed.size()));
}

Status check_excluded(std::span<const std::uint32_t> excluded) {
  if (std::is_sorted(excluded.begin(), excluded.end())) return ok_status();
  return invalid_argument("excluded rows have to be in ascending order");
}

}  // namespace cairn::gpu

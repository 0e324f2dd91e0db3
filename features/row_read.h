#pragma once

#include <cstdint>
#include <limits>
#include <span>

#include "features/row_columns.h"
#include "features/row_raw.h"

namespace cairn::features {

// What row_read.cc, which reads a row's frame, and row_read_body.cc, which reads the columns of a block, share.

using Problem = const char*;  ///< what is wrong with the bytes; nullptr: nothing so far

/// The time that lies `by` ms before `from`.
[[nodiscard]] constexpr std::int64_t back(std::int64_t from, std::uint64_t by) noexcept {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(from) - by);
}

/// A block's entries, which are to be filled, and what is known of them before its columns.
struct Body {
  std::span<RawEntry> entries;
  Aggregate aggregate;
  std::int64_t half_life_ms;
  std::int64_t newest_ms;
  std::uint64_t unit_ms;
  unsigned flags;
  Dimensions dimensions;
};

/// Reads the columns of a body into its entries, which are as they were constructed. Numbers may be zeros where the
/// cursor failed, so ask it behind. Requires: an entry at least.
[[nodiscard]] Problem read_columns(const Body& body, Cursor* in);

}  // namespace cairn::features

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "gpu/top_k.h"

namespace cairn::gpu {

/// The tiles [tile_begin, tile_end); of each of them the rows whose bits are set in `mask`.
struct TileRun {
  std::size_t tile_begin = 0;
  std::size_t tile_end = 0;
  std::uint64_t mask = ~std::uint64_t{0};
};

/// The tiles of a matrix that a filter's ranges touch, in ascending order. Tiles that lie whole in a range are joined
/// to long runs; a tile at the edge of a range is a run of its own. A tile that several ranges touch appears once.
[[nodiscard]] std::vector<TileRun> tile_runs(const RowFilter& filter, std::size_t rows);

/// How many rows of the runs a filter's bitmap lets pass.
[[nodiscard]] std::size_t count_passing(const std::vector<TileRun>& runs, const RowFilter& filter);

/// How many rows the runs hold.
[[nodiscard]] std::size_t count_rows(const std::vector<TileRun>& runs);

/// Appends the rows of the runs that pass the bitmap and are not excluded, ascending.
void append_passing(const std::vector<TileRun>& runs, const RowFilter& filter, std::vector<std::uint32_t>* rows);

/// Whether the filter lets this row pass.
[[nodiscard]] bool passes(const RowFilter& filter, std::uint32_t row);

}  // namespace cairn::gpu

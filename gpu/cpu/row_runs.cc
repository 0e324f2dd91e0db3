#include "gpu/cpu/row_runs.h"

#include <algorithm>
#include <bit>

#include "gpu/cpu/kernels.h"

namespace cairn::gpu {
namespace {

constexpr std::uint64_t kAllRows = ~std::uint64_t{0};

std::uint64_t rows_from(std::size_t lane) { return kAllRows << lane; }
std::uint64_t rows_before(std::size_t lane) { return lane == kTileRows ? kAllRows : (std::uint64_t{1} << lane) - 1; }

void add_run(std::vector<TileRun>* runs, const TileRun& run) {
  if (run.tile_begin == run.tile_end || run.mask == 0) return;
  // Ranges ascend, so a tile that two of them touch is at the end of the one and at the beginning of the other: the run
  // that was added last. One tile has to be one run, or its rows would be scanned twice.
  if (!runs->empty() && run.tile_end - run.tile_begin == 1) {
    TileRun& last = runs->back();
    if (last.tile_begin == run.tile_begin && last.tile_end == run.tile_end) {
      last.mask |= run.mask;
      return;
    }
  }
  runs->push_back(run);
}

void add_range(std::vector<TileRun>* runs, std::size_t begin, std::size_t end) {
  if (begin == end) return;
  const std::size_t first = begin / kTileRows;
  const std::size_t last = (end - 1) / kTileRows;
  const std::uint64_t from = rows_from(begin % kTileRows);
  const std::uint64_t before = rows_before((end - 1) % kTileRows + 1);
  if (first == last) return add_run(runs, {first, first + 1, from & before});
  // An edge tile that is whole belongs to the run of whole tiles.
  const std::size_t whole_begin = from == kAllRows ? first : first + 1;
  const std::size_t whole_end = before == kAllRows ? last + 1 : last;
  if (whole_begin != first) add_run(runs, {first, first + 1, from});
  add_run(runs, {whole_begin, whole_end, kAllRows});
  if (whole_end == last) add_run(runs, {last, last + 1, before});
}

std::uint64_t passing(const RowFilter& filter, const TileRun& run, std::size_t tile) {
  return run.mask & (filter.allowed ? (*filter.allowed)[tile] : kAllRows);
}

}  // namespace

std::vector<TileRun> tile_runs(const RowFilter& filter, std::size_t rows) {
  std::vector<TileRun> runs;
  if (!filter.ranges) {
    add_range(&runs, 0, rows);
  } else {
    for (const RowRange& range : *filter.ranges) add_range(&runs, range.begin, range.end);
  }
  return runs;
}

std::size_t count_passing(const std::vector<TileRun>& runs, const RowFilter& filter) {
  if (!filter.allowed) return count_rows(runs);
  std::size_t count = 0;
  for (const TileRun& run : runs) {
    for (std::size_t tile = run.tile_begin; tile < run.tile_end; ++tile) {
      count += static_cast<std::size_t>(std::popcount(passing(filter, run, tile)));
    }
  }
  return count;
}

std::size_t count_rows(const std::vector<TileRun>& runs) {
  std::size_t count = 0;
  for (const TileRun& run : runs) {
    count += (run.tile_end - run.tile_begin) * static_cast<std::size_t>(std::popcount(run.mask));
  }
  return count;
}

void append_passing(const std::vector<TileRun>& runs, const RowFilter& filter, std::vector<std::uint32_t>* rows) {
  // Both the rows and the excluded ones ascend, so one walk through both is enough.
  auto excluded = filter.excluded.begin();
  for (const TileRun& run : runs) {
    for (std::size_t tile = run.tile_begin; tile < run.tile_end; ++tile) {
      for (std::uint64_t left = passing(filter, run, tile); left != 0; left &= left - 1) {
        const auto row =
            static_cast<std::uint32_t>(tile * kTileRows + static_cast<std::size_t>(std::countr_zero(left)));
        while (excluded != filter.excluded.end() && *excluded < row) ++excluded;
        if (excluded == filter.excluded.end() || *excluded != row) rows->push_back(row);
      }
    }
  }
}

bool passes(const RowFilter& filter, std::uint32_t row) {
  if (filter.allowed && ((*filter.allowed)[row / 64] >> (row % 64) & 1) == 0) return false;
  if (std::binary_search(filter.excluded.begin(), filter.excluded.end(), row)) return false;
  if (!filter.ranges) return true;
  const auto after = std::upper_bound(filter.ranges->begin(), filter.ranges->end(), row,
                                      [](std::uint32_t r, const RowRange& range) { return r < range.end; });
  return after != filter.ranges->end() && after->begin <= row;
}

}  // namespace cairn::gpu

#include <algorithm>
#include <cstddef>

#include "features/row_columns.h"
#include "features/row_raw.h"

// Where the columns of a block end, without reading them: format.md's body from the dimensions on.

namespace cairn::features {
namespace {

void skip_column(std::size_t n, Cursor* in) noexcept {
  if (n == 1) return in->skip_varints(1);
  const unsigned width = in->byte();
  in->skip_packed(width, n);
}

void skip_long_column(std::size_t entries, std::size_t n, Cursor* in) noexcept {
  if (entries < kPackedEntriesMin) return in->skip_varints(n);
  const unsigned width = in->byte();
  in->skip_packed(width, n);
}

void skip_sums(std::size_t entries, Cursor* in) noexcept {
  const unsigned form = in->byte();
  std::size_t singles = (form & kAllSingle) != 0 ? entries : 0;
  if ((form & (kAllSingle | kNoSingle)) == 0) {
    in->packed(1, entries, [&](std::size_t, std::uint64_t single) { singles += single; });
  }
  const std::size_t others = entries - singles;
  if (singles > 0 && (form & kSinglesOne) == 0) skip_column(singles, in);
  if (others == 0) return;
  skip_column(others, in);
  in->skip_packed((form & kMantissasWhole) != 0 ? 64 : kMantissaBits, others);
}

}  // namespace

void skip_columns(const RawBlock& block, Cursor* in) noexcept {
  const std::size_t entries = block.encoded_size;
  const bool sequence = block.aggregate == Aggregate::kSequence;
  const auto dimensions = static_cast<Dimensions>(block.flags >> kDimensionShift & 3u);
  if (dimensions == Dimensions::kWritten && sequence) {
    skip_long_column(entries, entries, in);
  } else if (dimensions == Dimensions::kWritten) {
    in->skip_varints(entries);
  }
  if (entries > 1) skip_long_column(entries, entries - (times_ascend(block.aggregate, dimensions) ? 1 : 0), in);
  if ((block.flags & kCountsOne) == 0) skip_column(entries, in);
  if ((block.flags & kPlain) != 0) return;
  if (block.aggregate == Aggregate::kDecayedSum) {
    skip_sums(entries, in);
  } else {
    skip_column(entries, in);
  }
}

}  // namespace cairn::features

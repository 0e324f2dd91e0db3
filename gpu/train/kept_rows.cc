#include "gpu/train/kept_rows.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "gpu/parallel.h"

namespace cairn::gpu {
namespace {

struct Entry {
  float rank;
  std::uint32_t column;

  friend bool operator<(const Entry& a, const Entry& b) {  // the larger first
    return a.rank > b.rank || (a.rank == b.rank && a.column < b.column);
  }
};

/// The `keep` largest of a row, in any order. Most values of a long row are ruled out by one comparison.
std::vector<Entry> largest_of(std::span<const float> values, std::size_t diagonal, std::size_t keep, KeptBy by) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const std::size_t room = 4 * keep;
  const auto last = static_cast<std::ptrdiff_t>(keep - 1);
  std::vector<Entry> entries;
  float smallest = -kInfinity;
  for (std::size_t c = 0; c < values.size(); ++c) {
    const float rank = by == KeptBy::kMagnitude ? std::fabs(values[c]) : values[c];
    // `smallest` is reached by `keep` entries of lower columns, so an equal one further right loses. It is sharpened
    // when the list has grown to four times what is kept, so that a selection is paid for by many entries.
    if (rank <= smallest || values[c] == 0.0F || c == diagonal) continue;
    // NaN goes to the top, to be found in the end.
    entries.push_back({std::isnan(rank) ? kInfinity : rank, static_cast<std::uint32_t>(c)});
    if (entries.size() < room) continue;
    std::nth_element(entries.begin(), entries.begin() + last, entries.end());
    entries.resize(keep);
    smallest = entries.back().rank;
  }
  if (entries.size() > keep) {
    std::nth_element(entries.begin(), entries.begin() + last, entries.end());
    entries.resize(keep);
  }
  return entries;
}

}  // namespace

KeptRows::KeptRows(std::size_t items, std::size_t keep, KeptBy by)
    : items_(items),
      keep_(std::min(items, keep)),
      by_(by),
      counts_(items),
      columns_(items * keep_),
      values_(items * keep_) {}

void KeptRows::put(std::size_t first, std::span<const float> rows, std::size_t threads) {
  parallel_for(threads, rows.size() / items_,
               [&](std::size_t r) { put_row(first + r, rows.subspan(r * items_, items_)); });
}

void KeptRows::put_row(std::size_t row, std::span<const float> values) {
  if (keep_ == 0) return;
  std::vector<Entry> entries = largest_of(values, row, keep_, by_);
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.column < b.column; });
  counts_[row] = static_cast<std::uint32_t>(entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    columns_[row * keep_ + i] = entries[i].column;
    values_[row * keep_ + i] = values[entries[i].column];
  }
}

Result<SparseWeights> KeptRows::finish() && {
  std::vector<std::uint64_t> offsets{0};
  for (std::size_t row = 0; row < items_; ++row) {  // closes the gaps
    const std::size_t end = offsets.back();
    for (std::size_t i = 0; i < counts_[row]; ++i) {
      columns_[end + i] = columns_[row * keep_ + i];
      values_[end + i] = values_[row * keep_ + i];
    }
    offsets.push_back(end + counts_[row]);
  }
  columns_.resize(offsets.back());
  values_.resize(offsets.back());
  columns_.shrink_to_fit();
  values_.shrink_to_fit();
  if (!std::all_of(values_.begin(), values_.end(), [](float value) { return std::isfinite(value); })) {
    return invalid_argument("weights between items are not finite: values are too large or too small");
  }
  return SparseWeights::take(items_, std::move(offsets), std::move(columns_), std::move(values_));
}

}  // namespace cairn::gpu

#include "gpu/train/kept_rows.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <utility>

#include "gpu/cpu/parallel.h"

namespace cairn::gpu {
namespace {

constexpr float kLeast = -std::numeric_limits<float>::infinity();

/// What entries of a row are compared by. What is not to be kept at all is least; NaN is largest, to be found later.
std::vector<float> ranks_of(std::span<const float> values, std::size_t diagonal, KeptBy by) {
  std::vector<float> ranks(values.size());
  for (std::size_t c = 0; c < ranks.size(); ++c) {
    const float rank = by == KeptBy::kMagnitude ? std::fabs(values[c]) : values[c];
    ranks[c] = values[c] == 0.0F ? kLeast : std::isnan(rank) ? -kLeast : rank;
  }
  ranks[diagonal] = kLeast;
  return ranks;
}

/// The `keep`-th largest, or the least where there are no more than that.
float smallest_kept(std::vector<float> ranks, std::size_t keep) {
  if (ranks.size() <= keep) return kLeast;
  const auto place = ranks.begin() + static_cast<std::ptrdiff_t>(keep - 1);
  std::nth_element(ranks.begin(), place, ranks.end(), std::greater<>());
  return *place;
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
  const std::vector<float> ranks = ranks_of(values, row, by_);
  const float smallest = smallest_kept(ranks, keep_);
  const auto above =
      static_cast<std::size_t>(std::count_if(ranks.begin(), ranks.end(), [&](float rank) { return rank > smallest; }));
  std::size_t equal = keep_ - above;  // of those that rank like the smallest, the first so many
  std::uint32_t& count = counts_[row];
  for (std::size_t c = 0; c < items_; ++c) {
    if (ranks[c] == kLeast || ranks[c] < smallest) continue;
    if (ranks[c] == smallest && equal == 0) continue;
    if (ranks[c] == smallest) --equal;
    columns_[row * keep_ + count] = static_cast<std::uint32_t>(c);
    values_[row * keep_ + count] = values[c];
    ++count;
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

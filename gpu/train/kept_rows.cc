#include "gpu/train/kept_rows.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

#include "gpu/cpu/parallel.h"

namespace cairn::gpu {
namespace {

/// The `keep`-th largest magnitude, or 0 where there are no more than that.
float smallest_kept(std::span<const float> values, std::size_t keep) {
  if (values.size() <= keep) return 0.0F;
  std::vector<float> magnitudes(values.size());
  std::transform(values.begin(), values.end(), magnitudes.begin(), [](float value) { return std::fabs(value); });
  const auto place = magnitudes.begin() + static_cast<std::ptrdiff_t>(keep - 1);
  std::nth_element(magnitudes.begin(), place, magnitudes.end(), std::greater<>());
  return *place;
}

}  // namespace

KeptRows::KeptRows(std::size_t items, std::size_t keep)
    : items_(items), keep_(std::min(items, keep)), counts_(items), columns_(items * keep_), values_(items * keep_) {}

void KeptRows::put(std::size_t first, std::span<const float> rows, std::size_t threads) {
  parallel_for(threads, rows.size() / items_,
               [&](std::size_t r) { put_row(first + r, rows.subspan(r * items_, items_)); });
}

void KeptRows::put_row(std::size_t row, std::span<const float> values) {
  if (keep_ == 0) return;
  // The diagonal is one more that may be among the largest.
  std::vector<float> beside(values.begin(), values.end());
  beside[row] = 0.0F;
  const float smallest = smallest_kept(beside, keep_);
  const auto above = static_cast<std::size_t>(
      std::count_if(beside.begin(), beside.end(), [&](float value) { return !(std::fabs(value) <= smallest); }));
  std::size_t equal = keep_ - std::min(keep_, above);
  std::uint32_t& count = counts_[row];
  for (std::size_t c = 0; c < items_ && count < keep_; ++c) {
    const float magnitude = std::fabs(beside[c]);
    if (magnitude == 0.0F || magnitude < smallest) continue;
    if (magnitude == smallest && equal-- == 0) {
      equal = 0;
      continue;
    }
    columns_[row * keep_ + count] = static_cast<std::uint32_t>(c);
    values_[row * keep_ + count] = beside[c];
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

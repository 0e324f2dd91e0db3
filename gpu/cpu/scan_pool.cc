#include "gpu/cpu/scan_pool.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>

namespace cairn::gpu {
namespace {

/// A cut looks at all rows. It comes when they have doubled since the last, and not below this number, so that its cost
/// is constant for each row that came in, however many are tied.
constexpr std::size_t kLimitMin = 256;

/// Orders scores as integers, the best the least; -0 and 0 are equal.
std::uint32_t descending(float score) {
  const auto bits = std::bit_cast<std::uint32_t>(score + 0.0F);
  return (bits >> 31) != 0 ? bits : ~bits & 0x7FFFFFFFU;
}

}  // namespace

void ScanPool::reset(std::size_t k, float slack) {
  k_ = k;
  slack_ = slack;
  count_ = 0;
  limit_ = std::max(2 * std::min(k, std::numeric_limits<std::size_t>::max() / 2), kLimitMin);
  threshold_ = -std::numeric_limits<float>::infinity();
}

void ScanPool::make_room(std::size_t rows) {
  if (rows_.size() >= count_ + rows) return;
  const std::size_t size = std::max(count_ + rows, 2 * rows_.size());
  rows_.resize(size);
  scores_.resize(size);
}

void ScanPool::commit(std::size_t rows) {
  count_ += rows;
  if (count_ <= limit_) return;
  cut();
  limit_ = std::max(kLimitMin, 2 * count_);
}

void ScanPool::cut() {
  if (k_ == 0 || count_ < k_) return;
  scratch_.assign(scores_.begin(), scores_.begin() + static_cast<std::ptrdiff_t>(count_));
  const auto kth = scratch_.begin() + static_cast<std::ptrdiff_t>(k_ - 1);
  std::nth_element(scratch_.begin(), kth, scratch_.end(), std::greater<>());
  // An infinite slack keeps everything; infinity less infinity would be NaN.
  if (std::isfinite(slack_)) raise_threshold(*kth - slack_);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < count_; ++i) {
    const float score = scores_[i];
    rows_[kept] = rows_[i];
    scores_[kept] = score;
    kept += score >= threshold_ ? 1 : 0;
  }
  count_ = kept;
}

void ScanPool::append(const ScanPool& others) {
  raise_threshold(others.threshold_);
  make_room(others.count_);
  std::copy_n(others.rows_.begin(), others.count_, next_rows());
  std::copy_n(others.scores_.begin(), others.count_, next_scores());
  commit(others.count_);
}

void ScanPool::finish(std::vector<std::uint32_t>* rows, std::vector<float>* scores) {
  cut();
  // A score above its place in one integer: much cheaper to sort than an order of indices.
  std::vector<std::uint64_t> order(count_);
  for (std::size_t i = 0; i < count_; ++i) order[i] = std::uint64_t{descending(scores_[i])} << 32 | i;
  std::sort(order.begin(), order.end());
  rows->resize(count_);
  scores->resize(count_);
  for (std::size_t i = 0; i < count_; ++i) {
    const auto from = static_cast<std::uint32_t>(order[i]);
    (*rows)[i] = rows_[from];
    (*scores)[i] = scores_[from];
  }
}

}  // namespace cairn::gpu

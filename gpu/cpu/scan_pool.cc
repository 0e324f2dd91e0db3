#include "gpu/cpu/scan_pool.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>

namespace cairn::gpu {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// A cut looks at all rows. It comes when they are more by this and by a quarter than the last one left, so that its
/// cost is constant for each row that came in, however many are tied.
constexpr std::size_t kNewRowsMin = 64;

std::size_t limit_after(std::size_t rows) { return rows + kNewRowsMin + rows / 4; }

/// Orders scores as integers, the best the least; -0 and 0 are equal.
std::uint32_t descending(float score) {
  const auto bits = std::bit_cast<std::uint32_t>(score + 0.0F);
  return (bits >> 31) != 0 ? bits : ~bits & 0x7FFFFFFFU;
}

/// A row's place in the pool below the order of its score.
using Ordered = std::vector<std::uint64_t>;

/// Sorts by the upper halves, a byte at a time from the lowest, and leaves equals in their order: linear, and without a
/// branch that depends on scores.
void sort_by_score(Ordered* all, Ordered* scratch) {
  constexpr std::size_t kDigits = 4;
  std::uint32_t counts[kDigits][256] = {};
  for (const std::uint64_t one : *all) {
    for (std::size_t d = 0; d < kDigits; ++d) ++counts[d][one >> (32 + 8 * d) & 255];
  }
  scratch->resize(all->size());
  for (std::size_t d = 0; d < kDigits; ++d) {
    const std::size_t shift = 32 + 8 * d;
    // All have the same digit: nothing to do.
    if (all->empty() || counts[d][all->front() >> shift & 255] == all->size()) continue;
    std::uint32_t next = 0;
    for (std::uint32_t& count : counts[d]) {
      const std::uint32_t begin = next;
      next += count;
      count = begin;
    }
    for (const std::uint64_t one : *all) (*scratch)[counts[d][one >> shift & 255]++] = one;
    all->swap(*scratch);
  }
}

}  // namespace

void ScanPool::reset(const ScanKernels* kernels, std::size_t k, float slack) {
  kernels_ = kernels;
  k_ = k;
  slack_ = slack;
  count_ = cut_ = 0;
  least_ = kInfinity;
  largest_ = -kInfinity;
  // No more than a table can have rows.
  limit_ = limit_after(std::min<std::size_t>(k, std::numeric_limits<std::uint32_t>::max()));
  threshold_ = -kInfinity;
  kth_bound_ = -kInfinity;
}

void ScanPool::make_room(std::size_t rows) {
  const std::size_t needed = count_ + rows + kScanRoom;
  if (rows_.size() >= needed) return;
  const std::size_t size = std::max(needed, 2 * rows_.size());
  rows_.resize(size);
  scores_.resize(size);
}

void ScanPool::commit(std::size_t rows) {
  count_ += rows;
  if (count_ <= limit_) return;
  cut();
  limit_ = limit_after(std::max(count_, k_));
}

/// At most the k-th best score, and close to it: halving an interval is much cheaper than a selection.
float ScanPool::kth_bound() {
  constexpr int kHalvings = 10;
  float least = 0.0F;
  float largest = 0.0F;
  // The rows that a cut left are in its bounds: only new ones are looked at.
  kernels_->range(scores_.data() + cut_, count_ - cut_, &least, &largest);
  least_ = std::min(least_, least);
  largest_ = std::max(largest_, largest);
  // At least k scores reach `low`, before each step and after it.
  float low = std::max(least_, kth_bound_);
  float high = largest_;
  // The middle of an infinite interval is infinite or NaN.
  if (!std::isfinite(high - low)) {
    std::vector<float> copy(scores_.begin(), scores_.begin() + static_cast<std::ptrdiff_t>(count_));
    const auto kth = copy.begin() + static_cast<std::ptrdiff_t>(k_ - 1);
    std::nth_element(copy.begin(), kth, copy.end(), std::greater<>());
    return *kth;
  }
  for (int i = 0; i < kHalvings && low < high; ++i) {
    const float middle = low + (high - low) * 0.5F;
    const std::size_t reaching = kernels_->count(scores_.data(), count_, middle);
    (reaching >= k_ ? low : high) = middle;
    if (reaching >= k_ && reaching <= k_ + k_ / 16) break;
  }
  return low;
}

void ScanPool::cut() {
  if (k_ == 0 || count_ < k_) return;
  kth_bound_ = kth_bound();
  // An infinite slack keeps everything; infinity less infinity would be NaN.
  if (std::isfinite(slack_)) raise_threshold(kth_bound_ - slack_);
  count_ = cut_ = kernels_->keep(rows_.data(), scores_.data(), count_, threshold_);
}

void ScanPool::append(const ScanPool& others) {
  raise_threshold(others.threshold_);
  make_room(others.count_);
  std::copy_n(others.rows_.begin(), others.count_, next_rows());
  std::copy_n(others.scores_.begin(), others.count_, next_scores());
  commit(others.count_);
}

void ScanPool::finish(std::vector<std::uint32_t>* rows, std::vector<float>* scores) {
  if (k_ == 0) return;
  cut();
  Ordered order(count_);
  Ordered scratch;
  for (std::size_t i = 0; i < count_; ++i) order[i] = std::uint64_t{descending(scores_[i])} << 32 | i;
  sort_by_score(&order, &scratch);
  float least = -kInfinity;
  if (count_ >= k_ && std::isfinite(slack_)) least = scores_[static_cast<std::uint32_t>(order[k_ - 1])] - slack_;
  for (const std::uint64_t one : order) {
    const auto from = static_cast<std::uint32_t>(one);
    if (!(scores_[from] >= least)) break;
    rows->push_back(rows_[from]);
    scores->push_back(scores_[from]);
  }
}

}  // namespace cairn::gpu

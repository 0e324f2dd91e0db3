#include "gpu/cpu/scan_pool.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <utility>

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
/// branch that depends on scores. Bytes that are the same in all are left out.
void sort_by_score(Ordered* all, Ordered* scratch) {
  std::uint64_t differs = 0;
  for (const std::uint64_t one : *all) differs |= one ^ all->front();
  scratch->resize(all->size());
  for (std::size_t shift = 32; shift < 64; shift += 8) {
    if ((differs >> shift & 255) == 0) continue;
    std::uint32_t at[256] = {};
    for (const std::uint64_t one : *all) ++at[one >> shift & 255];
    std::uint32_t next = 0;
    for (std::uint32_t& count : at) next += std::exchange(count, next);
    for (const std::uint64_t one : *all) (*scratch)[at[one >> shift & 255]++] = one;
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
  // At first as much as there will be until the first cut, if that is not very much.
  constexpr std::size_t kFirstMax = 8192;
  const std::size_t size = std::max({needed, 2 * rows_.size(), std::min(limit_, kFirstMax) + rows + kScanRoom});
  rows_.resize(size);
  scores_.resize(size);
}

void ScanPool::commit(std::size_t rows) {
  count_ += rows;
  if (count_ <= limit_) return;
  cut();
  limit_ = limit_after(std::max(count_, k_));
}

/// At most the k-th best score, and close to it: a few counts are much cheaper than a selection.
float ScanPool::kth_bound() {
  constexpr int kSteps = 9;
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
  // Scores thin out towards the best about exponentially: the logarithm of how many reach a bound falls about evenly
  // from all of them at `low` to one at `high`. So the step goes where that line has the k-th, and a little below, as
  // too low costs less than too high. Every third step halves the interval, which always gets on.
  const double wanted = std::log(static_cast<double>(k_) + static_cast<double>(k_) / 32.0 + 1.0);
  double low_count = std::log(static_cast<double>(count_));
  double high_count = 0.0;
  for (int i = 0; i < kSteps && low < high; ++i) {
    const double share = i % 3 == 2 ? 0.5 : (low_count - wanted) / std::max(low_count - high_count, 1e-9);
    const float middle = low + (high - low) * static_cast<float>(std::clamp(share, 0.01, 0.99));
    const std::size_t reaching = kernels_->count(scores_.data(), count_, middle);
    if (reaching >= k_ && reaching <= k_ + k_ / 12) return middle;
    (reaching >= k_ ? low : high) = middle;
    (reaching >= k_ ? low_count : high_count) = std::log(static_cast<double>(std::max<std::size_t>(reaching, 1)));
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

float ScanPool::settle() {
  cut();
  return threshold_;
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
  // Relative to a key that is none's worst, the upper bytes of most are 0.
  const std::uint32_t best =
      count_ == 0
          ? 0
          : descending(*std::max_element(scores_.begin(), scores_.begin() + static_cast<std::ptrdiff_t>(count_)));
  for (std::size_t i = 0; i < count_; ++i) order[i] = std::uint64_t{descending(scores_[i]) - best} << 32 | i;
  sort_by_score(&order, &scratch);
  float least = -kInfinity;
  if (count_ >= k_ && std::isfinite(slack_)) least = scores_[static_cast<std::uint32_t>(order[k_ - 1])] - slack_;
  rows->resize(count_);
  scores->resize(count_);
  std::size_t answered = 0;
  for (; answered < count_; ++answered) {
    const auto from = static_cast<std::uint32_t>(order[answered]);
    if (!(scores_[from] >= least)) break;
    (*rows)[answered] = rows_[from];
    (*scores)[answered] = scores_[from];
  }
  rows->resize(answered);
  scores->resize(answered);
}

}  // namespace cairn::gpu

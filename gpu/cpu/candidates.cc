#include "gpu/cpu/candidates.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace cairn::gpu {
namespace {

/// Candidates are shrunk when they have doubled since the last time, and not below this number: the cost of shrinking,
/// which looks at all of them, is then constant for each hit.
constexpr std::size_t kLimitMin = 32;
/// With more candidates than this left by their bounds, they are scored instead of kept.
constexpr std::size_t kSettleAt = 16384;
/// Three roundings of 2^-24 each, and some room.
constexpr float kRelativeRounding = 1.0F / (1 << 20);

}  // namespace

void Candidates::reset(const BoundKind& kind) {
  kind_ = kind;
  count_ = 0;
  checked_ = 0;
  limit_ = std::max(2 * kind.k, kLimitMin);
  threshold_ = -std::numeric_limits<float>::infinity();
}

void Candidates::raise_threshold(float threshold) noexcept { threshold_ = std::max(threshold_, threshold); }

HitList Candidates::room_for(std::size_t rows) {
  // Kernels write hits without checking for room, so there has to be some for every row of the tiles they scan.
  if (rows_.size() < count_ + rows) {
    const std::size_t size = std::max(count_ + rows, 2 * rows_.size());
    rows_.resize(size);
    upper_.resize(size);
    lower_.resize(size);
  }
  return {.rows = rows_.data(), .upper = upper_.data(), .lower = lower_.data(), .count = count_};
}

void Candidates::commit(const HitList& hits) {
  count_ = hits.count;
  if (count_ <= limit_) return;
  shrink();
  limit_ = std::max(kLimitMin, 2 * count_);
}

bool Candidates::crowded() const noexcept { return count_ > kSettleAt && !kind_.exact; }

void Candidates::add(const Candidates& others) {
  raise_threshold(others.threshold_);
  HitList room = room_for(others.count_);
  for (std::size_t i = 0; i < others.count_; ++i) {
    // The other part may have found these when its threshold was still lower.
    if (others.upper_[i] < threshold_) continue;
    room.rows[room.count] = others.rows_[i];
    room.upper[room.count] = others.upper_[i];
    room.lower[room.count] = others.lower_[i];
    ++room.count;
  }
  commit(room);
}

void Candidates::shrink() {
  drop_excluded();
  // Fewer rows than k rule out nothing: every one of them may be an answer.
  if (kind_.k == 0 || count_ < kind_.k) return;
  if (kind_.exact) return raise_threshold(keep_best());
  raise_threshold(rounded_down(kth_lower_bound()));
  drop_below_threshold();
}

float Candidates::kth_largest(const std::vector<float>& bounds) {
  // A copy, because the selection moves values about and rows have to stay beside their bounds.
  scratch_.assign(bounds.begin(), bounds.begin() + static_cast<std::ptrdiff_t>(count_));
  const auto kth = scratch_.begin() + static_cast<std::ptrdiff_t>(kind_.k - 1);
  std::nth_element(scratch_.begin(), kth, scratch_.end(), std::greater<>());
  return *kth;
}

/// At most the k-th largest lower bound, and close to it: halving an interval is much cheaper than a selection.
float Candidates::kth_lower_bound() {
  constexpr int kHalvings = 10;
  float low = 0.0F;
  float high = 0.0F;
  // At least k bounds reach `low` before every step and after it: all of them reach the least one, and the threshold of
  // a former call serves as well if k still reach it. So `low` is always a valid threshold, and after ten steps it is
  // too low by at most about a thousandth of the range.
  kind_.kernels->range_of(lower_.data(), count_, &low, &high);
  if (kind_.kernels->count_reaching(lower_.data(), count_, threshold_) >= kind_.k) low = std::max(low, threshold_);
  // The middle of an infinite interval is infinite or NaN.
  if (!std::isfinite(low) || !std::isfinite(high)) return kth_largest(lower_);
  for (int i = 0; i < kHalvings; ++i) {
    const float middle = low + (high - low) * 0.5F;
    (kind_.kernels->count_reaching(lower_.data(), count_, middle) >= kind_.k ? low : high) = middle;
  }
  return low;
}

/// A bound that rounding cannot lift above what it bounds.
float Candidates::rounded_down(float bound) const {
  if (!std::isfinite(bound)) return bound;
  return bound - (kind_.rounding + std::fabs(bound) * kRelativeRounding);
}

void Candidates::drop_below_threshold() {
  HitList hits = room_for(0);
  kind_.kernels->keep_reaching(&hits, threshold_);
  // The callers have dropped excluded rows before, so all that is left has been checked.
  count_ = checked_ = hits.count;
}

void Candidates::move_row(std::size_t from, std::size_t to) {
  rows_[to] = rows_[from];
  upper_[to] = upper_[from];
  lower_[to] = lower_[from];
}

void Candidates::drop_excluded() {
  // Scans do not test for excluded rows, since few rows are hits and the test is a search. An excluded row must not
  // count as one of the k that rule others out, which is why every shrinking begins here.
  if (kind_.excluded.empty()) return;
  std::size_t kept = checked_;
  for (std::size_t i = checked_; i < count_; ++i) {
    if (std::binary_search(kind_.excluded.begin(), kind_.excluded.end(), rows_[i])) continue;
    move_row(i, kept++);
  }
  count_ = checked_ = kept;
}

/// With scores in the place of upper bounds: keeps the k best, of equals the lower rows. Returns the k-th score.
float Candidates::keep_best() {
  std::vector<std::uint32_t> order(count_);
  std::iota(order.begin(), order.end(), 0U);
  const auto kth = order.begin() + static_cast<std::ptrdiff_t>(kind_.k - 1);
  std::nth_element(order.begin(), kth, order.end(), [&](std::uint32_t a, std::uint32_t b) {
    return upper_[a] > upper_[b] || (upper_[a] == upper_[b] && rows_[a] < rows_[b]);
  });
  const float kth_score = upper_[*kth];
  order.resize(kind_.k);
  std::sort(order.begin(), order.end());  // so that moves go to the left only
  for (std::size_t i = 0; i < order.size(); ++i) move_row(order[i], i);
  count_ = checked_ = order.size();
  return kth_score;
}

void Candidates::take_best(const Score& score, std::vector<std::uint32_t>* rows, std::vector<float>* scores) {
  shrink();
  if (kind_.exact || kind_.k == 0 || count_ <= kind_.k) return;
  // The rows with the best upper bounds are the likeliest answers. Their scores are known exactly then, and the worst
  // of them is a sharper threshold than any lower bound, so that few of the other rows need to be scored at all.
  const float least_bound = kth_largest(upper_);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < count_; ++i) {
    // More than k rows can reach the k-th bound, if some are equal: the first k are as good as any.
    if (upper_[i] >= least_bound && rows->size() < kind_.k) {
      rows->push_back(rows_[i]);
      continue;
    }
    move_row(i, kept++);
  }
  count_ = checked_ = kept;
  scores->resize(rows->size());
  score(*rows, *scores);
  raise_threshold(rounded_down(*std::min_element(scores->begin(), scores->end()) * kind_.inverse_scale));
  drop_below_threshold();
}

void Candidates::settle(const Score& score) {
  drop_excluded();
  if (count_ < kind_.k) return;
  // Scores take the place of the upper bounds, in their own units until the k best are known. Then they become bounds
  // in the units of the query's scale, because hits that come later are compared with them.
  score(rows(), std::span(upper_).first(count_));
  const float kth_score = keep_best();
  raise_threshold(rounded_down(kth_score * kind_.inverse_scale));
  for (std::size_t i = 0; i < count_; ++i) lower_[i] = upper_[i] = upper_[i] * kind_.inverse_scale;
}

}  // namespace cairn::gpu

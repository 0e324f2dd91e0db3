#include "gpu/cpu/candidates.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace cairn::gpu {
namespace {

constexpr std::size_t kLimitMin = 1024;
/// With more candidates than this left by their bounds, they are scored instead of kept.
constexpr std::size_t kSettleAt = 16384;
/// Three roundings of 2^-24 each, and some room.
constexpr float kRelativeRounding = 1.0F / (1 << 20);

}  // namespace

void Candidates::reset(const BoundKind& kind) {
  kind_ = kind;
  count_ = 0;
  checked_ = 0;
  limit_ = std::max(4 * kind.k, kLimitMin);
  threshold_ = -std::numeric_limits<float>::infinity();
}

void Candidates::raise_threshold(float threshold) noexcept { threshold_ = std::max(threshold_, threshold); }

HitList Candidates::room_for(std::size_t rows) {
  if (rows_.size() < count_ + rows) {
    const std::size_t size = std::max(count_ + rows, 2 * rows_.size());
    rows_.resize(size);
    upper_.resize(size);
    lower_.resize(size);
  }
  return {.rows = rows_.data(), .upper = upper_.data(), .lower = lower_.data(), .count = count_};
}

void Candidates::commit(const HitList& hits, const Score& score) {
  count_ = hits.count;
  shrink_if_many(score);
}

void Candidates::add(const Candidates& others, const Score& score) {
  raise_threshold(others.threshold_);
  HitList room = room_for(others.count_);
  for (std::size_t i = 0; i < others.count_; ++i) {
    if (others.upper_[i] < threshold_) continue;
    room.rows[room.count] = others.rows_[i];
    room.upper[room.count] = others.upper_[i];
    room.lower[room.count] = others.lower_[i];
    ++room.count;
  }
  commit(room, score);
}

void Candidates::shrink_if_many(const Score& score) {
  if (count_ <= limit_) return;
  shrink();
  if (count_ > kSettleAt) settle(score);
  limit_ = std::max(limit_, 2 * count_);
}

void Candidates::shrink() {
  drop_excluded();
  if (kind_.k == 0 || count_ < kind_.k) return;
  if (kind_.exact) return raise_threshold(keep_best());
  scratch_.assign(lower_.begin(), lower_.begin() + static_cast<std::ptrdiff_t>(count_));
  const auto kth = scratch_.begin() + static_cast<std::ptrdiff_t>(kind_.k - 1);
  std::nth_element(scratch_.begin(), kth, scratch_.end(), std::greater<>());
  raise_threshold(rounded_down(*kth));
  keep_reaching_threshold();
}

/// A bound that rounding cannot lift above what it bounds.
float Candidates::rounded_down(float bound) const {
  if (!std::isfinite(bound)) return bound;
  return bound - (kind_.rounding + std::fabs(bound) * kRelativeRounding);
}

void Candidates::drop_excluded() {
  std::size_t kept = checked_;
  for (std::size_t i = checked_; i < count_; ++i) {
    if (std::binary_search(kind_.excluded.begin(), kind_.excluded.end(), rows_[i])) continue;
    rows_[kept] = rows_[i];
    upper_[kept] = upper_[i];
    lower_[kept] = lower_[i];
    ++kept;
  }
  count_ = checked_ = kept;
}

void Candidates::keep_reaching_threshold() {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < count_; ++i) {
    if (upper_[i] < threshold_) continue;
    rows_[kept] = rows_[i];
    upper_[kept] = upper_[i];
    lower_[kept] = lower_[i];
    ++kept;
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
  for (std::size_t i = 0; i < order.size(); ++i) {
    rows_[i] = rows_[order[i]];
    upper_[i] = upper_[order[i]];
    lower_[i] = lower_[order[i]];
  }
  count_ = checked_ = order.size();
  return kth_score;
}

/// Scores what bounds could not rule out, which leaves the k best.
void Candidates::settle(const Score& score) {
  score(rows(), std::span(upper_).first(count_));
  const float kth_score = keep_best();
  raise_threshold(rounded_down(kth_score * kind_.inverse_scale));
  for (std::size_t i = 0; i < count_; ++i) lower_[i] = upper_[i] = upper_[i] * kind_.inverse_scale;
}

}  // namespace cairn::gpu

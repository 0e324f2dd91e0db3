#include "tools/cairn/load/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace cairn::load {
namespace {

constexpr unsigned kPartBits = 8;
constexpr std::uint64_t kParts = std::uint64_t{1} << kPartBits;
constexpr unsigned kValueBits = 42;
constexpr std::uint64_t kValueMax = (std::uint64_t{1} << kValueBits) - 1;

/// By how many bits values of this size are cut. Those below 512 are kept whole.
unsigned shift_of(std::uint64_t value) noexcept {
  const auto width = static_cast<unsigned>(std::bit_width(value));
  return width > kPartBits + 1 ? width - kPartBits - 1 : 0;
}

/// A shift's values, cut, go from 256 to 511: so the indices of two shifts never meet.
std::size_t index_of(std::uint64_t value) noexcept {
  const unsigned shift = shift_of(value);
  return static_cast<std::size_t>(shift * kParts + (value >> shift));
}

/// The largest value of a bucket.
std::uint64_t top_of(std::size_t index) noexcept {
  if (index < 2 * kParts) return index;
  const auto shift = static_cast<unsigned>(index / kParts - 1);
  const std::uint64_t part = index - shift * kParts;
  return ((part + 1) << shift) - 1;
}

}  // namespace

Histogram::Histogram() : counts_(index_of(kValueMax) + 1, 0) {}

void Histogram::record(std::chrono::nanoseconds value, std::uint64_t times) noexcept {
  if (times == 0) return;
  const auto ns = static_cast<std::uint64_t>(std::max<std::int64_t>(0, value.count()));
  counts_[index_of(std::min(ns, kValueMax))] += times;
  count_ += times;
  min_ = std::min(min_, ns);
  max_ = std::max(max_, ns);
  sum_ += static_cast<double>(ns) * static_cast<double>(times);
}

void Histogram::add(const Histogram& other) noexcept {
  for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
  count_ += other.count_;
  min_ = std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
  sum_ += other.sum_;
}

void Histogram::clear() noexcept {
  std::fill(counts_.begin(), counts_.end(), 0);
  count_ = 0;
  min_ = ~std::uint64_t{0};
  max_ = 0;
  sum_ = 0.0;
}

std::chrono::nanoseconds Histogram::at_share(double share) const noexcept {
  if (count_ == 0) return {};
  const auto needed = static_cast<std::uint64_t>(std::ceil(std::clamp(share, 0.0, 1.0) * static_cast<double>(count_)));
  if (needed <= 1) return min();
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    seen += counts_[i];
    // The topmost bucket holds all that is longer than it tells.
    if (seen >= needed && i + 1 < counts_.size()) return std::chrono::nanoseconds(std::min(top_of(i), max_));
  }
  return max();
}

std::chrono::nanoseconds Histogram::min() const noexcept {
  return std::chrono::nanoseconds(count_ == 0 ? 0 : static_cast<std::int64_t>(min_));
}

std::chrono::nanoseconds Histogram::mean() const noexcept {
  return std::chrono::nanoseconds(count_ == 0 ? 0 : std::llround(sum_ / static_cast<double>(count_)));
}

}  // namespace cairn::load

#pragma once

#include <cstdint>

namespace cairn::features {

/// An instant on the scale of a half-life, counted from the Unix epoch: `half_lives + fraction`.
struct DecayTime {
  std::int64_t half_lives;  ///< whole half-lives, rounded down; exact
  double fraction;          ///< [0, 1)
};

/// Requires: half_life_ms > 0.
[[nodiscard]] DecayTime decay_time(std::int64_t time_ms, std::int64_t half_life_ms) noexcept;

/// A forward-decayed sum (Cormode, Shkapenyuk, Srivastava, Xu: "Forward Decay", ICDE 2009) with the Unix epoch as its
/// landmark: mantissa * 2^exponent. The power of two is kept apart because 2^(t / half_life) leaves the range of a
/// double within 1024 half-lives. Normal form: 0.5 <= |mantissa| < 1, or both zero, so that equal sums have equal bits.
struct DecayedSum {
  double mantissa = 0.0;
  std::int64_t exponent = 0;
};

/// The sum of one event: weight * 2^time, in normal form; the same bits on every machine, because rows keep the weight
/// and the time in its place and compute it anew. Within 2^-52 of it. Requires: `weight` finite.
[[nodiscard]] DecayedSum decayed(double weight, DecayTime time) noexcept;

/// decayed() of another weight at the time of `one`, which is decayed() of weight 1: the same bits for less.
[[nodiscard]] DecayedSum decayed_like(DecayedSum one, double weight) noexcept;

/// a + b in normal form: commutative bit for bit, associative up to rounding. What lies below the larger one's last bit
/// is rounded away. The one way to add decayed sums: rows are merged by it, and whoever keeps a sum beside the rows
/// adds the deltas of the rows by it, so that his sum has the row's bits.
[[nodiscard]] DecayedSum add(DecayedSum a, DecayedSum b) noexcept;

/// The sum as seen at `time`: halves with every half-life. Always finite: held at the largest double where `time` is
/// very far before the events.
[[nodiscard]] double value_at(DecayedSum sum, DecayTime time) noexcept;

/// value_at() of many sums at one time: the same bits, for less.
class ValuesAt {
 public:
  explicit ValuesAt(DecayTime time) noexcept;
  [[nodiscard]] double operator()(DecayedSum sum) const noexcept;

 private:
  std::int64_t half_lives_;
  double factor_;  ///< (0.5, 1]
};

}  // namespace cairn::features

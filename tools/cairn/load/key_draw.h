#pragma once

#include <cstdint>
#include <random>

namespace cairn::load {

/// Which of `count` keys a request is about.
struct KeyShape {
  enum class Kind : std::uint8_t {
    kUniform,
    kZipf,  ///< the k-th key with a probability that is proportional to 1 / k^exponent
    kHot,   ///< `hot_share` of the draws go to the first `hot_keys`, the others to the rest, each evenly
  };
  Kind kind = Kind::kUniform;
  double exponent = 1.0;       ///< of kZipf, greater than 0
  std::uint64_t hot_keys = 1;  ///< of kHot, at least 1
  double hot_share = 0.5;      ///< of kHot, 0 to 1
};

/// Draws keys 0 to count - 1. Zipf's law is drawn by rejection-inversion (Hörmann and Derflinger, ACM TOMACS 6(3),
/// 1996), exact and without a table, so that millions of keys cost nothing. Threads: one at a time.
class KeyDraw {
 public:
  /// `count` at least 1.
  KeyDraw(const KeyShape& shape, std::uint64_t count);

  std::uint64_t next(std::mt19937_64& random) const;

 private:
  [[nodiscard]] std::uint64_t zipf(std::mt19937_64& random) const;
  [[nodiscard]] double integral(double x) const;
  [[nodiscard]] double density(double x) const;
  [[nodiscard]] double inverse(double y) const;

  const KeyShape shape_;
  const std::uint64_t count_;
  double from_ = 0.0;  ///< of kZipf: the bounds that are drawn between, and what needs no second look
  double to_ = 0.0;
  double surely_ = 0.0;
};

}  // namespace cairn::load

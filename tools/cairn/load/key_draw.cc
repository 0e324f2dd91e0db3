#include "tools/cairn/load/key_draw.h"

#include <algorithm>
#include <cmath>

namespace cairn::load {
namespace {

/// log(1 + x) / x and (exp(x) - 1) / x, also where x is 0.
double log_ratio(double x) { return std::abs(x) > 1e-8 ? std::log1p(x) / x : 1.0 - x / 2.0; }
double exp_ratio(double x) { return std::abs(x) > 1e-8 ? std::expm1(x) / x : 1.0 + x / 2.0; }

double unit(std::mt19937_64& random) { return std::uniform_real_distribution<double>(0.0, 1.0)(random); }

std::uint64_t below(std::uint64_t count, std::mt19937_64& random) {
  return std::uniform_int_distribution<std::uint64_t>(0, count - 1)(random);
}

}  // namespace

KeyDraw::KeyDraw(const KeyShape& shape, std::uint64_t count) : shape_(shape), count_(count) {
  if (shape.kind != KeyShape::Kind::kZipf) return;
  from_ = integral(1.5) - 1.0;
  to_ = integral(static_cast<double>(count) + 0.5);
  surely_ = 2.0 - inverse(integral(2.5) - density(2.0));
}

std::uint64_t KeyDraw::next(std::mt19937_64& random) const {
  if (shape_.kind == KeyShape::Kind::kZipf) return zipf(random);
  if (shape_.kind == KeyShape::Kind::kUniform || shape_.hot_keys >= count_) return below(count_, random);
  if (unit(random) < shape_.hot_share) return below(shape_.hot_keys, random);
  return shape_.hot_keys + below(count_ - shape_.hot_keys, random);
}

/// The integral of the density from 1 to x.
double KeyDraw::integral(double x) const {
  const double log = std::log(x);
  return exp_ratio((1.0 - shape_.exponent) * log) * log;
}

double KeyDraw::density(double x) const { return std::exp(-shape_.exponent * std::log(x)); }

double KeyDraw::inverse(double y) const {
  const double t = std::max(-1.0, y * (1.0 - shape_.exponent));
  return std::exp(log_ratio(t) * y);
}

std::uint64_t KeyDraw::zipf(std::mt19937_64& random) const {
  while (true) {
    const double y = to_ + unit(random) * (from_ - to_);
    const double x = inverse(y);
    const double rounded = std::clamp(std::floor(x + 0.5), 1.0, static_cast<double>(count_));
    if (rounded - x <= surely_ || y >= integral(rounded + 0.5) - density(rounded)) {
      return static_cast<std::uint64_t>(rounded) - 1;
    }
  }
}

}  // namespace cairn::load

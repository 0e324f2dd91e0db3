#include "features/decay.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "features/value.h"

namespace cairn::features {
namespace {

// Beyond this many doublings every double is zero or infinite; also keeps the count inside ldexp's int.
constexpr std::int64_t kDoublingsMax = 4096;

double scale(double v, std::int64_t doublings) noexcept {
  return std::ldexp(v, static_cast<int>(std::clamp(doublings, -kDoublingsMax, kDoublingsMax)));
}

DecayedSum normal_form(DecayedSum sum) noexcept {
  // Zero has one spelling, and -0 becomes 0.
  if (sum.mantissa == 0.0) return {};
  int doublings = 0;
  const double mantissa = std::frexp(sum.mantissa, &doublings);
  return {mantissa, saturating_add(sum.exponent, doublings)};
}

}  // namespace

DecayTime decay_time(std::int64_t time_ms, std::int64_t half_life_ms) noexcept {
  std::int64_t whole = time_ms / half_life_ms;
  std::int64_t rest = time_ms % half_life_ms;
  if (rest < 0) {
    --whole;
    rest += half_life_ms;
  }
  return {whole, static_cast<double>(rest) / static_cast<double>(half_life_ms)};
}

DecayedSum decayed(double weight, DecayTime time) noexcept {
  // frexp first: weight * 2^fraction could overflow for a weight near the largest double.
  const DecayedSum normal = normal_form({weight, time.half_lives});
  return normal_form({normal.mantissa * std::exp2(time.fraction), normal.exponent});
}

DecayedSum add(DecayedSum a, DecayedSum b) noexcept {
  a = normal_form(a);
  b = normal_form(b);
  if (a.mantissa == 0.0) return b;
  if (b.mantissa == 0.0) return a;
  // The sum has the exponent of the larger one. The smaller one is shifted to it and loses only bits that the sum has
  // no room for.
  if (a.exponent < b.exponent) std::swap(a, b);
  const double aligned = scale(b.mantissa, saturating_subtract(b.exponent, a.exponent));
  return normal_form({a.mantissa + aligned, a.exponent});
}

double value_at(DecayedSum sum, DecayTime time) noexcept {
  constexpr double kMax = std::numeric_limits<double>::max();
  // Normal form first, so that mantissa * 2^-fraction stays between 0.25 and 1 and only the last scaling can leave the
  // range.
  const DecayedSum normal = normal_form(sum);
  const double now =
      scale(normal.mantissa * std::exp2(-time.fraction), saturating_subtract(normal.exponent, time.half_lives));
  return std::clamp(now, -kMax, kMax);
}

}  // namespace cairn::features

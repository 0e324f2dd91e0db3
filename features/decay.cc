#include "features/decay.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
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
  // std::frexp() in place: a call for each event of each row is felt. It stays for the numbers without a leading one.
  constexpr std::uint64_t kExponent = std::uint64_t{0x7FF} << 52;
  constexpr std::uint64_t kHalf = std::uint64_t{1022} << 52;  // the exponent's field in [0.5, 1)
  const auto bits = std::bit_cast<std::uint64_t>(sum.mantissa);
  if ((bits & kExponent) == kHalf) return sum;
  if ((bits & kExponent) != 0 && (bits & kExponent) != kExponent) {
    const std::int64_t doublings = static_cast<std::int64_t>((bits & kExponent) >> 52) - 1022;
    return {std::bit_cast<double>((bits & ~kExponent) | kHalf), saturating_add(sum.exponent, doublings)};
  }
  int doublings = 0;
  const double mantissa = std::frexp(sum.mantissa, &doublings);
  return {mantissa, saturating_add(sum.exponent, doublings)};
}

// ---- 2^x ----------------------------------------------------------------------------------------------------------
// Rows keep the sum of one event as its weight and its time, and compute it anew when they are read. So it must have
// the same bits on every machine and with every library, which std::exp2 does not promise. Integers do.

__extension__ using Wide = unsigned __int128;

constexpr std::uint64_t high_half(std::uint64_t a, std::uint64_t b) noexcept {
  return static_cast<std::uint64_t>((Wide{a} * b) >> 64);
}

// Rounded down, bit by bit from the top.
constexpr std::uint64_t square_root(Wide v) noexcept {
  std::uint64_t root = 0;
  for (int bit = 63; bit >= 0; --bit) {
    const std::uint64_t with = root | std::uint64_t{1} << bit;
    if (Wide{with} * with <= v) root = with;
  }
  return root;
}

constexpr std::size_t kSteps = 64;
using Powers = std::array<std::uint64_t, kSteps>;

constexpr std::uint64_t kOne = std::uint64_t{1} << 63;  // powers below have 63 bits behind the point

// 2^(i / (64 * coarser)) for i from 0 to 63: products of the square root of 2, the root of that, and so on.
constexpr Powers make_powers(int roots_before) {
  Powers powers{};
  powers[0] = kOne;
  Wide root = Wide{2} << 63;
  for (int i = 0; i < roots_before; ++i) root = square_root(root << 63);
  for (std::size_t step = kSteps / 2; step > 0; step /= 2) {
    root = square_root(root << 63);
    for (std::size_t i = 0; i < kSteps; i += 2 * step) {
      powers[i + step] = static_cast<std::uint64_t>((Wide{powers[i]} * root) >> 63);
    }
  }
  return powers;
}

constexpr Powers kCoarse = make_powers(0);  // 2^(i / 64)
constexpr Powers kFine = make_powers(6);    // 2^(i / 4096)

// 2^fraction in [1, 2), for a fraction in [0, 1): two look-ups for its first twelve bits, and the series of the
// exponential for the rest, y = ln 2 * rest < 2^-12: 1 + y + y^2/2 + y^3/6 + y^4/24, where the next term is below
// 2^-66. Off by less than 2^-57 before the one rounding to a double.
double power_of_two(double fraction) noexcept {
  constexpr std::uint64_t kLn2 = 0xB17217F7D1CF79ABu;  // 64 bits behind the point
  const auto x = static_cast<std::uint64_t>(fraction * 0x1p64);
  const std::uint64_t power =
      static_cast<std::uint64_t>((Wide{kCoarse[x >> 58]} * kFine[(x >> 52) & (kSteps - 1)]) >> 63);
  // These have 76 bits behind the point.
  const std::uint64_t y = high_half(kLn2, x << 12);
  const std::uint64_t y2 = high_half(y, y) >> 13;
  const std::uint64_t y3 = (high_half(y2, y) >> 12) / 3;
  const std::uint64_t y4 = high_half(y3, y) >> 14;
  const std::uint64_t grown = power + (high_half(power, y + y2 + y3 + y4) >> 12);
  return static_cast<double>(grown) * 0x1p-63;
}

}  // namespace

DecayTime decay_time(std::int64_t time_ms, std::int64_t half_life_ms) noexcept {
  std::int64_t whole = time_ms / half_life_ms;
  std::int64_t rest = time_ms % half_life_ms;
  if (rest < 0) {
    --whole;
    rest += half_life_ms;
  }
  // The quotient rounds to 1 just before the end of a half-life of more than 2^53 ms.
  constexpr double kBelowOne = 1.0 - 0x1p-53;
  return {whole, std::min(static_cast<double>(rest) / static_cast<double>(half_life_ms), kBelowOne)};
}

DecayedSum decayed(double weight, DecayTime time) noexcept {
  // frexp first: weight * 2^fraction could overflow for a weight near the largest double.
  const DecayedSum normal = normal_form({weight, time.half_lives});
  return normal_form({normal.mantissa * power_of_two(time.fraction), normal.exponent});
}

DecayedSum decayed_like(DecayedSum one, double weight) noexcept {
  // In normal form `one` is half of 2^fraction, and its exponent one more than the whole half-lives.
  const DecayedSum normal = normal_form({weight, saturating_subtract(one.exponent, 1)});
  return normal_form({normal.mantissa * (2.0 * one.mantissa), normal.exponent});
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

double value_at(DecayedSum sum, DecayTime time) noexcept { return ValuesAt(time)(sum); }

ValuesAt::ValuesAt(DecayTime time) noexcept : half_lives_(time.half_lives), factor_(std::exp2(-time.fraction)) {}

double ValuesAt::operator()(DecayedSum sum) const noexcept {
  constexpr double kMax = std::numeric_limits<double>::max();
  // Normal form first, so that the product stays between 0.25 and 1 and only the last scaling can leave the range.
  const DecayedSum normal = normal_form(sum);
  const double product = normal.mantissa * factor_;
  const std::int64_t doublings = saturating_subtract(normal.exponent, half_lives_);
  // Where the power and the result are ordinary numbers, a product with it is std::ldexp().
  constexpr std::int64_t kPlain = 1000;
  if (doublings > -kPlain && doublings < kPlain) {
    return product * std::bit_cast<double>(static_cast<std::uint64_t>(doublings + 1023) << 52);
  }
  return std::clamp(scale(product, doublings), -kMax, kMax);
}

}  // namespace cairn::features

#include "features/decay.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>

#include "features/row.h"

using namespace cairn::features;

namespace {

constexpr std::int64_t kDay = 86'400'000;

bool same_bits(DecayedSum a, DecayedSum b) {
  return std::bit_cast<std::uint64_t>(a.mantissa) == std::bit_cast<std::uint64_t>(b.mantissa) &&
         a.exponent == b.exponent;
}

}  // namespace

TEST_CASE("an instant is split into whole half-lives, rounded down, and the rest") {
  const DecayTime after = decay_time(25 * kDay, 10 * kDay);
  CHECK(after.half_lives == 2);
  CHECK(after.fraction == 0.5);
  const DecayTime before = decay_time(-kDay, 4 * kDay);
  CHECK(before.half_lives == -1);
  CHECK(before.fraction == 0.75);
  CHECK(decay_time(-8 * kDay, 4 * kDay).half_lives == -2);
  CHECK(decay_time(-8 * kDay, 4 * kDay).fraction == 0.0);
}

TEST_CASE("a weight halves with every half-life, and grows before its event") {
  const DecayedSum sum = decayed(3.0, decay_time(100 * kDay, 10 * kDay));
  CHECK(value_at(sum, decay_time(100 * kDay, 10 * kDay)) == 3.0);
  CHECK(value_at(sum, decay_time(110 * kDay, 10 * kDay)) == 1.5);
  CHECK(value_at(sum, decay_time(130 * kDay, 10 * kDay)) == 0.375);
  CHECK(value_at(sum, decay_time(90 * kDay, 10 * kDay)) == 6.0);
  CHECK(value_at(sum, decay_time(105 * kDay, 10 * kDay)) == doctest::Approx(3.0 / std::sqrt(2.0)).epsilon(1e-15));
}

TEST_CASE("the sum of one event is within 2^-52 of the weight times two to the time") {
  constexpr std::uint64_t kSeed = 5;
  INFO("seed ", kSeed);
  std::mt19937_64 random(kSeed);
  for (int i = 0; i < 200'000; ++i) {
    double fraction = std::uniform_real_distribution<double>(0.0, 1.0)(random);
    if (i % 4 == 0) fraction = std::ldexp(fraction, -static_cast<int>(random() % 70));
    const DecayedSum sum = decayed(1.0, {0, fraction});
    const long double found = std::ldexp(static_cast<long double>(sum.mantissa), static_cast<int>(sum.exponent));
    const long double expected = std::exp2(static_cast<long double>(fraction));
    REQUIRE(std::fabs(found - expected) <= expected * 0x1p-52L);
  }
  CHECK(same_bits(decayed(1.0, {0, 0.0}), {0.5, 1}));
  CHECK(same_bits(decayed(1.0, {0, 0.5}), {std::sqrt(2.0) / 2.0, 1}));
}

TEST_CASE("a weight at the time of another event has the bits that it has alone") {
  constexpr std::uint64_t kSeed = 6;
  INFO("seed ", kSeed);
  std::mt19937_64 random(kSeed);
  for (int i = 0; i < 100'000; ++i) {
    const DecayTime time = decay_time(static_cast<std::int64_t>(random() >> 20) - (std::int64_t{1} << 42),
                                      static_cast<std::int64_t>(random() >> (24 + random() % 38)) + 1);
    const double weight = static_cast<double>(static_cast<std::int64_t>(random()) >> (random() % 64)) / 1e6;
    REQUIRE(same_bits(decayed_like(decayed(1.0, time), weight), decayed(weight, time)));
  }
}

TEST_CASE("a sum is in normal form, and zero has one spelling") {
  const DecayedSum sum = decayed(12.0, {5, 0.0});
  CHECK(sum.mantissa == 0.75);
  CHECK(sum.exponent == 9);
  const DecayedSum zero = add(decayed(2.5, {7, 0.25}), decayed(-2.5, {7, 0.25}));
  CHECK(same_bits(zero, {0.0, 0}));
  CHECK(same_bits(decayed(-0.0, {7, 0.25}), {0.0, 0}));
  CHECK(same_bits(add({0.0, 999}, {0.5, -4}), {0.5, -4}));
}

TEST_CASE("a sum far below the other leaves it as it is") {
  const DecayedSum now = decayed(1.0, {1'000'000, 0.5});
  const DecayedSum long_ago = decayed(1e300, {-1'000'000, 0.5});
  CHECK(same_bits(add(now, long_ago), now));
  CHECK(same_bits(add(long_ago, now), now));
}

TEST_CASE("exponents at the ends of 64 bits stop there and break nothing") {
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
  CHECK(add({0.75, kMax}, {0.75, kMax}).exponent == kMax);
  CHECK(same_bits(add({0.5, kMax}, {0.5, kMin}), {0.5, kMax}));
  CHECK(value_at({0.5, kMax}, {kMin, 0.0}) == std::numeric_limits<double>::max());
  CHECK(value_at({-0.5, kMax}, {0, 0.0}) == -std::numeric_limits<double>::max());
  CHECK(value_at({0.5, kMin}, {kMax, 0.0}) == 0.0);
}

TEST_CASE("addition of two sums commutes bit for bit, whatever their form") {
  const std::uint64_t seed = 20240601;
  INFO("seed ", seed);
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> weight(-1e6, 1e6);
  std::uniform_int_distribution<std::int64_t> exponent(-80, 80);
  for (int i = 0; i < 20'000; ++i) {
    const DecayedSum a{weight(random), exponent(random)};
    const DecayedSum b{weight(random), exponent(random)};
    CHECK(same_bits(add(a, b), add(b, a)));
  }
}

TEST_CASE("the largest weights add up without overflow") {
  constexpr double kMax = std::numeric_limits<double>::max();
  const DecayTime time{10, 0.999};
  const DecayedSum sum = add(decayed(kMax, time), decayed(kMax, time));
  CHECK(std::isfinite(sum.mantissa));
  // Two half-lives later the sum of two is half of one.
  CHECK(value_at(sum, {12, 0.999}) == doctest::Approx(kMax / 2).epsilon(1e-15));
}

TEST_CASE("a sum that is kept beside the rows has the bits of the row that its deltas were merged into") {
  const std::uint64_t seed = 20240702;
  INFO("seed ", seed);
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> weight(0.1, 5.0);
  std::uniform_int_distribution<std::int64_t> time(0, 4000 * kDay);
  const auto row_of = [](DecayedSum sum) {
    return Row{{{.view = 1,
                 .aggregate = cairn::Aggregate::kDecayedSum,
                 .entries = {{0, {.count = 1, .mantissa = sum.mantissa, .exponent = sum.exponent}}}}}};
  };
  Row row;
  DecayedSum kept;
  DecayedSum plain;  // mantissa * 2^exponent with one exponent, the largest so far
  for (int i = 0; i < 5000; ++i) {
    const DecayedSum delta = decayed(weight(random), decay_time(time(random), 30 * kDay));
    merge_row(&row, row_of(delta));
    kept = add(kept, delta);
    const std::int64_t top = i == 0 ? delta.exponent : std::max(plain.exponent, delta.exponent);
    plain.mantissa = std::ldexp(plain.mantissa, static_cast<int>(plain.exponent - top)) +
                     std::ldexp(delta.mantissa, static_cast<int>(delta.exponent - top));
    plain.exponent = top;
    const Value& merged = row.blocks[0].entries[0].value;
    REQUIRE(same_bits(kept, {merged.mantissa, merged.exponent}));
    // Scaling by powers of two is exact, so normal form costs no bit.
    REQUIRE(std::ldexp(kept.mantissa, static_cast<int>(kept.exponent - top)) == plain.mantissa);
  }
}

TEST_CASE("a fraction of a half-life is below 1 also where the quotient rounds to it") {
  constexpr std::int64_t kLongest = std::int64_t{1} << 60;
  const DecayTime time = decay_time(kLongest - 1, kLongest);
  CHECK(time.half_lives == 0);
  CHECK(time.fraction < 1.0);
  // Nearly a half-life: the event counts nearly twice against the landmark.
  CHECK(value_at(decayed(1.0, time), {0, 0.0}) == doctest::Approx(2.0));
}

TEST_CASE("a sum as it is seen has the bits that std::ldexp gives, at the ends of the range too") {
  std::mt19937_64 random(5);
  std::uniform_real_distribution<double> mantissa(0.5, 1.0);
  std::uniform_real_distribution<double> fraction(0.0, 1.0);
  std::uniform_int_distribution<std::int64_t> exponent(-1'200, 1'200);
  constexpr double kMax = std::numeric_limits<double>::max();
  for (int i = 0; i < 20'000; ++i) {
    const DecayedSum sum{i % 2 == 0 ? mantissa(random) : -mantissa(random), exponent(random)};
    const DecayTime time{exponent(random) / 8, fraction(random)};
    const double scaled =
        std::ldexp(sum.mantissa * std::exp2(-time.fraction), static_cast<int>(sum.exponent - time.half_lives));
    INFO(sum.mantissa, " * 2^", sum.exponent, " at ", time.half_lives, " + ", time.fraction);
    REQUIRE(ValuesAt(time)(sum) == std::clamp(scaled, -kMax, kMax));
    REQUIRE(value_at(sum, time) == ValuesAt(time)(sum));
  }
}

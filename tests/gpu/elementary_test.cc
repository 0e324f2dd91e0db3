#include "gpu/elementary.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "gpu/backend.h"
#include "gpu/cpu/elementary.h"

namespace {

using namespace cairn::gpu;

/// How many doubles lie between two, which have one sign.
std::int64_t steps(double a, double b) {
  return std::abs(std::bit_cast<std::int64_t>(a) - std::bit_cast<std::int64_t>(b));
}

std::vector<double> exponents() {
  std::mt19937_64 random(5);
  std::vector<double> values = {0.0,          -0.0, 1.0,    -1.0,    709.0,      -708.0,
                                -708.0000001, -1e6, 1e-300, -1e-300, 0.34657359, 0.34657360};
  std::uniform_real_distribution<double> wide(-708.0, 709.0);
  std::uniform_real_distribution<double> narrow(-2.0, 2.0);
  for (int i = 0; i < 100'000; ++i) values.push_back(i % 2 == 0 ? wide(random) : narrow(random));
  return values;
}

std::vector<double> positives() {
  std::mt19937_64 random(6);
  std::vector<double> values = {1.0,
                                2.0,
                                0.5,
                                2.2250738585072014e-308,
                                1.7976931348623157e308,
                                0.7071067811865475,
                                0.7071067811865476,
                                std::nextafter(1.0, 2.0),
                                std::nextafter(1.0, 0.0)};
  std::uniform_real_distribution<double> exponent(-700.0, 700.0);
  std::uniform_real_distribution<double> narrow(0.5, 2.0);
  for (int i = 0; i < 100'000; ++i) values.push_back(i % 2 == 0 ? std::exp(exponent(random)) : narrow(random));
  return values;
}

TEST_CASE("exponentials are those of the C library within two units of the last place") {
  const std::vector<double> asked = exponents();
  std::vector<double> values = asked;
  exp_each(values);
  for (std::size_t i = 0; i < asked.size(); ++i) {
    INFO(asked[i]);
    if (asked[i] < -708.0) {
      REQUIRE(values[i] == 0.0);
    } else {
      REQUIRE(steps(values[i], std::exp(asked[i])) <= 2);
    }
  }
}

TEST_CASE("logarithms are those of the C library within two units of the last place, or of 1") {
  const std::vector<double> asked = positives();
  std::vector<double> values = asked;
  ln_each(values);
  for (std::size_t i = 0; i < asked.size(); ++i) {
    INFO(asked[i]);
    const double expected = std::log(asked[i]);
    REQUIRE(std::abs(values[i] - expected) <= 2.3e-16 * 2 * std::max(1.0, std::abs(expected)));
  }
  CHECK(values[0] == 0.0);
}

TEST_CASE("every instruction set gives the same bits, for every length") {
  for (const auto set : {InstructionSet::kAvx2, InstructionSet::kAvx512}) {
    if (set > best_instruction_set()) continue;
    for (const bool exponential : {true, false}) {
      const std::vector<double> asked = exponential ? exponents() : positives();
      const auto of = [&](InstructionSet which, std::size_t count) {
        std::vector<double> values(asked.begin(), asked.begin() + static_cast<std::ptrdiff_t>(count));
        const ElementaryKernels& kernels = elementary_kernels(which);
        (exponential ? kernels.exp : kernels.ln)(values.data(), values.size());
        return values;
      };
      for (const std::size_t count : {std::size_t{0}, std::size_t{1}, std::size_t{7}, std::size_t{9}, asked.size()}) {
        CHECK(of(set, count) == of(InstructionSet::kScalar, count));
      }
    }
  }
}

}  // namespace

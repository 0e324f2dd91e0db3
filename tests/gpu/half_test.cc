#include "gpu/half.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "gpu/cpu/kernels.h"
#include "tests/gpu/every_instruction_set.h"

namespace cairn::gpu {
namespace {

constexpr std::uint16_t kSign = 0x8000;
constexpr std::uint16_t kInfinity = 0x7C00;
constexpr float kInfinite = std::numeric_limits<float>::infinity();

/// The magnitude of a code that is no NaN, by the formula of IEEE 754-2019, 3.4, in double, which holds it exactly.
/// Infinity counts as 2^16, the number that its code would be if exponents went on: what rounding compares with.
double magnitude_of(std::uint16_t code) {
  const int exponent = code / 1024;
  const int fraction = code % 1024;
  return exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
}

struct Converters {
  void (*to_floats)(const std::uint16_t*, std::size_t, float*);
  void (*to_halves)(const float*, std::size_t, std::uint16_t*);
};

void to_floats(const std::uint16_t* halves, std::size_t count, float* floats) {
  for (std::size_t i = 0; i < count; ++i) floats[i] = float_of_half(halves[i]);
}
void to_halves(const float* floats, std::size_t count, std::uint16_t* halves) {
  for (std::size_t i = 0; i < count; ++i) halves[i] = half_of_float(floats[i]);
}

/// The functions of half.h, and the kernels of every instruction set that this machine has.
std::vector<Converters> every_conversion() {
  std::vector<Converters> all{{to_floats, to_halves}};
  for (const InstructionSet set : every_instruction_set()) {
    const TopKKernels& kernels = set == InstructionSet::kScalar ? kTopKScalar
                                 : set == InstructionSet::kAvx2 ? kTopKAvx2
                                                                : kTopKAvx512;
    all.push_back({kernels.halves_to_floats, kernels.floats_to_halves});
  }
  return all;
}

TEST_CASE("each of the 65,536 codes has the value that the standard's formula gives it") {
  std::vector<std::uint16_t> codes(65536);
  for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<std::uint16_t>(i);
  for (const Converters& convert : every_conversion()) {
    std::vector<float> values(codes.size());
    convert.to_floats(codes.data(), codes.size(), values.data());
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < codes.size(); ++i) {
      const auto magnitude = static_cast<std::uint16_t>(i & 0x7FFFU);
      const bool right = magnitude > kInfinity ? std::isnan(values[i])
                         : magnitude == kInfinity
                             ? std::fabs(values[i]) == kInfinite
                             : std::fabs(static_cast<double>(values[i])) == magnitude_of(magnitude);
      wrong += right && std::signbit(values[i]) == (i >= kSign) ? 0 : 1;
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("a code becomes a value and the same code again, a NaN a quiet one of the same sign and payload") {
  for (const Converters& convert : every_conversion()) {
    std::size_t wrong = 0;
    for (std::uint32_t i = 0; i < 65536; ++i) {
      const auto code = static_cast<std::uint16_t>(i);
      float value = 0.0F;
      std::uint16_t again = 0;
      convert.to_floats(&code, 1, &value);
      convert.to_halves(&value, 1, &again);
      const bool nan = (code & 0x7FFFU) > kInfinity;
      wrong += again == (nan ? code | 0x0200U : code) ? 0 : 1;
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("what lies between two codes goes to the nearer one, and from the middle to the even one") {
  // Every pair of neighbours, subnormals and the step from the largest number to infinity among them. The middle of two
  // has one bit more than they, which a float has room for.
  for (const Converters& convert : every_conversion()) {
    std::size_t wrong = 0;
    for (std::uint16_t lower = 0; lower < kInfinity; ++lower) {
      const auto upper = static_cast<std::uint16_t>(lower + 1);
      const auto middle = static_cast<float>((magnitude_of(lower) + magnitude_of(upper)) / 2.0);
      const float values[] = {std::nextafter(middle, 0.0F), middle, std::nextafter(middle, kInfinite)};
      const std::uint16_t expected[] = {lower, lower % 2 == 0 ? lower : upper, upper};
      for (std::size_t i = 0; i < 3; ++i) {
        for (const std::uint16_t sign : {std::uint16_t{0}, kSign}) {
          const float value = sign == 0 ? values[i] : -values[i];
          std::uint16_t code = 0;
          convert.to_halves(&value, 1, &code);
          wrong += code == (sign | expected[i]) ? 0 : 1;
        }
      }
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("what is too large is infinite, what is too small is zero, and both keep their sign") {
  struct Example {
    float value;
    std::uint16_t code;
  };
  for (const Converters& convert : every_conversion()) {
    for (const auto& [value, code] :
         {Example{65519.996F, 0x7BFF}, Example{65520.0F, kInfinity}, Example{1e30F, kInfinity},
          Example{std::numeric_limits<float>::max(), kInfinity}, Example{kInfinite, kInfinity},
          Example{0x1p-25F, 0x0000}, Example{std::numeric_limits<float>::min(), 0x0000},
          Example{std::numeric_limits<float>::denorm_min(), 0x0000}, Example{0.0F, 0x0000}}) {
      const float values[] = {value, -value};
      std::uint16_t codes[2];
      convert.to_halves(values, 2, codes);
      CHECK(codes[0] == code);
      CHECK(codes[1] == (code | kSign));
    }
  }
}

TEST_CASE("a NaN stays one, however little of its payload there is room for") {
  for (const Converters& convert : every_conversion()) {
    for (const std::uint32_t bits : {0x7FC00000U, 0x7F800001U, 0x7FFFFFFFU}) {  // quiet, signalling, all ones
      const float value = std::bit_cast<float>(bits);
      std::uint16_t code = 0;
      convert.to_halves(&value, 1, &code);
      CHECK((code & 0x7FFFU) == (0x7E00U | (bits >> 13 & 0x3FFU)));
    }
  }
}

}  // namespace
}  // namespace cairn::gpu

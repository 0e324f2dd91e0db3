#include "cairn/whole_number.h"

#include <doctest/doctest.h>

#include <random>
#include <string>

namespace cairn {
namespace {

TEST_CASE("a whole number is read however it is written") {
  CHECK(whole_number("0") == 0U);
  CHECK(whole_number("0.000") == 0U);
  CHECK(whole_number("0e99999999999") == 0U);
  CHECK(whole_number("1001") == 1001U);
  CHECK(whole_number("1001.0") == 1001U);
  CHECK(whole_number("1.001e3") == 1001U);
  CHECK(whole_number("1.0010E+03") == 1001U);
  CHECK(whole_number("10010000000000000000000000e-22") == 1001U);
  CHECK(whole_number("0.0000000000000000000000000001001e31") == 1001U);
  CHECK(whole_number("9007199254740991.000") == 9'007'199'254'740'991U);
}

TEST_CASE("what is no whole number below 2^53 is none, also where a double cannot tell") {
  for (const char* text : {"1001.5", "0.1", "1e-1", "1001.00000000000000000001", "4503599627370497.25", "-1", "-0",
                           "-1.0", "9007199254740992", "9007199254740992.0", "9007199254740993", "1e16",
                           "1e99999999999", "1e-99999999999", "18446744073709551616"}) {
    CAPTURE(text);
    CHECK_FALSE(whole_number(text));
  }
}

TEST_CASE("any whole number below 2^53 survives zeros and exponents") {
  const std::uint64_t seed = 7;
  INFO("seed ", seed);
  std::mt19937_64 random(seed);
  for (int i = 0; i < 10'000; ++i) {
    const std::uint64_t number = random() >> (11 + random() % 53);
    const std::string digits = std::to_string(number);
    const std::size_t moved = 1 + random() % digits.size();
    const std::string scientific =
        digits.substr(0, moved) + "." + digits.substr(moved) + "0e" + std::to_string(digits.size() - moved);
    CAPTURE(scientific);
    REQUIRE(whole_number(digits + ".0") == number);
    REQUIRE(whole_number(scientific) == number);
  }
}

}  // namespace
}  // namespace cairn

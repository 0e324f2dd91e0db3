#include <doctest/doctest.h>
#include <unistd.h>

#include "tests/support/skip.h"

TEST_CASE("passes") { CHECK(true); }
TEST_CASE("leaves out") { return cairn::test::skip("there is no\nsuch thing"); }
TEST_CASE("fails") { CHECK_MESSAGE(false, "as it should"); }
TEST_CASE("hangs") {
  MESSAGE("said before");
  while (true) ::pause();
}

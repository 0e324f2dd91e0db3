#include "engine/config/nearest.h"

#include <doctest/doctest.h>

#include <string>

namespace cairn::config {
namespace {

TEST_CASE("a slip finds the key it is a slip of") {
  const std::vector<std::string> keys = {"half_life", "ttl", "max_entries", "name"};
  CHECK(nearest("half_lief", keys) == "half_life");  // neighbours swapped
  CHECK(nearest("halflife", keys) == "half_life");   // a letter left out
  CHECK(nearest("max_entrys", keys) == "max_entries");
  CHECK(nearest("tl", keys) == "ttl");
  CHECK(nearest("nmae", keys) == "name");
}

TEST_CASE("a word that is near nothing gets no suggestion") {
  CHECK(nearest("zebra", {"half_life", "ttl"}).empty());
  CHECK(nearest("x", {"ttl"}).empty());
  CHECK(nearest("", {"ttl"}).empty());
  CHECK(nearest(std::string(10'000, 'a'), {"ttl"}).empty());
}

TEST_CASE("a foreign word stays on one line and short") {
  CHECK(printable("a\nb\x1b[0m") == "a\\x0ab\\x1b[0m");
  CHECK(printable(std::string(200, 'x')).size() == 83);
}

}  // namespace
}  // namespace cairn::config

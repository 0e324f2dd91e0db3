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

TEST_CASE("of a long complaint the key and the remedy stand, and what is left out is in the middle") {
  const std::string remedy =
      "' tells no place from another; name a view of a place or a cell, alone or by type, or of a user";
  CHECK(whole_complaint("view: 'x" + remedy) == "view: 'x" + remedy);
  const std::string cut = whole_complaint("view: '\n" + std::string(10'000, 'x') + remedy);
  CHECK(cut.starts_with("view: '\\x0axxx"));
  CHECK(cut.ends_with("xxx" + remedy));
  CHECK(cut.find("x...x") != std::string::npos);
  CHECK(cut.size() < 500);
  std::string accents;
  for (int i = 0; i < 500; ++i) accents += "\xC3\xA9";
  for (const char* before : {"", "a"}) {
    const std::string short_one = whole_complaint(before + accents + before);
    CHECK(short_one.find("\xC3...") == std::string::npos);
    CHECK(short_one.find("...\xA9") == std::string::npos);
  }
}

}  // namespace
}  // namespace cairn::config

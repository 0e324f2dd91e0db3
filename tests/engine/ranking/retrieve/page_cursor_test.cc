#include "engine/ranking/retrieve/page_cursor.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <vector>

namespace {

using namespace cairn;
using ranking::make_cursor;
using ranking::read_cursor;

TEST_CASE("a cursor gives back the places that it was made of") {
  const std::vector<std::vector<std::uint64_t>> all = {
      {}, {0}, {7}, {0, 1, 2, 500, 1'000'000'007}, {UINT64_MAX - 1, UINT64_MAX}};
  for (const auto& places : all) {
    const auto read = read_cursor("state", make_cursor("state", places));
    REQUIRE(read.ok());
    CHECK(*read == places);
  }
}

TEST_CASE("a cursor of another state, a changed one and no cursor at all are refused") {
  const std::string cursor = make_cursor("state", std::vector<std::uint64_t>{3, 5, 900});
  CHECK(read_cursor("another", cursor).status().code() == StatusCode::kInvalidArgument);
  for (std::size_t i = 0; i < cursor.size(); ++i) {
    std::string changed = cursor;
    changed[i] = changed[i] == '0' ? '1' : '0';
    CHECK_FALSE(read_cursor("state", changed).ok());
    CHECK_FALSE(read_cursor("state", cursor.substr(0, i)).ok());
  }
  for (const char* text : {"x", "zz", "0", "00", "0000000", "not a cursor", "ABCDEF0123"}) {
    CHECK_FALSE(read_cursor("state", text).ok());
  }
}

TEST_CASE("a cursor keeps 5,000 places, and one more is refused") {
  std::vector<std::uint64_t> places;
  for (std::uint64_t i = 0; i < ranking::kCursorPlacesMax; ++i) places.push_back(i * 3);
  CHECK(read_cursor("state", make_cursor("state", places)).ok());
  places.push_back(1'000'000);
  CHECK_FALSE(read_cursor("state", make_cursor("state", places)).ok());
}

}  // namespace

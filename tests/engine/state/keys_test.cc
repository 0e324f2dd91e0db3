#include "engine/state/keys.h"

#include <doctest/doctest.h>

#include "engine/state/bytes.h"
#include "engine/state/counters.h"

namespace {

using namespace cairn::state;
using cairn::Offset;
using cairn::Partition;

TEST_CASE("a position key names its source and partition") {
  std::string source;
  Partition partition{};
  REQUIRE(parse_position_key(position_key("orders", Partition{7}), &source, &partition));
  CHECK(source == "orders");
  CHECK(partition.value == 7);
  CHECK_FALSE(parse_position_key("engine/counters", &source, &partition));
}

TEST_CASE("a position survives its encoding") {
  const cairn::SourcePosition position{Partition{3}, Offset{1'234'567'890'123}, std::string("a\0b", 3)};
  const auto decoded = decode_position(Partition{3}, encode_position(position));
  REQUIRE(decoded.ok());
  CHECK(*decoded == position);
}

TEST_CASE("a cut or lengthened record is damage, not a value") {
  const std::string bytes = encode_position({Partition{0}, Offset{5}, "cursor"});
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
    CHECK(decode_position(Partition{0}, bytes.substr(0, cut)).status().code() == cairn::StatusCode::kDataLoss);
  }
  CHECK_FALSE(decode_position(Partition{0}, bytes + "x").ok());
  CHECK_FALSE(Counters::decode("short").ok());
}

TEST_CASE("keys of rows are told apart, and places' sort by number") {
  std::string user;
  std::string place;
  std::string next;
  std::string cell;
  append_user_key("7", &user);
  append_place_key(7, &place);
  append_place_key(256, &next);
  append_cell_key(0x7, 1, &cell);
  CHECK(user == std::string("\x01\0\0"
                            "7",
                            4));
  CHECK(place == std::string("\x02\0\0\0\x07", 5));
  CHECK(cell == std::string("\x03\x01\x07", 3));
  CHECK(place < next);
  CHECK(place_of_key(next) == 256u);
  CHECK_FALSE(place_of_key(user));
  CHECK(user.starts_with(kind_prefix(cairn::EntityKind::kUser)));
}

TEST_CASE("event ids sort by generation, then by window") {
  CHECK(event_ids_key(1, 900) < event_ids_key(2, 3));
  CHECK(event_ids_key(2, 3) < event_ids_key(2, 256));
  CHECK(event_ids_key(2, 3).starts_with(event_ids_prefix(2)));
  std::uint64_t generation = 0;
  REQUIRE(parse_event_ids_key(event_ids_key(5, 1), &generation));
  CHECK(generation == 5);
  CHECK_FALSE(parse_event_ids_key("short", &generation));
}

}  // namespace

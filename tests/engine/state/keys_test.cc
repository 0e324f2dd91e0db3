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

TEST_CASE("buckets of event ids sort by time, before the epoch too") {
  CHECK(dedup_prefix(-2) < dedup_prefix(-1));
  CHECK(dedup_prefix(-1) < dedup_prefix(0));
  CHECK(dedup_prefix(0) < dedup_prefix(1));
}

}  // namespace

#include <doctest/doctest.h>

#include <limits>
#include <string>

#include "features/checksum.h"
#include "features/row.h"
#include "tests/features/random_rows.h"

using namespace cairn;
using namespace cairn::features;

namespace {

std::string with_checksum(std::string body) {
  const std::uint32_t crc = crc32c(body);
  for (int shift = 0; shift < 32; shift += 8) body.push_back(static_cast<char>(crc >> shift & 0xFF));
  return body;
}

std::string bytes_of(std::initializer_list<int> values) {
  std::string bytes;
  for (const int value : values) bytes.push_back(static_cast<char>(value));
  return bytes;
}

std::string encoded(const Row& row) {
  std::string bytes = "overwritten";
  encode_row(row, &bytes);
  return bytes;
}

std::string refusal(const std::string& body) {
  Row row;
  const Status status = decode_row(with_checksum(body), &row);
  CHECK(status.code() == StatusCode::kDataLoss);
  return status.message();
}

}  // namespace

TEST_CASE("the bytes of a row are those of format.md") {
  Row row;
  row.blocks.push_back({.view = 3,
                        .aggregate = Aggregate::kSum,
                        .max_entries = 300,
                        .entries = {{.dimension = 5, .value = {.count = 2, .micros = -3, .newest_ms = 100}},
                                    {.dimension = 7, .value = {.count = 1, .micros = 64, .newest_ms = 98}}}});
  row.blocks.push_back({.view = 4, .aggregate = Aggregate::kDecayedSum, .max_entries = 1, .entries = {}});
  row.blocks[1].entries.push_back({.value = {.count = 1, .mantissa = 0.5, .exponent = -1, .newest_ms = -1}});
  row.blocks.push_back({.view = 9,
                        .aggregate = Aggregate::kSequence,
                        .max_entries = 2,
                        .entries = {{.dimension = 8, .value = {.count = 1, .micros = 1, .newest_ms = 10}},
                                    {.dimension = 2, .value = {.count = 1, .micros = 0, .newest_ms = 12}}}});
  const std::string expected = with_checksum(bytes_of({
      1, 3,                                                  // version, views
      3, 2, 0xAC, 0x02, 2,    0xC8, 0x01,                    // view 3, sum, 300, two entries, newest 100
      5, 0, 2,    5,                                         // 5: age 0, count 2, -3
      1, 2, 1,    0x80, 0x01,                                // 7 = 5 + 1 + 1: age 2, count 1, 64
      0, 7, 1,    1,    1,                                   // view 4, decayed sum, 1, one entry, newest -1
      0, 0, 1,    0,    0,    0,    0,    0, 0, 0xE0, 0x3F,  // count 1, 0.5
      1,                                                     // exponent -1
      4, 8, 2,    2,    20,                                  // view 9, sequence, 2, two entries, from 10
      8, 0, 1,    2,                                         // 8 at +0, count 1, weight 1
      2, 2, 1,    0,                                         // 2 at +2, count 1, weight 0
  }));
  CHECK(encoded(row) == expected);
  Row back;
  CHECK(decode_row(expected, &back).ok());
  CHECK(back == row);
}

TEST_CASE("the row without views has seven bytes less one") {
  CHECK(encoded(Row{}) == with_checksum(bytes_of({1, 0})));
}

TEST_CASE("random rows come back as they were, from one encoding") {
  const std::uint64_t seed = 99;
  INFO("seed ", seed);
  std::mt19937_64 random(seed);
  for (int i = 0; i < 2'000; ++i) {
    const Row row = testing::random_row(random);
    const std::string bytes = encoded(row);
    Row back;
    REQUIRE(decode_row(bytes, &back).ok());
    REQUIRE(back == row);
    REQUIRE(encoded(back) == bytes);
  }
}

TEST_CASE("decoding forgets what the row held before") {
  Row row;
  row.blocks.push_back({.view = 1, .entries = {{}}});
  CHECK(decode_row(encoded(Row{}), &row).ok());
  CHECK(row == Row{});
}

TEST_CASE("dimensions and times at both ends of 64 bits are kept") {
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
  Row row;
  row.blocks.push_back({.view = std::numeric_limits<std::uint32_t>::max(),
                        .aggregate = Aggregate::kCount,
                        .max_entries = std::numeric_limits<std::uint32_t>::max(),
                        .entries = {{.dimension = 0, .value = {.count = kMax, .newest_ms = kMin}},
                                    {.dimension = ~0ull, .value = {.count = 0, .newest_ms = kMax}}}});
  Row back;
  CHECK(decode_row(encoded(row), &back).ok());
  CHECK(back == row);
}

TEST_CASE("malformed content under a right checksum is refused, and the message says what") {
  CHECK(refusal("") == "row: format version 0 is not known to this release; use a newer one");
  CHECK(refusal(bytes_of({2, 0})) == "row: format version 2 is not known to this release; use a newer one");
  CHECK(refusal(bytes_of({1})) == "row: bytes left over, or cut off");
  CHECK(refusal(bytes_of({1, 0, 0})) == "row: bytes left over, or cut off");
  CHECK(refusal(bytes_of({1, 0x80, 0})) == "row: bytes left over, or cut off");  // 0 spelled in two bytes
  CHECK(refusal(bytes_of({1, 2, 1, 1, 1, 0})) == "row: more views than bytes for them");
  CHECK(refusal(bytes_of({1, 1, 1, 0, 1, 0})) == "row: an aggregate is unknown");
  CHECK(refusal(bytes_of({1, 1, 1, 9, 1, 0})) == "row: an aggregate is unknown");
  CHECK(refusal(bytes_of({1, 1, 1, 1, 1, 2, 0, 0, 0, 1})) == "row: more entries than bytes for them");
  CHECK(refusal(bytes_of({1, 1, 0xFF, 0xFF, 0xFF, 0xFF, 0x10, 1, 1, 0})) == "row: a view id exceeds 32 bits");
  CHECK(refusal(bytes_of({1, 1, 1, 1, 1, 1, 0, 0, 1, 1})) == "row: no entry has the block's newest event time");
  CHECK(refusal(bytes_of({1, 1, 1, 1, 1, 1, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1})) ==
        "row: a count exceeds 63 bits");
  CHECK(refusal(bytes_of({1, 1, 1, 7, 1, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xF0, 0x7F, 0})) ==
        "row: a mantissa is not finite");
  // A dimension of 2^64 - 1, then one more.
  CHECK(refusal(
            bytes_of({1, 1, 1, 1, 1, 2, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 0, 1, 0, 0, 1})) ==
        "row: a dimension exceeds 64 bits");
  // Two events of a sequence with the same time, the second before or equal to the first.
  CHECK(refusal(bytes_of({1, 1, 1, 8, 1, 2, 0, 5, 0, 1, 0, 4, 0, 1, 0})) ==
        "row: a sequence's events are out of order");
  CHECK(refusal(bytes_of({1, 1, 1, 8, 1, 2, 0, 5, 0, 1, 0, 5, 0, 1, 0})) ==
        "row: a sequence's events are out of order");
  CHECK(refusal(bytes_of({1, 1, 1, 8, 1, 1, 0, 5, 1, 1, 0})) == "row: an event time is out of range");
}

TEST_CASE("a wrong checksum is refused") {
  std::string bytes = encoded(Row{});
  bytes.back() ^= 1;
  Row row;
  CHECK(decode_row(bytes, &row).message() == "row: wrong checksum");
  CHECK(decode_row("", &row).message() == "row: wrong checksum");
  CHECK(decode_row("abc", &row).message() == "row: wrong checksum");
}

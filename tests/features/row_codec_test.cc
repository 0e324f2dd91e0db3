#include <doctest/doctest.h>

#include <limits>
#include <string>

#include "features/checksum.h"
#include "features/decay.h"
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

TEST_CASE("the row without views has seven bytes less one") {
  CHECK(encoded(Row{}) == with_checksum(bytes_of({2, 0})));
}

TEST_CASE("random rows come back as they were, from one encoding") {
  const std::uint64_t seed = 99;
  INFO("seed ", seed);
  std::mt19937_64 random(seed);
  Row back;  // one for all, as its memory is used again
  for (int i = 0; i < 6'000; ++i) {
    const Row row = testing::some_row(random);
    const std::string bytes = encoded(row);
    const Status status = decode_row(bytes, &back);
    REQUIRE_MESSAGE(status.ok(), status.to_string());
    REQUIRE(back == row);
    REQUIRE(encoded(back) == bytes);
  }
}

TEST_CASE("a sum of one event takes the bytes of its weight, and comes back bit for bit") {
  const auto row_of = [](double weight, std::int64_t half_life_ms) {
    const DecayedSum sum = decayed(weight, decay_time(1'700'000'000'123, 86'400'000));
    Row row;
    row.blocks.push_back({.view = 1, .aggregate = Aggregate::kDecayedSum, .max_entries = 1024});
    row.blocks[0].half_life_ms = half_life_ms;
    row.blocks[0].entries = {
        {.dimension = 9,
         .value = {.count = 1, .mantissa = sum.mantissa, .exponent = sum.exponent, .newest_ms = 1'700'000'000'123}}};
    return row;
  };
  const std::size_t plain = encoded(row_of(1.0, 86'400'000)).size();
  CHECK(encoded(row_of(0.2, 86'400'000)).size() == plain + 2);
  CHECK(encoded(row_of(0.0, 86'400'000)).size() == plain + 2);
  // No number of millionths, and a half-life that the sum was not made with: all bits are kept.
  CHECK(encoded(row_of(1.0 / 3.0, 86'400'000)).size() > plain + 7);
  CHECK(encoded(row_of(1.0, 43'200'000)).size() > plain + 7);
  CHECK(encoded(row_of(1.0, 0)).size() > plain + 7);
  for (const double weight : {1.0, 0.2, 0.0, 1.0 / 3.0, -2.5, 1e-6, 1e8, 1e300, 5e-324}) {
    Row back;
    REQUIRE(decode_row(encoded(row_of(weight, 86'400'000)), &back).ok());
    CHECK(back == row_of(weight, 86'400'000));
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

TEST_CASE("rows of another format version are refused by name") {
  CHECK(refusal("") == "row: format version 0 is none that was ever written");
  CHECK(refusal(bytes_of({1, 0})) == "row: format version 1 is not read");
  CHECK(refusal(bytes_of({3, 0})) == "row: the format version is newer than this release; use a newer one");
}

// The first bytes of a body, see format.md.
constexpr int kOne = 0x01;     // one entry
constexpr int kNewest = 0x02;  // newest of the row
constexpr int kOnes = 0x04;    // counts are 1
constexpr int kPlainly = 0x08;
constexpr int kNoDimension = 0x30;
constexpr int kUsual = kOne | kNewest | kOnes | kPlainly;

TEST_CASE("malformed heads under a right checksum are refused, and the message says what") {
  CHECK(refusal(bytes_of({2})) == "row: bytes left over, or cut off");
  CHECK(refusal(bytes_of({2, 0, 0})) == "row: bytes left over, or cut off");
  CHECK(refusal(bytes_of({2, 0x80, 0})) == "row: bytes left over, or cut off");  // 0 spelled in two bytes
  CHECK(refusal(bytes_of({2, 1})) == "row: a row without entries has a time");
  CHECK(refusal(bytes_of({2, 4, 1, 2, 0, 0})) == "row: a row without entries has a time");
  CHECK(refusal(bytes_of({2, 12, 1, 1, 0, 0, 0})) == "row: more views than bytes for them");
  CHECK(refusal(bytes_of({2, 4, 0, 0, 0, 0})) == "row: an aggregate is unknown");
  CHECK(refusal(bytes_of({2, 4, 9, 0, 0, 0})) == "row: an aggregate is unknown");
  CHECK(refusal(bytes_of({2, 4, 0x11, 0, 0, 0, 0})) == "row: a view id is spelled longer than it need be");
  CHECK(refusal(bytes_of({2, 4, 0x11, 0xFF, 0xFF, 0xFF, 0xFF, 0x10, 0, 0, 0})) == "row: a view id exceeds 32 bits");
  CHECK(refusal(bytes_of({2, 4, 0x21, 0x80, 0x08, 0, 0, 0})) == "row: max_entries is spelled longer than it need be");
  CHECK(refusal(bytes_of({2, 4, 0x21, 0xFF, 0xFF, 0xFF, 0xFF, 0x10, 0, 0, 0})) == "row: max_entries exceeds 32 bits");
  CHECK(refusal(bytes_of({2, 4, 0x41, 0, 0, 0, 0})) == "row: a duration is out of range");
  CHECK(refusal(bytes_of({2, 4, 0x41, 24 * 4 + 2, 0, 0, 0})) == "row: a duration has a larger unit");  // 24 h
  CHECK(refusal(bytes_of({2, 4, 0x81, 7, 0, 0, 0})) == "row: a half-life without decayed sums");
}

TEST_CASE("malformed bodies under a right checksum are refused, and the message says what") {
  const auto body = [](std::initializer_list<int> values) { return bytes_of({2, 4, 1, 20}) + bytes_of(values); };
  CHECK(refusal(body({kOnes, 0})) == "row: a number of entries is spelled longer than it need be");
  CHECK(refusal(body({kUsual - kOne, 1, 5, 0})) == "row: a number of entries is spelled longer than it need be");
  CHECK(refusal(body({kUsual - kOne, 9, 5, 0})) == "row: more entries than bytes for them");
  CHECK(refusal(body({kUsual - kNewest, 0, 5})) ==
        "row: the block's newest event time is spelled longer than it need be");
  CHECK(refusal(body({kUsual - kNewest, 1, 5})) == "row: no block has the row's newest event time");
  CHECK(refusal(body({kUsual, 0})) == "row: dimensions are spelled longer than they need be");
  CHECK(refusal(body({kUsual, 72})) == "row: dimensions are spelled longer than they need be");  // hour of the week
  CHECK(refusal(body({(kUsual - kOne) | kNoDimension, 2, 0, 1})) == "row: one dimension for several entries");
  CHECK(refusal(body({kUsual - kOne, 2, 5, 0, 1, 1})) == "row: no entry has the block's newest event time");
  CHECK(refusal(body({kUsual - kOnes, 5, 0})) == "row: counts of 1 are spelled longer than they need be");
  CHECK(refusal(body({kUsual - kPlainly, 5, 0})) == "row: counts have no weights");
  CHECK(refusal(body({kUsual, 5, 0})) == "row: bytes left over, or cut off");
  CHECK(refusal(body({kUsual | 0x40, 5})) == "row: a scale without weights");
  CHECK(refusal(body({kUsual - kOnes, 5, 0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1})) ==
        "row: a count exceeds 63 bits");
  // A dimension of 2^64 - 1, then one more.
  CHECK(refusal(body({kUsual - kOne, 2, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 0, 0, 1})) ==
        "row: a dimension exceeds 64 bits");
  CHECK(refusal(body({kUsual - kOne - kOnes, 2, 5, 0, 0, 1, 2, 1})) == "row: a width is larger than it need be");
  CHECK(refusal(body({kUsual - kOne - kOnes, 2, 5, 0, 0, 1, 65, 1})) == "row: a width is out of range");
  // A time of 1,000 ms has the unit of seconds.
  CHECK(refusal(bytes_of({2, 4, 1, 0xD0, 0x0F, kUsual, 5})) == "row: times have a larger unit");
}

TEST_CASE("malformed values under a right checksum are refused, and the message says what") {
  const auto sequence = [](std::initializer_list<int> values) { return bytes_of({2, 4, 8, 20}) + bytes_of(values); };
  CHECK(refusal(sequence({kUsual - kOne, 2, 5, 4, 0})) == "row: a sequence's events are out of order");
  CHECK(refusal(sequence({kUsual - kOne, 2, 5, 5, 0})) == "row: a sequence's events are out of order");
  CHECK(refusal(sequence({kUsual | 0x10})) == "row: a sequence's dimensions are not hours");
  const auto sum = [](std::initializer_list<int> values) { return bytes_of({2, 4, 2, 20}) + bytes_of(values); };
  CHECK(refusal(sum({(kUsual - kPlainly) | 0xC0, 5, 2})) == "row: weights of 1 are spelled longer than they need be");
  CHECK(refusal(sum({(kUsual - kPlainly) | 0x80, 5, 20})) == "row: weights have a larger scale");
  CHECK(refusal(sum({(kUsual - kPlainly) | 0x40, 5, 0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1})) ==
        "row: a weight exceeds 64 bits");
  // Half-life 1 ms: byte 4. The newest event is at 10 ms, so the sum of one event of weight 1 is 0.5 * 2^11.
  const auto decayed = [](std::initializer_list<int> values) {
    return bytes_of({2, 4, 0x87, 4, 20}) + bytes_of(values);
  };
  constexpr int kSums = kUsual - kPlainly;
  CHECK(refusal(decayed({kSums, 5, 0x08, 2, 0, 0, 0, 0, 0, 0, 0})) ==
        "row: the sum of one event is spelled longer than it need be");
  CHECK(refusal(decayed({kSums, 5, 0x14})) == "row: forms of sums are spelled longer than they need be");
  CHECK(refusal(decayed({kSums, 5, 0x0C})) == "row: forms of sums are spelled longer than they need be");
  CHECK(refusal(decayed({kSums, 5, 0x07, 2})) == "row: weights of 1 are spelled longer than they need be");
  CHECK(refusal(decayed({kSums, 5, 0x40})) == "row: a flag is unknown");
  CHECK(refusal(decayed({kUsual - kOnes, 5, 1})) == "row: a sum of several events as one");
  CHECK(refusal(decayed({kSums - kOnes, 5, 1, 0x28, 2, 0, 0, 0, 0, 0, 0, 0xE0, 0x3F})) ==
        "row: mantissas are spelled longer than they need be");
  CHECK(refusal(decayed({kSums - kOnes, 5, 1, 0x28, 2, 0, 0, 0, 0, 0, 0, 0xF0, 0x7F})) ==
        "row: a mantissa is not finite");
}

TEST_CASE("a wrong checksum is refused") {
  std::string bytes = encoded(Row{});
  bytes.back() ^= 1;
  Row row;
  CHECK(decode_row(bytes, &row).message() == "row: wrong checksum");
  CHECK(decode_row("", &row).message() == "row: wrong checksum");
  CHECK(decode_row("abc", &row).message() == "row: wrong checksum");
}

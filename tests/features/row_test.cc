#include "features/row.h"

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <vector>

using namespace cairn;
using namespace cairn::features;

namespace {

constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();

Row row_of(Aggregate aggregate, std::vector<Entry> entries, std::uint32_t max_entries = 100, std::uint32_t view = 1) {
  return {{{.view = view, .aggregate = aggregate, .max_entries = max_entries, .entries = std::move(entries)}}};
}

Row row_of(Aggregate aggregate, Value value) { return row_of(aggregate, {{.dimension = 0, .value = value}}); }

Value merged(Aggregate aggregate, const Value& a, const Value& b) {
  Row row = row_of(aggregate, a);
  merge_row(&row, row_of(aggregate, b));
  Row other_way = row_of(aggregate, b);
  merge_row(&other_way, row_of(aggregate, a));
  CHECK(row == other_way);
  REQUIRE(row.blocks.size() == 1);
  REQUIRE(row.blocks[0].entries.size() == 1);
  return row.blocks[0].entries[0].value;
}

Entry event(std::int64_t newest_ms, std::uint64_t dimension, std::int64_t micros = 0, std::int64_t count = 1) {
  return {.dimension = dimension, .value = {.count = count, .micros = micros, .newest_ms = newest_ms}};
}

std::string encoded(const Row& row) {
  std::string bytes;
  encode_row(row, &bytes);
  return bytes;
}

Row decoded(const std::string& bytes) {
  Row row;
  const Status status = decode_row(bytes, &row);
  CHECK_MESSAGE(status.ok(), status.to_string());
  return row;
}

}  // namespace

TEST_CASE("two values of one entry merge as their aggregate says, either way round") {
  const Value a{.count = 2, .micros = -3'000'000, .newest_ms = 10};
  const Value b{.count = 3, .micros = 5'000'000, .newest_ms = 7};
  const auto expect = [](std::int64_t micros) { return Value{.count = 5, .micros = micros, .newest_ms = 10}; };
  CHECK(merged(Aggregate::kSum, a, b) == expect(2'000'000));
  CHECK(merged(Aggregate::kMean, a, b) == expect(2'000'000));
  CHECK(merged(Aggregate::kMin, a, b) == expect(-3'000'000));
  CHECK(merged(Aggregate::kMax, a, b) == expect(5'000'000));
  CHECK(merged(Aggregate::kLast, a, b) == expect(-3'000'000));
  CHECK(merged(Aggregate::kCount, {.count = 2, .newest_ms = 10}, {.count = 3, .newest_ms = 7}) == expect(0));
}

TEST_CASE("of two last values with one time the larger stays") {
  const Value a{.count = 1, .micros = 4, .newest_ms = 10};
  const Value b{.count = 1, .micros = 9, .newest_ms = 10};
  CHECK(merged(Aggregate::kLast, a, b) == Value{.count = 2, .micros = 9, .newest_ms = 10});
}

TEST_CASE("decayed sums merge on the larger exponent") {
  const Value a{.count = 1, .mantissa = 0.5, .exponent = 4, .newest_ms = 10};   // 8
  const Value b{.count = 1, .mantissa = 0.75, .exponent = 2, .newest_ms = 12};  // 3
  CHECK(merged(Aggregate::kDecayedSum, a, b) ==
        Value{.count = 2, .mantissa = 0.6875, .exponent = 4, .newest_ms = 12});  // 11
  const Value minus_a{.count = 1, .mantissa = -0.5, .exponent = 4, .newest_ms = 11};
  CHECK(merged(Aggregate::kDecayedSum, a, minus_a) == Value{.count = 2, .newest_ms = 11});
}

TEST_CASE("counts and sums stop at the ends of 64 bits") {
  const Value full{.count = kMax, .micros = kMax};
  CHECK(merged(Aggregate::kSum, full, {.count = 5, .micros = 5}) == full);
  CHECK(merged(Aggregate::kSum, {.count = 1, .micros = kMin}, {.count = 1, .micros = -1}).micros == kMin);
}

TEST_CASE("entries of both rows are in the result, ascending") {
  Row row = row_of(Aggregate::kCount, {event(1, 2), event(1, 5), event(1, 9)});
  merge_row(&row, row_of(Aggregate::kCount, {event(2, 1), event(2, 5), event(2, 7), event(2, 12)}));
  CHECK(row == row_of(Aggregate::kCount,
                      {event(2, 1), event(1, 2), event(2, 5, 0, 2), event(2, 7), event(1, 9), event(2, 12)}));
}

TEST_CASE("views of both rows are in the result, ascending, and are found") {
  Row row;
  merge_row(&row, row_of(Aggregate::kCount, {event(1, 1)}, 100, 7));
  merge_row(&row, row_of(Aggregate::kSum, {event(1, 1)}, 100, 3));
  merge_row(&row, row_of(Aggregate::kMax, {event(1, 1)}, 100, 9));
  merge_row(&row, row_of(Aggregate::kCount, {event(1, 1)}, 100, 7));
  REQUIRE(row.blocks.size() == 3);
  CHECK(row.blocks[0].view == 3);
  CHECK(row.blocks[1].view == 7);
  CHECK(row.blocks[2].view == 9);
  REQUIRE(row.find(7) != nullptr);
  CHECK(row.find(7)->entries[0].value.count == 2);
  CHECK(row.find(8) == nullptr);
  CHECK(row.find(10) == nullptr);
}

TEST_CASE("a view whose aggregate changed starts anew") {
  Row row = row_of(Aggregate::kSum, {event(5, 1, 10)});
  const Row delta = row_of(Aggregate::kCount, {event(1, 1)});
  merge_row(&row, delta);
  CHECK(row == delta);
}

TEST_CASE("past max_entries the newest stay, and among equals the larger dimension") {
  Row row = row_of(Aggregate::kCount, {event(50, 1), event(10, 2), event(30, 3)}, 3);
  merge_row(&row, row_of(Aggregate::kCount, {event(30, 4), event(20, 5)}, 3));
  CHECK(row == row_of(Aggregate::kCount, {event(50, 1), event(30, 3), event(30, 4)}, 3));
  merge_row(&row, row_of(Aggregate::kCount, {event(30, 2)}, 3));
  CHECK(row == row_of(Aggregate::kCount, {event(50, 1), event(30, 3), event(30, 4)}, 3));
}

TEST_CASE("the later bound holds, and no bound keeps all") {
  Row row = row_of(Aggregate::kCount, {event(1, 1), event(2, 2), event(3, 3)}, 3);
  merge_row(&row, row_of(Aggregate::kCount, {event(4, 4)}, 2));
  CHECK(row == row_of(Aggregate::kCount, {event(3, 3), event(4, 4)}, 2));
  merge_row(&row, row_of(Aggregate::kCount, {event(5, 5)}, 0));
  CHECK(row == row_of(Aggregate::kCount, {event(3, 3), event(4, 4), event(5, 5)}, 0));
  Row empty;
  merge_row(&empty, row_of(Aggregate::kCount, {event(1, 1), event(2, 2)}, 1));
  CHECK(empty == row_of(Aggregate::kCount, {event(2, 2)}, 1));
}

TEST_CASE("a sequence keeps its newest events in order, and counts identical ones") {
  Row row = row_of(Aggregate::kSequence, {event(10, 9, 1), event(20, 1, 1), event(20, 1, 5)}, 4);
  merge_row(&row, row_of(Aggregate::kSequence, {event(5, 3, 1), event(20, 1, 1), event(20, 2, 1)}, 4));
  CHECK(row ==
        row_of(Aggregate::kSequence, {event(10, 9, 1), event(20, 1, 1, 2), event(20, 1, 5), event(20, 2, 1)}, 4));
}

TEST_CASE("encoded rows merge like rows") {
  const Row a = row_of(Aggregate::kCount, {event(1, 1), event(2, 2)});
  const Row b = row_of(Aggregate::kCount, {event(3, 2)});
  const std::vector<std::string> bytes = {encoded(a), encoded(b), encoded(b)};
  const std::vector<std::string_view> operands = {bytes[1], bytes[2]};
  std::string merged_bytes = "what was there before";
  CHECK(merge_encoded_rows(bytes[0], operands, &merged_bytes) == 0);
  CHECK(decoded(merged_bytes) == row_of(Aggregate::kCount, {event(1, 1), event(3, 2, 0, 3)}));
  CHECK(merge_encoded_rows(std::nullopt, operands, &merged_bytes) == 0);
  CHECK(decoded(merged_bytes) == row_of(Aggregate::kCount, {event(3, 2, 0, 2)}));
  CHECK(merge_encoded_rows(bytes[0], {}, &merged_bytes) == 0);
  CHECK(merged_bytes == bytes[0]);
}

TEST_CASE("an operand that cannot be decoded is left out and counted") {
  const std::string good = encoded(row_of(Aggregate::kCount, {event(1, 1)}));
  std::string bad = good;
  bad[3] ^= 1;
  const std::vector<std::string_view> operands = {bad, good, "", good};
  std::string merged_bytes;
  CHECK(merge_encoded_rows(std::nullopt, operands, &merged_bytes) == 2);
  CHECK(decoded(merged_bytes) == row_of(Aggregate::kCount, {event(1, 1, 0, 2)}));
}

TEST_CASE("a base that cannot be decoded is kept byte for byte") {
  const std::string good = encoded(row_of(Aggregate::kCount, {event(1, 1)}));
  const std::vector<std::string_view> operands = {good, good};
  std::string merged_bytes;
  CHECK(merge_encoded_rows("not a row", operands, &merged_bytes) == 2);
  CHECK(merged_bytes == "not a row");
  CHECK(merge_encoded_rows("", operands, &merged_bytes) == 2);
  CHECK(merged_bytes.empty());
}

TEST_CASE("nothing but bad operands make a row without views") {
  const std::vector<std::string_view> operands = {"x", "yy"};
  std::string merged_bytes;
  CHECK(merge_encoded_rows(std::nullopt, operands, &merged_bytes) == 2);
  CHECK(decoded(merged_bytes) == Row{});
}

TEST_CASE("a row's memory counts its blocks and entries") {
  Row row = row_of(Aggregate::kCount, {event(1, 1), event(2, 2)});
  CHECK(row.memory_bytes() >= sizeof(Row) + sizeof(ViewBlock) + 2 * sizeof(Entry));
  CHECK(Row{}.memory_bytes() == sizeof(Row));
}

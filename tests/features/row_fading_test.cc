#include <doctest/doctest.h>

#include <cmath>
#include <set>
#include <string>

#include "features/decay.h"
#include "features/row.h"
#include "tests/features/random_rows.h"

using namespace cairn;
using namespace cairn::features;

namespace {

constexpr std::int64_t kDay = 86'400'000;
constexpr std::int64_t kNow = 20'000 * kDay;

std::string encoded(const Row& row) {
  std::string bytes;
  encode_row(row, &bytes);
  return bytes;
}

Entry counted(std::uint64_t dimension, std::int64_t newest_ms) {
  return {.dimension = dimension, .value = {.count = 1, .newest_ms = newest_ms}};
}

Entry sum(std::uint64_t dimension, double weight, std::int64_t newest_ms, std::int64_t half_life_ms,
          std::int64_t count = 1) {
  const DecayedSum made = decayed(weight, decay_time(newest_ms, half_life_ms));
  return {.dimension = dimension,
          .value = {.count = count, .mantissa = made.mantissa, .exponent = made.exponent, .newest_ms = newest_ms}};
}

Row row_of(ViewBlock block, std::vector<Entry> entries) {
  block.entries = std::move(entries);
  return {{std::move(block)}};
}

const ViewBlock kTiles{.view = 1, .aggregate = Aggregate::kCount, .ttl_ms = 30 * kDay};
const ViewBlock kSums{.view = 2, .aggregate = Aggregate::kDecayedSum, .half_life_ms = 10 * kDay};

// What is left of the row at `now_ms`; empty text: nothing.
std::string left_of(const Row& row, std::int64_t now_ms) {
  std::string kept;
  const std::string bytes = encoded(row);
  switch (drop_faded(bytes, now_ms, &kept)) {
    case Faded::kNothing:
      return bytes;
    case Faded::kSome:
      return kept;
    case Faded::kEverything:
      break;
  }
  CHECK(kept.empty());
  return "";
}

}  // namespace

TEST_CASE("an entry leaves its row in the millisecond in which its TTL has passed") {
  const Row row = row_of(kTiles, {counted(1, kNow - 30 * kDay), counted(2, kNow)});
  CHECK(left_of(row, kNow) == encoded(row));
  CHECK(left_of(row, kNow + 1) == encoded(row_of(kTiles, {counted(2, kNow)})));
  CHECK(left_of(row, kNow + 30 * kDay + 1).empty());
}

TEST_CASE("a view without TTL and half-life loses nothing, however old") {
  const Row row = row_of({.view = 1, .aggregate = Aggregate::kCount}, {counted(1, -kNow)});
  CHECK(left_of(row, std::numeric_limits<std::int64_t>::max()) == encoded(row));
}

TEST_CASE("a decayed sum leaves its row when less than 2^-20 of 1 is left") {
  // A weight of 1 has 2^-20 left after twenty half-lives, one of 1,024 after thirty, one of 1/2 after nineteen.
  for (const std::int64_t count : {1, 3}) {
    const Row row = row_of(kSums, {sum(1, 1.0, kNow, 10 * kDay, count), sum(2, 1024.0, kNow, 10 * kDay, count),
                                   sum(3, -0.5, kNow, 10 * kDay, count)});
    CHECK(left_of(row, kNow + 190 * kDay) == encoded(row));
    CHECK(left_of(row, kNow + 200 * kDay) ==
          encoded(row_of(kSums, {row.blocks[0].entries[0], row.blocks[0].entries[1]})));
    CHECK(left_of(row, kNow + 300 * kDay) == encoded(row_of(kSums, {row.blocks[0].entries[1]})));
    CHECK(left_of(row, kNow + 301 * kDay).empty());
  }
}

TEST_CASE("what lies in the future stays, and so does what is of this moment, even when it is nothing") {
  const Row row = row_of(kSums, {sum(1, 0.0, kNow, 10 * kDay), sum(2, 1e-9, kNow + 1, 10 * kDay)});
  CHECK(left_of(row, kNow) == encoded(row));
}

TEST_CASE("a view of which nothing is left is dropped, but for the trace of a TTL that has passed, the others stay") {
  Row row = row_of(kTiles, {counted(1, kNow)});
  row.blocks.push_back(row_of(kSums, {sum(1, 1.0, kNow, 10 * kDay)}).blocks[0]);
  const std::string left = left_of(row, kNow + 31 * kDay);
  CHECK(left == encoded({{row_of(kTiles, {}).blocks[0], row.blocks[1]}}));
  Row kept;
  REQUIRE(decode_row(left, &kept).ok());
  CHECK(left_of(kept, kNow + 32 * kDay) == left);  // and is not rewritten again
  CHECK(left_of(kept, kNow + 400 * kDay).empty());
  // Sums that faded by their half-life leave none: such a view has no age.
  Row sums = row_of({.view = 1, .aggregate = Aggregate::kCount}, {counted(1, kNow)});
  sums.blocks.push_back(row.blocks[1]);
  CHECK(left_of(sums, kNow + 400 * kDay) == encoded({{sums.blocks[0]}}));
}

TEST_CASE("damaged rows and rows that never had entries are left alone") {
  std::string kept = "as it was";
  CHECK(drop_faded("no row", kNow, &kept) == Faded::kNothing);
  CHECK(drop_faded("", kNow, &kept) == Faded::kNothing);
  CHECK(drop_faded(encoded(Row{}), kNow, &kept) == Faded::kNothing);
  CHECK(drop_faded(encoded(row_of(kTiles, {})), kNow, &kept) == Faded::kNothing);
  CHECK(kept == "as it was");
}

TEST_CASE("of random rows stays what their TTL still serves and what has a millionth left") {
  constexpr std::uint64_t kSeed = 17;
  INFO("seed ", kSeed);
  std::mt19937_64 random(kSeed);
  int lost = 0;
  for (int i = 0; i < 3'000; ++i) {
    Row row = testing::usual_row(random);
    const std::string bytes = encoded(row);
    const auto now_ms = static_cast<std::int64_t>(random() % 2'200'000'000'000);
    const std::string left = left_of(row, now_ms);
    std::size_t before = 0;
    std::size_t after = 0;
    std::set<std::uint32_t> aged;  // views
    for (ViewBlock& block : row.blocks) {
      before += block.entries.size();
      if (block.entries.empty() && block.ttl_ms > 0) aged.insert(block.view);
      std::erase_if(block.entries, [&](const Entry& entry) {
        const std::int64_t age_ms = now_ms - entry.value.newest_ms;
        if (block.ttl_ms > 0 && age_ms > block.ttl_ms) return aged.insert(block.view), true;
        if (block.half_life_ms == 0 || age_ms <= 0) return false;
        const long double half_lives = static_cast<long double>(now_ms) / block.half_life_ms;
        const long double lasting = static_cast<long double>(entry.value.exponent) - half_lives;
        return std::fabs(entry.value.mantissa * std::exp2(lasting)) < std::exp2(-20.0L);
      });
      after += block.entries.size();
    }
    std::erase_if(row.blocks,
                  [&](const ViewBlock& block) { return block.entries.empty() && !aged.contains(block.view); });
    lost += before > after ? 1 : 0;
    REQUIRE(left == (before == after ? bytes : (after == 0 ? "" : encoded(row))));
  }
  CHECK(lost > 500);
  CHECK(lost < 2'900);
}

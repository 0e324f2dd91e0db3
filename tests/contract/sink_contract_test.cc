// What every Sink promises, checked on each of them.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "tests/contract/sink_twins.h"

#define CAIRN_SINKS MemoryTwin, MemoryFeatureTwin, RocksDbFeatureTwin, SqlTwin

namespace cairn::ingest {
namespace {

using Positions = std::vector<SourcePosition>;

constexpr std::array kThree = {Partition{0}, Partition{1}, Partition{7}};

SourcePosition at(Partition partition, std::int64_t offset, std::string cursor = "") {
  return {partition, Offset{offset}, std::move(cursor)};
}

std::vector<Interaction> events(std::int64_t count) {
  std::vector<Interaction> all;
  for (std::int64_t i = 0; i < count; ++i) {
    all.push_back({UserId("u"),
                   PlaceId("p" + std::to_string(i % 3)),
                   TypeIndex{2},
                   event_time_from_ms(1'700'000'000'000 + i),
                   {},
                   {},
                   ""});
  }
  return all;
}

/// In the order of the partitions.
Positions resumed(Sink& sink, const std::string& source, std::span<const Partition> partitions = kThree) {
  auto stored = sink.resume(source, partitions);
  REQUIRE_MESSAGE(stored.ok(), stored.status().to_string());
  std::sort(stored->begin(), stored->end(), [](const auto& a, const auto& b) { return a.partition < b.partition; });
  return *std::move(stored);
}

Status apply(Sink& sink, const std::string& source, std::int64_t count, const Positions& before,
             const Positions& after) {
  static_cast<void>(resumed(sink, source));  // a partition is resumed before its first batch
  const std::vector<Interaction> interactions = events(count);
  return sink.apply(source, {.interactions = interactions, .refused = {}, .before = before, .after = after});
}

void must_apply(Sink& sink, const std::string& source, std::int64_t count, const Positions& before,
                const Positions& after) {
  const Status applied = apply(sink, source, count, before, after);
  REQUIRE_MESSAGE(applied.ok(), applied.to_string());
}

TEST_CASE_TEMPLATE("a source that was never applied has no positions", Twin, CAIRN_SINKS) {
  Twin twin;
  CHECK(resumed(twin.sink(), "new").empty());
  CHECK(twin.events() == 0);
}

TEST_CASE_TEMPLATE("what was applied is counted and its positions are found again, also by a sink opened anew", Twin,
                   CAIRN_SINKS) {
  Twin twin;
  must_apply(twin.sink(), "s", 5, {}, {at(kThree[0], 50, "a cursor"), at(kThree[2], 9)});
  must_apply(twin.sink(), "s", 3, {at(kThree[0], 50, "a cursor")}, {at(kThree[0], 80, "another")});
  for (int opened = 0; opened < 2; ++opened) {
    CHECK(resumed(twin.sink(), "s") == Positions{at(kThree[0], 80, "another"), at(kThree[2], 9)});
    CHECK(twin.events() == 8);
    twin.reopen();
  }
}

TEST_CASE_TEMPLATE("only the partitions asked for are answered", Twin, CAIRN_SINKS) {
  Twin twin;
  must_apply(twin.sink(), "s", 1, {}, {at(kThree[0], 1), at(kThree[1], 2), at(kThree[2], 3)});
  CHECK(resumed(twin.sink(), "s", std::array{kThree[1]}) == Positions{at(kThree[1], 2)});
  CHECK(resumed(twin.sink(), "s", std::array{Partition{5}, kThree[2]}) == Positions{at(kThree[2], 3)});
  CHECK(resumed(twin.sink(), "s", {}).empty());
}

TEST_CASE_TEMPLATE("sources of different names do not meet", Twin, CAIRN_SINKS) {
  Twin twin;
  must_apply(twin.sink(), "one", 1, {}, {at(kThree[0], 10)});
  must_apply(twin.sink(), "two", 1, {}, {at(kThree[0], 20)});
  must_apply(twin.sink(), std::string(kApiSource), 1, {}, {at(kThree[0], 30)});
  CHECK(resumed(twin.sink(), "one") == Positions{at(kThree[0], 10)});
  CHECK(resumed(twin.sink(), "two") == Positions{at(kThree[0], 20)});
  CHECK(resumed(twin.sink(), std::string(kApiSource)) == Positions{at(kThree[0], 30)});
}

TEST_CASE_TEMPLATE("a batch that does not follow what is stored is aborted and changes nothing", Twin, CAIRN_SINKS) {
  Twin twin;
  must_apply(twin.sink(), "s", 4, {}, {at(kThree[0], 4, "c"), at(kThree[1], 40)});
  const Positions stored = resumed(twin.sink(), "s");
  const auto aborted = [&](const Positions& before, const Positions& after) {
    CHECK(apply(twin.sink(), "s", 2, before, after).code() == StatusCode::kAborted);
  };
  aborted({}, {at(kThree[0], 4, "c")});                  // the same batch again
  aborted({}, {at(kThree[0], 9)});                       // as if nothing were stored
  aborted({at(kThree[0], 3, "c")}, {at(kThree[0], 9)});  // from before
  aborted({at(kThree[0], 5, "c")}, {at(kThree[0], 9)});  // with a gap
  aborted({at(kThree[0], 4, "d")}, {at(kThree[0], 9)});  // in another file
  aborted({at(kThree[2], 1)}, {at(kThree[2], 9)});       // of a partition without a position
  aborted({at(kThree[0], 4, "c"), at(kThree[1], 39)}, {at(kThree[0], 9), at(kThree[1], 41)});  // one of two
  CHECK(twin.events() == 4);
  CHECK(resumed(twin.sink(), "s") == stored);
  must_apply(twin.sink(), "s", 2, {at(kThree[0], 4, "c")}, {at(kThree[0], 6, "c")});
  CHECK(twin.events() == 6);
}

TEST_CASE_TEMPLATE("a batch without events moves its positions", Twin, CAIRN_SINKS) {
  Twin twin;
  must_apply(twin.sink(), "s", 0, {}, {at(kThree[0], 7)});
  CHECK(resumed(twin.sink(), "s") == Positions{at(kThree[0], 7)});
  CHECK(twin.events() == 0);
}

TEST_CASE_TEMPLATE("after a revocation everything applied is stored, and another reader goes on from there", Twin,
                   CAIRN_SINKS) {
  Twin twin;
  must_apply(twin.sink(), "s", 3, {}, {at(kThree[0], 3), at(kThree[1], 30)});
  const Status revoked = twin.sink().revoke("s", std::array{kThree[1]});
  REQUIRE_MESSAGE(revoked.ok(), revoked.to_string());
  twin.reopen();
  CHECK(resumed(twin.sink(), "s") == Positions{at(kThree[0], 3), at(kThree[1], 30)});
  must_apply(twin.sink(), "s", 2, {at(kThree[1], 30)}, {at(kThree[1], 32)});
  CHECK(twin.events() == 5);
  CHECK(twin.sink().revoke("s", std::array{Partition{99}}).ok());  // of which nothing was ever applied
}

TEST_CASE_TEMPLATE("batches of any partitions in any order leave the sum and the last positions", Twin, CAIRN_SINKS) {
  const std::uint32_t seed = 5;
  INFO("seed ", seed);
  std::mt19937 random(seed);
  Twin twin;
  std::map<Partition, std::int64_t> offsets;
  std::int64_t sum = 0;
  for (int batch = 0; batch < 60; ++batch) {
    Positions before;
    Positions after;
    for (const Partition partition : kThree) {
      if (random() % 2 == 0) continue;
      const auto old = offsets.find(partition);
      if (old != offsets.end()) before.push_back(at(partition, old->second));
      offsets[partition] += 1 + random() % 5;
      after.push_back(at(partition, offsets[partition]));
    }
    if (after.empty()) continue;
    const std::int64_t count = random() % 4;
    must_apply(twin.sink(), "s", count, before, after);
    sum += count;
    if (random() % 10 == 0) CHECK(twin.sink().revoke("s", std::array{after.front().partition}).ok());
    if (random() % 20 == 0) twin.reopen();
  }
  CHECK(twin.events() == sum);
  Positions expected;
  for (const auto& [partition, offset] : offsets) expected.push_back(at(partition, offset));
  CHECK(resumed(twin.sink(), "s") == expected);
}

}  // namespace
}  // namespace cairn::ingest

#include "features/dedup.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace cairn;
using features::DedupRule;
using features::SeenEventIds;
using std::chrono::milliseconds;

namespace {

Interaction event_with(std::string id, std::int64_t ms) {
  Interaction event;
  event.time = event_time_from_ms(ms);
  event.event_id = std::move(id);
  return event;
}

}  // namespace

TEST_CASE("a repeat at exactly the window's distance is left out, one millisecond further it is not") {
  const std::vector<Interaction> events{event_with("a", 1000), event_with("a", 1500), event_with("a", 500),
                                        event_with("a", 1501)};
  const DedupRule::Decision result = DedupRule(milliseconds(500)).decide(events, {});
  CHECK(result.included == std::vector<std::size_t>{0, 3});
}

TEST_CASE("the first of a batch in order is kept, whatever its time") {
  const std::vector<Interaction> events{event_with("a", 300), event_with("b", 1), event_with("a", 100)};
  CHECK(DedupRule(milliseconds(1000)).decide(events, {}).included == std::vector<std::size_t>{0, 1});
}

TEST_CASE("what was left out does not stretch the window") {
  const std::vector<Interaction> events{event_with("a", 0), event_with("a", 400), event_with("a", 800)};
  CHECK(DedupRule(milliseconds(500)).decide(events, {}).included == std::vector<std::size_t>{0, 2});
}

TEST_CASE("every remembered time of an id is compared with") {
  const SeenEventIds seen{{"a", event_time_from_ms(0)}, {"a", event_time_from_ms(10'000)}};
  const std::vector<Interaction> events{event_with("a", 10'100), event_with("a", 100), event_with("a", 5000)};
  CHECK(DedupRule(milliseconds(500)).decide(events, seen).included == std::vector<std::size_t>{2});
}

TEST_CASE("interactions without an event id are all included and remembered nowhere") {
  const std::vector<Interaction> events{event_with("", 0), event_with("", 0)};
  const DedupRule::Decision result = DedupRule(milliseconds(500)).decide(events, {});
  CHECK(result.included.size() == 2);
  CHECK(result.new_ids.empty());
}

TEST_CASE("with a window of zero only the same millisecond is a repeat") {
  const std::vector<Interaction> events{event_with("a", 7), event_with("a", 7), event_with("a", 8)};
  CHECK(DedupRule(milliseconds(0)).decide(events, {}).included == std::vector<std::size_t>{0, 2});
}

TEST_CASE("an event id too long for a key is known by its FNV-1a 128 hash") {
  CHECK(features::event_key(std::string(512, 'x')) == std::string(512, 'x'));
  // By a few lines of Python with arbitrary integers.
  CHECK(features::event_key(std::string(600, 'x')) == "fnv1a128:600:788214268e9c2db3c6b5d3a3180283ed");
  const std::string id(5000, 'y');
  const DedupRule::Decision result =
      DedupRule(milliseconds(500)).decide(std::vector{event_with(id, 0), event_with(id, 1)}, {});
  REQUIRE(result.new_ids.size() == 1);
  CHECK(result.new_ids[0].key.size() < 64);
}

TEST_CASE("buckets are a window wide and rounded down, before the epoch too") {
  const DedupRule rule(milliseconds(1000));
  const auto bucket = [&](std::int64_t ms) { return rule.bucket(event_time_from_ms(ms)); };
  CHECK(bucket(0) == 0);
  CHECK(bucket(999) == 0);
  CHECK(bucket(1000) == 1);
  CHECK(bucket(-1) == -1);
  CHECK(bucket(-1000) == -1);
  CHECK(bucket(-1001) == -2);
  CHECK(DedupRule(milliseconds(0)).bucket(event_time_from_ms(-3)) == -3);
}

TEST_CASE("whatever lies within a window of a time lies in the buckets near it") {
  const DedupRule rule(milliseconds(7));
  for (std::int64_t ms = -30; ms <= 30; ++ms) {
    const auto [first, last] = rule.nearby(event_time_from_ms(ms));
    for (std::int64_t other = ms - 7; other <= ms + 7; ++other) {
      CHECK(rule.bucket(event_time_from_ms(other)) >= first);
      CHECK(rule.bucket(event_time_from_ms(other)) <= last);
    }
  }
}

TEST_CASE("what lies up to four windows behind the newest event is kept, what lies five behind may be forgotten") {
  const DedupRule rule(milliseconds(1000));
  for (std::int64_t newest = -6000; newest <= 6000; newest += 333) {
    const std::int64_t first_kept = to_ms(rule.forget_before(event_time_from_ms(newest)));
    CHECK(first_kept <= newest - 4000);
    CHECK(first_kept > newest - 5000);
    CHECK(rule.bucket(event_time_from_ms(first_kept)) == rule.first_kept_bucket(event_time_from_ms(newest)));
    CHECK(rule.bucket(event_time_from_ms(first_kept - 1)) < rule.first_kept_bucket(event_time_from_ms(newest)));
  }
}

#include "sql/event_ids.h"

#include <doctest/doctest.h>

#include "tests/sql/interaction_stream.h"

namespace cairn::sql {
namespace {

using std::chrono::milliseconds;

Interaction event_with(const char* id, std::int64_t ms) {
  Interaction event = interaction("p", ms);
  event.event_id = id;
  return event;
}

TEST_CASE("a repeat at exactly the window's distance is left out, one millisecond further it is not") {
  const std::vector<Interaction> events{event_with("a", 1000), event_with("a", 1500), event_with("a", 500),
                                        event_with("a", 1501)};
  const Deduplicated result = deduplicate(events, {}, milliseconds(500));
  CHECK(result.included == std::vector<std::size_t>{0, 3});
}

TEST_CASE("the first of a batch in order is kept, whatever its time") {
  const std::vector<Interaction> events{event_with("a", 300), event_with("b", 1), event_with("a", 100)};
  CHECK(deduplicate(events, {}, milliseconds(1000)).included == std::vector<std::size_t>{0, 1});
}

TEST_CASE("what was left out does not stretch the window") {
  const std::vector<Interaction> events{event_with("a", 0), event_with("a", 400), event_with("a", 800)};
  CHECK(deduplicate(events, {}, milliseconds(500)).included == std::vector<std::size_t>{0, 2});
}

TEST_CASE("every time an id was written at is compared with") {
  const SeenEventIds seen{{"a", {event_time_from_ms(0), event_time_from_ms(10'000)}}};
  const std::vector<Interaction> events{event_with("a", 10'100), event_with("a", 100), event_with("a", 5000)};
  CHECK(deduplicate(events, seen, milliseconds(500)).included == std::vector<std::size_t>{2});
}

TEST_CASE("interactions without an event id are all included and remembered nowhere") {
  const std::vector<Interaction> events{event_with("", 0), event_with("", 0)};
  const Deduplicated result = deduplicate(events, {}, milliseconds(500));
  CHECK(result.included.size() == 2);
  CHECK(result.new_ids.empty());
}

TEST_CASE("an event id too long for an index entry is known by its FNV-1a 128 hash") {
  CHECK(event_key(std::string(512, 'x')) == std::string(512, 'x'));
  // By a few lines of Python with arbitrary integers.
  CHECK(event_key(std::string(600, 'x')) == "fnv1a128:600:788214268e9c2db3c6b5d3a3180283ed");
}

}  // namespace
}  // namespace cairn::sql

// Repeats that come late, and events that are sent again because the sender cannot know whether they arrived, count
// once in the features and once in the tables.

#include <doctest/doctest.h>

#include <set>
#include <string>
#include <vector>

#include "tests/contract/both_stores.h"

namespace cairn::sql {
namespace {

constexpr std::int64_t kDayMs = 86'400'000;
constexpr std::int64_t kToday = 1'714'521'600'000;  // 2024-05-01

Interaction event(const std::string& place, const std::string& event_id, std::int64_t ms) {
  Interaction made = interaction(place, ms, TypeIndex{2});
  made.event_id = event_id;
  return made;
}

/// What `cairn ingest` sends in one part: events with an id each.
std::vector<Interaction> part(int first, int count, const std::string& attempt) {
  std::vector<Interaction> events;
  for (int i = first; i < first + count; ++i) {
    const std::string number = std::to_string(i);
    events.push_back(event(number + " " + attempt, "event " + number, kToday + i));
  }
  return events;
}

void append(std::set<std::string>* places, const std::vector<Interaction>& events) {
  for (const Interaction& event : events) places->insert(event.place.str());
}

TEST_CASE("an event id that comes again with a time thirty days later or earlier counts once in both stores") {
  BothStores both(DecodeOptions{}.dedup_ids);
  both.apply("s", {event("first", "a", kToday), event("other", "b", kToday)});
  both.apply("s", {event("later", "a", kToday + 30 * kDayMs)});
  both.apply("another source", {event("earlier", "a", kToday - 30 * kDayMs)});
  both.restart_features();
  both.restart_tables();
  both.apply("s", {event("after a restart", "a", kToday + 60 * kDayMs), event("new", "c", kToday - 300 * kDayMs),
                   event("once more", "b", kToday - 30 * kDayMs)});
  const std::set<std::string> expected{"first", "other", "new"};
  CHECK(both.feature_places() == expected);
  CHECK(both.table_places() == expected);
}

TEST_CASE("an event, another thirty days later, and the first again: each counts once in both stores") {
  for (const bool restart : {false, true}) {
    INFO("restarted before the repeat: ", restart);
    BothStores both(DecodeOptions{}.dedup_ids);
    both.apply("api", {event("first", "a", kToday)});
    both.apply("api", {event("another", "b", kToday + 30 * kDayMs)});
    if (restart) {
      both.restart_features();
      both.restart_tables();
    }
    both.apply("api", {event("first again", "a", kToday)});
    const std::set<std::string> expected{"first", "another"};
    CHECK(both.feature_places() == expected);
    CHECK(both.table_places() == expected);
  }
}

TEST_CASE("a file of six thousand old events with ids that is sent again after a restart counts once") {
  BothStores both(DecodeOptions{}.dedup_ids);
  std::set<std::string> expected;
  const auto old_part = [](int first, const std::string& attempt) {
    std::vector<Interaction> events = part(first, 1000, attempt);
    for (Interaction& event : events) event.time -= std::chrono::hours(24 * 700);
    return events;
  };
  for (int first = 0; first < 6000; first += 1000) {
    both.apply("api", old_part(first, "first"));
    append(&expected, old_part(first, "first"));
  }
  // Newer events come in between, as they do to a system at work.
  both.apply("api", part(6000, 500, "first"));
  append(&expected, part(6000, 500, "first"));
  both.restart_features();
  both.restart_tables();
  for (int first = 0; first < 6000; first += 1000) both.apply("api", old_part(first, "again"));
  CHECK(both.feature_places() == expected);
  CHECK(both.table_places() == expected);
}

TEST_CASE("parts that are sent again after a crash count once in both stores, though the features had lost them") {
  BothStores both(DecodeOptions{}.dedup_ids);
  std::set<std::string> expected;
  both.apply("api", part(0, 100, "first"));
  both.store_features();
  // These are in the tables, and in a window of the features that the crash takes with it.
  both.apply("api", part(100, 100, "first"));
  both.apply("api", part(200, 50, "first"));
  append(&expected, part(0, 250, "first"));
  CHECK(both.feature_places() == expected);
  both.crash();
  CHECK(both.given_again() == 2);
  CHECK(both.feature_places() == expected);
  CHECK(both.table_places() == expected);

  // The sender had no answer to the last two parts. It sends them again, cut elsewhere, and goes on.
  both.apply("api", part(80, 90, "again"));
  both.apply("api", part(170, 130, "again"));
  append(&expected, part(250, 50, "again"));
  CHECK(both.feature_places() == expected);
  CHECK(both.table_places() == expected);
}

}  // namespace
}  // namespace cairn::sql

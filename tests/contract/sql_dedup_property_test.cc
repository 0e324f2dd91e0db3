// Features and tables leave out exactly the same repeats: both keep event ids in their own way, and plain lists of ids
// say what is right.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tests/contract/both_stores.h"
#include "tests/sql/naive_event_ids.h"

namespace cairn::sql {
namespace {

/// Events whose ids are new, or came so many new ids ago that they are about to be forgotten or just were. Times go to
/// and fro over years: they play no part.
class EventsAtTheEdges {
 public:
  explicit EventsAtTheEdges(std::uint64_t seed) : random_(seed) {}

  std::vector<Interaction> batch(const NaiveEventIds& naive, std::uint64_t dedup_ids) {
    std::vector<Interaction> events(1 + random_() % (random_() % 8 == 0 ? 3 * dedup_ids : 6));
    for (Interaction& event : events) {
      event = interaction("place " + std::to_string(++events_), time(), TypeIndex{2});
      event.event_id = id(naive, static_cast<std::int64_t>(dedup_ids / 2));
    }
    return events;
  }

 private:
  std::int64_t time() { return 1'000'000'000'000 + static_cast<std::int64_t>(random_() % 200) * 86'400'000; }

  std::string id(const NaiveEventIds& naive, std::int64_t list) {
    if (random_() % 10 == 0) return "";
    if (random_() % 2 == 0 || ids_.empty()) return ids_.emplace_back(new_id());
    // Back to the beginning of the newest list, of the one before it, or of the one that was forgotten last.
    const auto whole_lists = static_cast<std::int64_t>(random_() % 3) * list;
    const std::int64_t back =
        static_cast<std::int64_t>(naive.newest_ids()) + whole_lists + static_cast<std::int64_t>(random_() % 5) - 2;
    const std::int64_t size = static_cast<std::int64_t>(ids_.size());
    return ids_[static_cast<std::size_t>(std::clamp<std::int64_t>(size - back, 0, size - 1))];
  }
  std::string new_id() {
    const std::string id = "id " + std::to_string(ids_.size());
    return random_() % 20 == 0 ? id + std::string(3000, 'x') : id;
  }

  std::mt19937_64 random_;
  std::vector<std::string> ids_;  ///< new ones, as they came
  int events_ = 0;
};

/// Restarts, crashes and forgetting, at random.
void disturb(std::mt19937_64& random, BothStores& both) {
  switch (random() % 12) {
    case 0:
      return both.restart_features();
    case 1:
      return both.restart_tables();
    case 2:
      return both.store_features();
    case 3:
      return both.crash();
    default:
      return;
  }
}

TEST_CASE("features and tables leave out exactly the repeats that plain lists find, through restarts and crashes") {
  for (const std::uint64_t dedup_ids : {1, 2, 3, 10, 64, 400}) {
    const std::uint64_t seed = 7'000'000 + dedup_ids;
    INFO("dedup_ids ", dedup_ids, ", seed ", seed);
    std::mt19937_64 random(seed);
    EventsAtTheEdges stream(seed);
    NaiveEventIds naive(dedup_ids);
    BothStores both(dedup_ids);
    both.store_features();
    std::set<std::string> expected;
    std::size_t events = 0;
    for (int batch = 0; batch < 100 || naive.forgotten_lists() < 5; ++batch) {
      const std::vector<Interaction> next = stream.batch(naive, dedup_ids);
      for (const Interaction& event : next) {
        if (naive.counts(event.event_id)) expected.insert(event.place.str());
      }
      events += next.size();
      both.apply("source " + std::to_string(random() % 3), next);
      disturb(random, both);
    }
    CHECK(both.feature_places() == expected);
    CHECK(both.table_places() == expected);
    CHECK(events - expected.size() > 50);  // or the stream would prove nothing
    CHECK(both.given_again() > 10);
  }
}

TEST_CASE("another number of ids to remember means the same to features and tables") {
  const std::uint64_t seed = 8'000'000;
  INFO("seed ", seed);
  std::mt19937_64 random(seed);
  EventsAtTheEdges stream(seed);
  std::uint64_t dedup_ids = 30;
  NaiveEventIds naive(dedup_ids);
  BothStores both(dedup_ids);
  std::set<std::string> expected;
  for (int batch = 0; batch < 200; ++batch) {
    if (batch % 15 == 14) {
      dedup_ids = 2 + random() % 60;
      naive.set_dedup_ids(dedup_ids);
      both.restart_with(dedup_ids);
    }
    const std::vector<Interaction> next = stream.batch(naive, dedup_ids);
    for (const Interaction& event : next) {
      if (naive.counts(event.event_id)) expected.insert(event.place.str());
    }
    both.apply("s", next);
  }
  CHECK(both.feature_places() == expected);
  CHECK(both.table_places() == expected);
  CHECK(naive.forgotten_lists() > 10);
}

}  // namespace
}  // namespace cairn::sql

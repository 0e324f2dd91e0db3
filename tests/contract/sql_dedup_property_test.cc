// Features and tables leave out exactly the same repeats: both keep event ids in their own way, and a naive search over
// all that was taken before says what is right.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "cairn/options.h"
#include "engine/ranking/builtin_views.h"
#include "engine/state/feature_state.h"
#include "features/row.h"
#include "storage/state_store.h"
#include "tests/sql/interaction_stream.h"

namespace cairn::sql {
namespace {

using std::chrono::seconds;

template <class Random>
std::int64_t pick(Random& random, std::int64_t below) {
  return std::uniform_int_distribution<std::int64_t>(0, below - 1)(random);
}

/// Events that repeat few ids at times whose distances crowd around whole windows: exactly one, a millisecond less, a
/// millisecond more. Times go forward by half a window on average and lie at most three windows behind the newest.
/// Each event has a place of its own, by which it is found again.
std::vector<Interaction> events_around_the_edges(std::mt19937_64& random, seconds window, std::int64_t from_ms,
                                                 const std::string& name) {
  const std::int64_t window_ms = std::chrono::milliseconds(window).count();
  const std::string ids[] = {"", name + " a", name + " b", name + std::string(600, 'c'), name + std::string(5000, 'd')};
  std::vector<Interaction> events;
  std::int64_t newest = from_ms;
  for (int i = 0; i < 80; ++i) {
    std::int64_t ms = newest + pick(random, 5) * window_ms / 2 - pick(random, 3) * window_ms + pick(random, 3) - 1;
    if (pick(random, 4) == 0) ms -= pick(random, window_ms);
    ms = std::max(ms, newest - 3 * window_ms);
    newest = std::max(newest, ms);
    Interaction event = interaction(name + " " + std::to_string(i), ms, TypeIndex{2});
    event.event_id = ids[pick(random, std::size(ids))];
    events.push_back(std::move(event));
  }
  return events;
}

/// The places of the events that count, by looking through everything before.
std::set<std::string> expected_places(const std::vector<Interaction>& events, seconds window) {
  std::set<std::string> places;
  std::multimap<std::string, std::int64_t> taken;
  for (const Interaction& event : events) {
    const auto [begin, end] = taken.equal_range(event.event_id);
    const bool repeat = !event.event_id.empty() && std::any_of(begin, end, [&](const auto& other) {
      return std::abs(other.second - to_ms(event.time)) <= window.count() * 1000;
    });
    if (repeat) continue;
    taken.emplace(event.event_id, to_ms(event.time));
    places.insert(event.place.str());
  }
  return places;
}

/// A feature state and a database that are given the same batches.
class Pair {
 public:
  explicit Pair(seconds window) {
    state_ = state::FeatureState::open(*store_, {.views = ranking::builtin_views()}, test_types())
                 .value();
    roles_ = open_database(made_.options, test_types(), window, Logger()).value();
  }

  void apply(const std::string& source, std::span<const Interaction> events, std::int64_t offset) {
    const std::vector before{position(offset)};
    const std::vector after{position(offset + 1)};
    REQUIRE(state_->apply({source, events, after}).ok());
    const auto applied = roles_.materializer->apply(source, events, before, after);
    REQUIRE_MESSAGE(applied.ok(), applied.status().to_string());
  }

  /// Both forget what they may.
  void forget() {
    REQUIRE(roles_.upkeep->maintain(event_time_from_ms(state_->counters().newest_event_ms)).ok());
  }

  [[nodiscard]] std::set<std::string> feature_places(const std::vector<Interaction>& events) const {
    std::set<std::string> places;
    for (const Interaction& event : events) {
      const auto found = state_->row(EntityKind::kPlace, event.place.str());
      REQUIRE(found.ok());
      if (found->row != nullptr) places.insert(event.place.str());
    }
    return places;
  }

  [[nodiscard]] std::set<std::string> table_places(const std::string& source) const {
    std::set<std::string> places;
    for (const auto& row :
         made_.client().query("SELECT place_id FROM user_interactions WHERE source = '" + source + "'")) {
      CHECK(places.insert(*row[0]).second);
    }
    return places;
  }

  [[nodiscard]] std::string ids_in_table() const { return made_.client().value("SELECT count(*) FROM seen_event_ids"); }

 private:
  std::unique_ptr<storage::StateStore> store_ = storage::open_memory_store(features::merge_encoded_rows);
  TestDatabase made_;
  std::unique_ptr<state::FeatureState> state_;
  Database roles_;
};

TEST_CASE("features and tables leave out exactly the repeats that a naive search finds, also when they forget") {
  constexpr std::int64_t kYear2100 = 4'102'444'800'000;  // ahead of any time of writing, so tables may forget by event
  for (const seconds window : {seconds(1), seconds(3600), seconds(90 * 24 * 3600)}) {
    const std::uint64_t seed = 7'000'000 + static_cast<std::uint64_t>(window.count());
    INFO("window ", window.count(), " s, seed ", seed);
    std::mt19937_64 random(seed);
    Pair pair(window);
    std::int64_t from_ms = kYear2100;
    std::size_t repeats = 0;
    for (int stream = 0; stream < 6; ++stream) {
      const std::string source = "s" + std::to_string(stream);
      const std::vector<Interaction> events = events_around_the_edges(random, window, from_ms, source);
      std::int64_t offset = 0;
      for (std::size_t begin = 0; begin < events.size(); ++offset) {
        const std::size_t size =
            std::min<std::size_t>(events.size() - begin, static_cast<std::size_t>(1 + pick(random, 20)));
        pair.apply(source, std::span(events).subspan(begin, size), offset);
        if (pick(random, 3) == 0) pair.forget();
        begin += size;
      }
      const std::set<std::string> expected = expected_places(events, window);
      CHECK(pair.feature_places(events) == expected);
      CHECK(pair.table_places(source) == expected);
      repeats += events.size() - expected.size();
      for (const Interaction& event : events) from_ms = std::max(from_ms, to_ms(event.time));
    }
    CHECK(repeats > 50);  // or the streams would prove nothing
    pair.forget();
    CHECK(std::stoi(pair.ids_in_table()) < 100);  // of some 250: forgetting has had its part
  }
}

}  // namespace
}  // namespace cairn::sql

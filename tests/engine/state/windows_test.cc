// What is pending and what is stored, read together, are always the sum of what was applied; and what a crash leaves is
// the sum of what lies before the durable positions.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "engine/ranking/builtin_views.h"
#include "engine/state/feature_state.h"
#include "features/row.h"
#include "tests/engine/state/restarted_state.h"

namespace {

using namespace cairn;
using state::FeatureState;

constexpr std::int64_t kHour = 3'600'000;

Interaction visit(std::string user, std::string place, std::int64_t ms) {
  return {UserId(std::move(user)), PlaceId(std::move(place)), TypeIndex{2}, event_time_from_ms(ms), {}, {}, {}};
}

struct Fixture : state::test::RestartedState {
  Fixture() : RestartedState(ranking::builtin_views()) {}
  Status apply(const std::vector<Interaction>& interactions, std::int64_t offset, std::string_view source = "test") {
    const std::vector<SourcePosition> positions{{Partition{0}, Offset{offset}, ""}};
    return state->apply({source, interactions, positions, 0});
  }
  std::int64_t visits(const std::string& place) const {
    const auto row = state->row(EntityKind::kPlace, place);
    REQUIRE_MESSAGE(row.ok(), row.status().to_string());
    if (row->row == nullptr) return 0;
    const features::ViewBlock* block = row->row->find(state->schema().find("place_visits")->id);
    return block == nullptr ? 0 : block->entries.at(0).value.count;
  }
  std::int64_t offset(const std::vector<Watermark>& marks) const {
    return marks.empty() ? 0 : marks[0].position.offset.value;
  }
};

TEST_CASE("what was applied is read at once, is durable after a flush, and is lost in a crash before") {
  Fixture f;
  REQUIRE(f.apply({visit("u", "p", 0)}, 1).ok());
  CHECK(f.visits("p") == 1);
  CHECK(f.offset(f.state->watermarks()) == 1);
  CHECK(f.state->durable_watermarks().empty());
  REQUIRE(f.state->flush().ok());
  CHECK(f.offset(f.state->durable_watermarks()) == 1);
  REQUIRE(f.apply({visit("u", "p", kHour)}, 2).ok());
  CHECK(f.visits("p") == 2);
  f.crash_and_open();
  CHECK(f.visits("p") == 1);
  CHECK(f.offset(f.state->watermarks()) == 1);
  CHECK(f.state->counters().applied == 1);
}

TEST_CASE("who has events in a second window is in memory before anybody asks") {
  Fixture f;
  REQUIRE(f.apply({visit("u", "p", 0), visit("once", "q", 0)}, 1).ok());
  REQUIRE(f.state->flush().ok());
  REQUIRE(f.apply({visit("u", "p", kHour)}, 2).ok());
  REQUIRE(f.state->flush().ok());
  while (f.state->row_cache_stats().brought < 2) std::this_thread::yield();  // after the flush, when there is time
  CHECK(f.state->row(EntityKind::kUser, "u")->hit);
  CHECK_FALSE(f.state->row(EntityKind::kUser, "once")->hit);
  CHECK(f.visits("p") == 2);
  CHECK(f.state->row_cache_stats().hits == 2);
  // From here on it is kept as stored.
  REQUIRE(f.apply({visit("u", "p", 2 * kHour)}, 3).ok());
  REQUIRE(f.state->flush().ok());
  CHECK(f.visits("p") == 3);
  CHECK(f.state->row_cache_stats().misses == 1);
}

TEST_CASE("closing stores what is pending") {
  Fixture f;
  REQUIRE(f.apply({visit("u", "p", 0)}, 1).ok());
  f.close_and_open();
  CHECK(f.visits("p") == 1);
  CHECK(f.offset(f.state->durable_watermarks()) == 1);
}

TEST_CASE("a window is written by itself when it has become old, and when it is large") {
  Fixture f;
  f.options.window = std::chrono::milliseconds(1);
  f.close_and_open();
  REQUIRE(f.apply({visit("u", "p", 0)}, 1).ok());
  f.store->wait_for_writes_of_rows(1);
  f.options.window = std::chrono::hours(1);
  f.options.window_bytes = 1;
  f.close_and_open();
  REQUIRE(f.apply({visit("u", "p", 0)}, 2).ok());
  f.store->wait_for_writes_of_rows(2);
  REQUIRE(f.state->flush().ok());
  CHECK(f.visits("p") == 2);
}

TEST_CASE("while the store refuses, nothing more is taken, readers see all that was, and later everything is stored") {
  Fixture f;
  REQUIRE(f.apply({visit("u", "p", 0)}, 1).ok());
  f.store->refuse_writes(resource_exhausted("the disk is nearly full"));
  CHECK(f.state->flush().code() == StatusCode::kResourceExhausted);
  CHECK(f.apply({visit("u", "p", 0)}, 2).code() == StatusCode::kResourceExhausted);
  CHECK(f.visits("p") == 1);
  CHECK(f.offset(f.state->watermarks()) == 1);
  f.store->refuse_writes(ok_status());
  f.store->wait_for_writes_of_rows(1);
  Status applied;
  do {  // until the writer has seen that it went well
    applied = f.apply({visit("u", "p", 0)}, 2);
  } while (applied.code() == StatusCode::kResourceExhausted);
  REQUIRE(applied.ok());
  REQUIRE(f.state->flush().ok());
  CHECK(f.visits("p") == 2);
  f.crash_and_open();
  CHECK(f.visits("p") == 2);
}

TEST_CASE(
    "a row in memory takes a window's changes when they are stored, once, however often the write failed before") {
  Fixture f;
  REQUIRE(f.apply({visit("u", "p", 0)}, 1).ok());
  REQUIRE(f.state->flush().ok());
  CHECK(f.visits("p") == 1);  // in memory from here on
  REQUIRE(f.apply({visit("u", "p", 0)}, 2).ok());
  f.store->refuse_writes(unavailable("the disk is gone"));
  for (int attempt = 0; attempt < 3; ++attempt) {
    CHECK(f.state->flush().code() == StatusCode::kUnavailable);
    CHECK(f.visits("p") == 2);
  }
  f.store->wait_for_refusals(3);
  CHECK(f.visits("p") == 2);
  f.store->refuse_writes(ok_status());
  f.store->wait_for_writes_of_rows(2);
  Status flushed;
  do {  // until the writer has seen that it went well
    flushed = f.state->flush();
  } while (flushed.code() == StatusCode::kUnavailable);
  REQUIRE(flushed.ok());
  const auto hits = f.state->cache_stats().hits;
  CHECK(f.visits("p") == 2);
  CHECK(f.state->cache_stats().hits == hits + 1);
  f.crash_and_open();
  CHECK(f.visits("p") == 2);
}

TEST_CASE("a close that cannot store tells so, and the sources begin again where the last window ended") {
  Fixture f;
  REQUIRE(f.apply({visit("u", "p", 0)}, 1).ok());
  REQUIRE(f.state->flush().ok());
  REQUIRE(f.apply({visit("u", "p", 0)}, 2).ok());
  f.store->refuse_writes(unavailable("the disk is gone"));
  CHECK(f.state->close().code() == StatusCode::kUnavailable);
  f.store->refuse_writes(ok_status());
  f.close_and_open();
  CHECK(f.visits("p") == 1);
  CHECK(f.offset(f.state->watermarks()) == 1);
}

TEST_CASE("a row is whole before, while and after its window is written") {
  Fixture f;
  REQUIRE(f.apply({visit("u", "p", 0)}, 1).ok());
  REQUIRE(f.state->flush().ok());
  REQUIRE(f.apply({visit("u", "p", 0)}, 2).ok());
  int seen = 0;
  f.store->on_write([&] {
    CHECK(f.visits("p") == 2);  // in the window that is being written
    REQUIRE(f.apply({visit("u", "p", 0)}, 3).ok());
    CHECK(f.visits("p") == 3);  // and in the one that grows
    ++seen;
  });
  REQUIRE(f.state->flush().ok());
  f.store->on_write(nullptr);
  CHECK(seen == 1);
  CHECK(f.visits("p") == 3);
}

TEST_CASE("a close stores a window whose write has failed before") {
  Fixture f;
  REQUIRE(f.apply({visit("u", "p", 0)}, 1).ok());
  f.store->refuse_writes(unavailable("the disk is gone"));
  CHECK(f.state->flush().code() == StatusCode::kUnavailable);
  f.store->refuse_writes(ok_status());  // before the next try, or just after it
  REQUIRE(f.state->close().ok());
  f.close_and_open();
  CHECK(f.visits("p") == 1);
  CHECK(f.offset(f.state->durable_watermarks()) == 1);
}

TEST_CASE("durable is what the window held that was written, not what came while it was") {
  Fixture f;
  REQUIRE(f.apply({visit("u", "p", 0)}, 1).ok());
  f.store->on_write([&] { REQUIRE(f.apply({visit("u", "p", 0)}, 2).ok()); });
  REQUIRE(f.state->flush().ok());
  f.store->on_write(nullptr);
  CHECK(f.offset(f.state->durable_watermarks()) == 1);
  CHECK(f.offset(f.state->watermarks()) == 2);
  f.crash_and_open();
  CHECK(f.visits("p") == 1);
  CHECK(f.offset(f.state->watermarks()) == 1);
  CHECK(f.state->counters().applied == 1);
}

TEST_CASE("an observer of places that comes while a window is written is told of it, once") {
  Fixture f;
  REQUIRE(f.apply({visit("u", "p", 0)}, 1).ok());
  const std::uint32_t view = f.state->schema().find("place_visits")->id;
  std::int64_t told = 0;
  std::atomic<bool> done{false};
  std::thread observer;
  f.store->on_write([&] {
    observer = std::thread([&] {
      const auto note = [&](std::span<const state::PlaceChange> changes) {
        for (const auto& change : changes) told += change.view == view ? change.entry.value.count : 0;
      };
      CHECK(f.state->observe_places(note).ok());
      done = true;
    });
    // It has to wait for this write, so it is given a moment in which it could fail to.
    for (int i = 0; i < 50 && !done; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  });
  REQUIRE(f.state->flush().ok());
  observer.join();
  f.store->on_write(nullptr);
  CHECK(told == 1);
}

TEST_CASE("whatever is flushed, crashes, closes and repeats, the sum is that of the events before the position") {
  for (std::uint32_t seed = 1; seed <= 40; ++seed) {
    INFO("seed ", seed);
    std::mt19937 random(seed);
    Fixture f;
    f.options.row_cache_bytes = random() % 2 == 0 ? 0 : 1 << 20;
    f.close_and_open();
    std::vector<std::string> stream;  // the place of each event
    for (int i = 0; i < 600; ++i) stream.push_back("p" + std::to_string(random() % 12));
    while (true) {
      const auto at = static_cast<std::size_t>(f.offset(f.state->watermarks()));
      std::map<std::string, std::int64_t> expected;
      for (std::size_t i = 0; i < at; ++i) ++expected[stream[i]];
      for (int p = 0; p < 12; ++p) {
        const std::string place = "p" + std::to_string(p);
        REQUIRE(f.visits(place) == expected[place]);
      }
      REQUIRE(f.state->counters().applied == at);
      if (at == stream.size()) break;
      std::vector<Interaction> batch;
      const std::size_t end = std::min(stream.size(), at + 1 + random() % 40);
      for (std::size_t i = at; i < end; ++i) {
        batch.push_back(visit("u" + std::to_string(i % 5), stream[i], static_cast<std::int64_t>(i) * kHour));
      }
      REQUIRE(f.apply(batch, static_cast<std::int64_t>(end)).ok());
      const auto what = random() % 8;
      if (what == 0) REQUIRE(f.state->flush().ok());
      if (what == 1) f.crash_and_open();
      if (what == 2) f.close_and_open();
    }
  }
}

TEST_CASE("under ingest and windows of a millisecond no reader ever sees a count lost or taken twice") {
  constexpr int kPlaces = 8;
  constexpr int kBatches = 400;
  Fixture f;
  f.options.window = std::chrono::milliseconds(1);
  f.options.row_cache_bytes = 64 * 700;  // small enough to evict all the time
  f.close_and_open();
  std::array<std::atomic<std::int64_t>, kPlaces> begun{};
  std::array<std::atomic<std::int64_t>, kPlaces> done{};
  std::atomic<bool> over{false};
  std::atomic<int> wrong{0};
  std::vector<std::thread> readers;
  for (int reader = 0; reader < 2; ++reader) {
    readers.emplace_back([&, reader] {
      std::mt19937 random(static_cast<unsigned>(reader));
      while (!over) {
        const auto p = static_cast<std::size_t>(random() % kPlaces);
        const std::int64_t least = done[p];
        const std::int64_t seen = f.visits("p" + std::to_string(p));
        if (seen < least || seen > begun[p]) ++wrong;
      }
    });
  }
  std::mt19937 random(17);
  for (int batch = 1; batch <= kBatches; ++batch) {
    std::vector<Interaction> events;
    std::array<std::int64_t, kPlaces> added{};
    for (int i = 0; i < 3'000; ++i) {  // more than one thread looks up
      const auto p = static_cast<std::size_t>(random() % kPlaces);
      events.push_back(visit("u" + std::to_string(random() % 50), "p" + std::to_string(p), batch * kHour));
      ++added[p];
    }
    for (std::size_t p = 0; p < kPlaces; ++p) begun[p] += added[p];
    REQUIRE(f.apply(events, batch).ok());
    for (std::size_t p = 0; p < kPlaces; ++p) done[p] += added[p];
  }
  over = true;
  for (std::thread& reader : readers) reader.join();
  CHECK(wrong == 0);
  for (std::size_t p = 0; p < kPlaces; ++p) CHECK(f.visits("p" + std::to_string(p)) == begun[p]);
  CHECK(f.state->counters().applied == 3'000ull * kBatches);
}

}  // namespace

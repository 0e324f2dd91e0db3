#include "engine/state/feature_state.h"

#include "engine/ranking/builtin_views.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "engine/state/keys.h"
#include "features/geohash.h"
#include "features/read.h"
#include "features/row.h"
#include "tests/engine/state/told_events.h"
#include "tests/support/forwarding_store.h"

namespace {

using namespace cairn;
using state::FeatureState;

constexpr std::int64_t kHour = 3'600'000;

struct Fixture {
  std::unique_ptr<storage::StateStore> store = storage::open_memory_store(features::merge_encoded_rows);
  FeatureState::Options options{.views = ranking::builtin_views()};
  std::vector<std::string> declared_types;
  std::map<std::string, CountsAs> counts_as;
  std::unique_ptr<FeatureState> state;

  Fixture() { reopen(); }
  void reopen() {
    state.reset();
    auto opened = FeatureState::open(*store, options, *InteractionTypes::with_declared(declared_types, counts_as));
    REQUIRE_MESSAGE(opened.ok(), opened.status().to_string());
    state = *std::move(opened);
  }
  /// Another store, in memory, whose compactions ask `fading`.
  void trim_by(state::Fading& fading) {
    state.reset();
    store = storage::open_memory_store(features::merge_encoded_rows, fading.trim());
    options.fading = &fading;
    reopen();
  }
  /// Stores everything, where the store in memory trims.
  void trim() {
    REQUIRE(state->flush().ok());
    REQUIRE(store->flush().ok());
    reopen();
  }
  /// That a place's row has in a view.
  std::size_t entries(const std::string& place, std::string_view view) {
    const auto row = state->row(EntityKind::kPlace, place);
    REQUIRE(row.ok());
    const features::ViewBlock* block = row->row ? row->row->find(state->schema().find(view)->id) : nullptr;
    return block ? block->entries.size() : 0;
  }
  Status apply(const std::vector<Interaction>& interactions, std::int64_t offset, std::uint64_t rejected = 0) {
    const std::vector<SourcePosition> positions{{Partition{0}, Offset{offset}, "cursor"}};
    return state->apply({"test", interactions, positions, rejected});
  }
  double value(EntityKind kind, const std::string& id, std::string_view view, std::string_view dimension = "",
               std::int64_t at_ms = 0) {
    const features::View* found = state->schema().find(view);
    REQUIRE(found != nullptr);
    const auto row = state->row(kind, id);
    REQUIRE(row.ok());
    const features::ViewReader reader(*found, event_time_from_ms(at_ms), features::LaterEvents::kCount,
                                      state->dimension_names(), std::make_shared<features::FeatureArena>());
    const auto vector = reader.read(row->row.get());
    for (const FeatureEntry& entry : vector.entries) {
      if (entry.dimension == dimension) return entry.value;
    }
    return 0.0;
  }
};

Interaction visit(std::string user, std::string place, std::int64_t ms, std::string event_id = "") {
  return {UserId(std::move(user)), PlaceId(std::move(place)), TypeIndex{2}, event_time_from_ms(ms), {}, {},
          std::move(event_id)};
}

TEST_CASE("who hears of interactions hears before anything of them can be read, and when all of it can") {
  Fixture f;
  std::vector<double> read;
  f.state->observe_interactions([&](std::span<const Interaction> told) {
    REQUIRE(told.size() == 1);
    read.push_back(f.value(EntityKind::kPlace, "cafe", "place_visits"));
  });
  const Interaction one = visit("u", "cafe", 0, "e1");
  REQUIRE(f.apply({one}, 1).ok());
  CHECK(read == std::vector<double>{0.0, 1.0});
  REQUIRE(f.apply({state::test::retraction(one)}, 2).ok());
  CHECK(read == std::vector<double>{0.0, 1.0, 1.0, 0.0});
}

TEST_CASE("what was applied is there, before and after a restart") {
  Fixture f;
  REQUIRE(f.state->catalog().upsert(std::vector<Place>{{PlaceId("cafe"), "Cafe", {40.7, -74.0}, "Coffee"}}).ok());
  REQUIRE(f.apply({visit("u", "cafe", 10 * kHour), visit("u", "cafe", 11 * kHour), visit("v", "bar", 0)}, 100, 3).ok());
  for (int round = 0; round < 2; ++round) {
    CHECK(f.value(EntityKind::kPlace, "cafe", "place_visits") == 2.0);
    CHECK(f.value(EntityKind::kPlace, "bar", "place_visits") == 1.0);
    CHECK(f.value(EntityKind::kUser, "u", "user_category_affinity", "Coffee", 11 * kHour) ==
          doctest::Approx(1.0 + std::exp2(-1.0 / 720.0)));
    CHECK(f.value(EntityKind::kCell, "dr5rs10", "cell_visits_30d") == 0.0);
    CHECK(f.value(EntityKind::kCell, "dr5rs1", "cell_visits_30d", "", 11 * kHour) > 1.9);
    CHECK(f.state->counters().applied == 3);
    CHECK(f.state->counters().rejected == 3);
    CHECK(f.state->counters().newest_event_ms == 11 * kHour);
    REQUIRE(f.state->positions("test").size() == 1);
    CHECK(f.state->positions("test")[0] == SourcePosition{Partition{0}, Offset{100}, "cursor"});
    CHECK(f.state->catalog().get(PlaceId("cafe"))->name == "Cafe");
    f.reopen();
  }
}

TEST_CASE("counters add up over batches and restarts, and the newest event stays the newest") {
  Fixture f;
  REQUIRE(f.apply({visit("u", "p", 9 * kHour, "a")}, 1, 3).ok());
  REQUIRE(f.apply({visit("u", "p", 4 * kHour, "b"), visit("u", "p", 4 * kHour, "a")}, 2, 2).ok());
  f.reopen();
  REQUIRE(f.apply({visit("u", "p", 5 * kHour), visit("u", "p", 5 * kHour, "b")}, 3, 1).ok());
  CHECK(f.state->counters().applied == 3);
  CHECK(f.state->counters().repeated == 2);
  CHECK(f.state->counters().rejected == 6);
  CHECK(f.state->counters().newest_event_ms == 9 * kHour);
}

TEST_CASE("a repeated event_id changes nothing, whatever its time, before and after a restart") {
  Fixture f;
  const std::int64_t day = 24 * kHour;
  REQUIRE(f.apply({visit("u", "p", 40 * day, "a"), visit("u", "p", 40 * day, "a"), visit("u", "p", 40 * day, "b")}, 1)
              .ok());
  CHECK(f.value(EntityKind::kPlace, "p", "place_visits") == 2.0);
  REQUIRE(f.apply({visit("u", "p", 70 * day, "a")}, 2).ok());  // while its first is pending
  REQUIRE(f.state->flush().ok());
  REQUIRE(f.apply({visit("u", "p", 10 * day, "a")}, 3).ok());  // while its first is stored
  f.reopen();
  REQUIRE(f.apply({visit("u", "p", 40 * day, "a"), visit("u", "p", 40 * day, "b")}, 4).ok());
  CHECK(f.value(EntityKind::kPlace, "p", "place_visits") == 2.0);
  CHECK(f.state->counters().repeated == 5);
  CHECK(f.state->counters().applied == 2);
}

TEST_CASE("event ids are forgotten by the order in which they came, and their records with them") {
  Fixture f;
  f.options.dedup_ids = 20;
  f.reopen();
  std::int64_t offset = 0;
  const auto apply = [&](int id) {
    REQUIRE(f.apply({visit("u", "p", 0, std::to_string(id))}, ++offset).ok());
    if (id % 7 == 0) REQUIRE(f.state->flush().ok());
    if (id % 13 == 0) f.reopen();
  };
  for (int id = 0; id < 100; ++id) apply(id);
  CHECK(f.state->counters().repeated == 0);
  for (int id = 90; id < 100; ++id) apply(id);
  CHECK(f.state->counters().repeated == 10);
  apply(50);
  CHECK(f.state->counters().repeated == 10);
  REQUIRE(f.state->flush().ok());
  std::size_t bytes = 0;
  REQUIRE(f.store
              ->scan(storage::Family::kDedup, "",
                     [&](auto, auto value) {
                       bytes += value.size();
                       return true;
                     })
              .ok());
  CHECK(bytes <= 20 * 16);
}

TEST_CASE("of a batch with more ids than are remembered, those forgotten at once are not stored") {
  Fixture f;
  f.options.dedup_ids = 20;
  f.reopen();
  std::vector<Interaction> many;
  for (int id = 0; id < 105; ++id) many.push_back(visit("u", "p", 0, std::to_string(id)));
  REQUIRE(f.apply(many, 1).ok());
  for (int round = 0; round < 2; ++round) {
    REQUIRE(f.state->flush().ok());
    std::size_t bytes = 0;
    const auto add = [&](std::string_view, std::string_view value) {
      bytes += value.size();
      return true;
    };
    REQUIRE(f.store->scan(storage::Family::kDedup, "", add).ok());
    CHECK(bytes == 2 + 15 * 24);  // of generations of 10: the last full one, and half of the next
    REQUIRE(f.apply({visit("u", "p", 0, "90"), visit("u", "p", 0, "104")}, 2 + round).ok());
    CHECK(f.state->counters().repeated == 2 + 2 * static_cast<std::uint64_t>(round));
    f.reopen();
  }
  REQUIRE(f.apply({visit("u", "p", 0, "89")}, 9).ok());
  CHECK(f.state->counters().repeated == 4);
}

TEST_CASE("however events are split into batches and ordered, the counts are those of a plain aggregation") {
  for (std::uint32_t seed = 1; seed <= 10; ++seed) {
    INFO("seed ", seed);
    std::mt19937 random(seed);
    Fixture f;
    std::map<std::string, int> expected;
    std::vector<Interaction> all;
    for (int i = 0; i < 500; ++i) {
      const std::string place = "p" + std::to_string(random() % 20);
      all.push_back(
          visit("u" + std::to_string(random() % 10), place, static_cast<std::int64_t>(random() % 1'000) * kHour));
      ++expected[place];
    }
    std::shuffle(all.begin(), all.end(), random);
    for (std::size_t begin = 0; begin < all.size();) {
      const std::size_t size = std::min<std::size_t>(1 + random() % 90, all.size() - begin);
      REQUIRE(f.apply({all.begin() + static_cast<std::ptrdiff_t>(begin),
                       all.begin() + static_cast<std::ptrdiff_t>(begin + size)},
                      static_cast<std::int64_t>(begin + size))
                  .ok());
      begin += size;
      if (random() % 8 == 0) f.reopen();
      if (random() % 5 == 0) REQUIRE(f.state->flush().ok());
    }
    for (const auto& [place, count] : expected) CHECK(f.value(EntityKind::kPlace, place, "place_visits") == count);
  }
}

TEST_CASE("an observer of places is told of what is stored, of what is pending, and of every change after") {
  Fixture f;
  REQUIRE(f.apply({visit("u", "p", 0)}, 1).ok());
  REQUIRE(f.state->flush().ok());
  REQUIRE(f.apply({visit("u", "p", 0), visit("u", "r", 0)}, 2).ok());
  const std::uint32_t view = f.state->schema().find("place_visits")->id;
  std::map<std::string, std::int64_t> told;
  const auto note = [&](std::span<const state::PlaceChange> changes) {
    for (const auto& change : changes) {
      if (change.view == view) told[f.state->place_ids().name(change.place)] += change.entry.value.count;
    }
  };
  REQUIRE(f.state->observe_places(note).ok());
  CHECK(told == std::map<std::string, std::int64_t>{{"p", 2}, {"r", 1}});
  REQUIRE(f.apply({visit("u", "p", 0), visit("u", "q", 0)}, 3).ok());
  CHECK(told == std::map<std::string, std::int64_t>{{"p", 3}, {"q", 1}, {"r", 1}});
}

TEST_CASE("an observer is told of many stored places in few calls, none of them of all") {
  Fixture f;
  constexpr int kPlaces = 4'000;  // of four changes each
  std::vector<Interaction> visits;
  for (int i = 0; i < kPlaces; ++i) visits.push_back(visit("u", std::to_string(i), 0));
  REQUIRE(f.apply(visits, 1).ok());
  REQUIRE(f.state->flush().ok());
  const std::uint32_t view = f.state->schema().find("place_visits")->id;
  std::vector<std::size_t> calls;
  std::int64_t told = 0;
  const auto note = [&](std::span<const state::PlaceChange> changes) {
    calls.push_back(changes.size());
    for (const auto& change : changes) told += change.view == view ? change.entry.value.count : 0;
  };
  REQUIRE(f.state->observe_places(note).ok());
  CHECK(told == kPlaces);
  CHECK(calls.size() < 10);
  CHECK(*std::max_element(calls.begin(), calls.end()) < 5'000);
}

TEST_CASE("a reader can wait for its own write") {
  Fixture f;
  const Watermark mark{"test", {Partition{0}, Offset{5}, {}}};
  CHECK_FALSE(f.state->reached(mark));
  CHECK(f.state->wait_for(mark, CallContext::within(std::chrono::milliseconds(1))).code() ==
        StatusCode::kDeadlineExceeded);
  std::thread writer([&] { CHECK(f.apply({visit("u", "p", 0)}, 5).ok()); });
  CHECK(f.state->wait_for(mark, CallContext::within(std::chrono::seconds(60))).ok());
  writer.join();
  CHECK(f.value(EntityKind::kPlace, "p", "place_visits") == 1.0);
}

TEST_CASE("a wait for an offset ends when the server begins to stop, unless the offset is there") {
  Fixture f;
  REQUIRE(f.apply({visit("u", "p", 0)}, 5).ok());
  std::stop_source stopping;
  CallContext context = CallContext::within(std::chrono::seconds(60));
  context.stopping = stopping.get_token();
  const Watermark far{"test", {Partition{0}, Offset{6}, {}}};
  Status ended;
  std::thread reader([&] { ended = f.state->wait_for(far, context); });
  stopping.request_stop();
  reader.join();
  CHECK(ended.code() == StatusCode::kUnavailable);
  CHECK(ended.message() == "features have not reached offset 6 of 'test': the server is stopping");
  CHECK(f.state->wait_for({"test", {Partition{0}, Offset{5}, {}}}, context).ok());
  CHECK(context.check().ok());
}

/// Remembers how durable the last write was to be, and what it wrote of each kind.
struct WatchedStore final : test::ForwardingStore {
  WatchedStore() : ForwardingStore(storage::open_memory_store(features::merge_encoded_rows)) {}
  Status write(storage::WriteBatch batch, storage::Durability durability) override {
    last = durability;
    written.clear();
    for (const auto& op : batch.ops()) ++written[op.family];
    return ForwardingStore::write(std::move(batch), durability);
  }
  std::optional<storage::Durability> last;
  std::map<storage::Family, int> written;
};

TEST_CASE(
    "a window is synced unless the options say otherwise, and places are always, as no source brings them again") {
  WatchedStore store;
  for (const bool sync : {true, false}) {
    auto state = *FeatureState::open(store, {.views = ranking::builtin_views(), .sync = sync}, InteractionTypes());
    const std::vector<SourcePosition> positions{{Partition{0}, Offset{sync ? 1 : 2}, ""}};
    REQUIRE(state->apply({"test", {}, positions, 0}).ok());
    REQUIRE(state->flush().ok());
    CHECK(store.last == (sync ? storage::Durability::kSynced : storage::Durability::kBuffered));
    REQUIRE(state->catalog().upsert(std::vector<Place>{{PlaceId("p"), "", {1, 1}, ""}}).ok());
    CHECK(store.last == storage::Durability::kOnlyHere);
    REQUIRE(state->close().ok());
  }
}

TEST_CASE("the number of a name is written with the first place that has it, and not again") {
  WatchedStore store;
  auto state = *FeatureState::open(store, {.views = ranking::builtin_views()}, InteractionTypes());
  const auto numbers_written_with = [&](const char* id, const char* category) {
    REQUIRE(state->catalog().upsert(std::vector<Place>{{PlaceId(id), "", {1, 1}, category}}).ok());
    return store.written[storage::Family::kIds];
  };
  CHECK(numbers_written_with("a", "Coffee") == 2);
  CHECK(numbers_written_with("a", "Coffee") == 0);
  CHECK(numbers_written_with("b", "Coffee") == 1);
  CHECK(numbers_written_with("b", "Tea") == 1);
  CHECK(numbers_written_with("a", "") == 0);
}

TEST_CASE("a view that was added later keeps its rows, whatever is declared beside it after that") {
  Fixture f;
  const auto view = [](const char* name, const char* type) {
    return FeatureViewSpec{.name = name, .entity = EntityKind::kPlace, .events = {{type, "1"}}};
  };
  f.options.views = {view("first", "visit")};
  f.reopen();
  f.options.views.push_back(view("second", "visit"));
  f.reopen();
  REQUIRE(f.apply({visit("u", "p", 0)}, 1).ok());
  f.options.views = {view("between", "save"), view("first", "visit"), view("second", "visit")};
  f.reopen();
  CHECK(f.value(EntityKind::kPlace, "p", "first") == 1.0);
  CHECK(f.value(EntityKind::kPlace, "p", "second") == 1.0);
  CHECK(f.value(EntityKind::kPlace, "p", "between") == 0.0);
}

TEST_CASE("the status tells what is pending, what was written of it, and what memory it may take") {
  Fixture f;
  f.options.window = std::chrono::hours(1);
  f.options.window_bytes = 3'000'000;
  f.options.row_cache_bytes = 5'000'000;
  f.reopen();
  const auto status = [&] {
    EngineStatus all;
    f.state->describe(&all);
    return all;
  };
  const auto limit = [&](std::string_view part) -> std::optional<std::uint64_t> {
    for (const MemoryPart& one : status().memory) {
      if (one.name == part) return one.limit;
    }
    return std::nullopt;
  };
  CHECK(limit("pending") == 6'000'000);  // one window grows while another one is written
  CHECK(limit("row_cache") == 5'000'000);
  // A visit changes the row of its user, that of its place and, as the place is not known, that of what waits for it.
  REQUIRE(f.apply({visit("u", "p", 0), visit("v", "p", 0)}, 1).ok());
  CHECK(status().pending_rows == 4);
  CHECK(status().window_rows_written == 0);
  REQUIRE(f.state->flush().ok());
  CHECK(status().pending_rows == 0);
  CHECK(status().window_rows_written == 4);
  CHECK(status().windows_written == 1);
  REQUIRE(f.apply({visit("u", "q", 0)}, 2).ok());
  REQUIRE(f.state->flush().ok());
  CHECK(status().window_rows_written == 7);
  CHECK(status().windows_written == 2);
}

TEST_CASE("how far the places were pushed is remembered, and is damage when it cannot be read") {
  Fixture f;
  CHECK(*f.state->catalog().pushed_version() == 0);
  REQUIRE(f.state->catalog().set_pushed_version(7).ok());
  f.reopen();
  CHECK(*f.state->catalog().pushed_version() == 7);
  for (const char* damaged : {"", "1234567", "123456789"}) {
    storage::WriteBatch batch;
    batch.put(storage::Family::kMeta, state::kPlacesPushedKey, damaged);
    REQUIRE(f.store->write(std::move(batch), storage::Durability::kSynced).ok());
    CHECK(f.state->catalog().pushed_version().status().code() == StatusCode::kDataLoss);
  }
}

TEST_CASE("a write is reached by the position of its own source and partition, before and after a restart") {
  Fixture f;
  const std::vector<SourcePosition> positions{{Partition{0}, Offset{9}, "a"}, {Partition{2}, Offset{4}, "b"}};
  REQUIRE(f.state->apply({"test", {}, positions, 0}).ok());
  const std::vector<SourcePosition> others{{Partition{2}, Offset{7}, "c"}};
  REQUIRE(f.state->apply({"other", {}, others, 0}).ok());
  const auto reached = [&](const char* source, int partition, std::int64_t offset) {
    return f.state->reached({source, {Partition{partition}, Offset{offset}, {}}});
  };
  for (int round = 0; round < 2; ++round) {
    CHECK(reached("test", 0, 9));
    CHECK_FALSE(reached("test", 0, 10));
    CHECK(reached("test", 2, 4));
    CHECK_FALSE(reached("test", 2, 5));
    CHECK_FALSE(reached("test", 1, 1));
    CHECK(reached("other", 2, 7));
    CHECK_FALSE(reached("other", 0, 1));
    CHECK(f.state->positions("test") == positions);
    CHECK(f.state->positions("other") == others);
    f.reopen();
  }
}

TEST_CASE("what is in files is told by source and partition, and is what a flush of the store has put there") {
  Fixture f;
  f.options.window = std::chrono::hours(1);
  f.reopen();
  const auto apply = [&](const char* source, std::vector<SourcePosition> positions) {
    REQUIRE(f.state->apply({source, {}, positions, 0}).ok());
    REQUIRE(f.state->flush().ok());
  };
  const auto in_files = [&](const char* source, int partition) {
    return f.state->in_files(source, Partition{partition}).value;
  };
  apply("test", {{Partition{0}, Offset{9}, ""}, {Partition{2}, Offset{4}, ""}});
  apply("other", {{Partition{0}, Offset{30}, ""}});
  CHECK(in_files("test", 0) == 0);
  REQUIRE(f.store->flush().ok());
  apply("test", {{Partition{0}, Offset{11}, ""}});  // in the store's log only
  for (int round = 0; round < 2; ++round) {
    CHECK(in_files("test", 0) == (round == 0 ? 9 : 11));  // opening puts what it finds into files
    CHECK(in_files("test", 2) == 4);
    CHECK(in_files("test", 1) == 0);
    CHECK(in_files("other", 0) == 30);
    CHECK(in_files("other", 2) == 0);
    f.reopen();
  }
}

TEST_CASE("a compaction drops what has faded by the stream's own time, and nothing that is still served") {
  const std::int64_t day = 24 * kHour;
  const ManualClock clock{event_time_from_ms(900 * day)};
  state::Fading fading(clock);
  Fixture f;
  f.trim_by(fading);
  REQUIRE(f.apply({visit("u", "old", 100 * day), visit("u", "p", 100 * day), visit("u", "p", 800 * day)}, 1).ok());
  f.trim();
  // 700 days are 23 half-lives of 30 days: 2^-23 is below a millionth, and tiles are served for 30 days.
  CHECK(f.entries("old", "place_visits") == 1);
  CHECK(f.entries("old", "place_visits_30d") == 0);
  CHECK(f.entries("old", "place_hourly") == 0);
  CHECK(f.entries("p", "place_visits_30d") == 1);
  CHECK(f.entries("p", "place_hourly") == 1);
  CHECK(f.value(EntityKind::kPlace, "p", "place_visits") == 2.0);
}

TEST_CASE("an event ahead of the clock makes nothing of other entities old") {
  const std::int64_t day = 24 * kHour;
  const ManualClock clock{event_time_from_ms(101 * day)};
  state::Fading fading(clock);
  Fixture f;
  f.trim_by(fading);
  REQUIRE(f.apply({visit("u", "p", 100 * day), visit("somebody", "ahead", 800 * day)}, 1).ok());
  f.trim();
  // As of 100 days: all of it.
  CHECK(f.value(EntityKind::kPlace, "p", "place_visits_30d", "", 100 * day) == doctest::Approx(1.0));
  CHECK(f.entries("p", "place_hourly") == 1);
}

TEST_CASE(
    "an event whose type counts as another leaves what so many events of that type would, in every built-in view") {
  std::vector<FeatureViewSpec> extra;
  for (const Aggregate aggregate : {Aggregate::kSum, Aggregate::kMean, Aggregate::kMin, Aggregate::kMax,
                                    Aggregate::kLast, Aggregate::kSequence, Aggregate::kCount}) {
    FeatureViewSpec view;
    view.name = "by_aggregate_" + std::to_string(static_cast<int>(aggregate));
    view.dimension = Dimension::kPlace;
    view.aggregate = aggregate;
    view.events = {{"visit", "1"}, {"rate", "value * 2"}};
    view.counts_as = true;
    extra.push_back(view);
  }
  Fixture mapped;
  Fixture plain;
  for (Fixture* f : {&mapped, &plain}) {
    f->options.views.insert(f->options.views.end(), extra.begin(), extra.end());
    f->declared_types = {"purchase", "loved"};
  }
  mapped.counts_as = {{"purchase", {"visit", 5}}, {"loved", {"rate", 2}}};
  mapped.reopen();
  plain.reopen();
  const TypeIndex purchase{6};
  const TypeIndex loved{7};
  for (Fixture* f : {&mapped, &plain}) {
    REQUIRE(f->state->catalog().upsert(std::vector<Place>{{PlaceId("cafe"), "Cafe", {40.7, -74.0}, "Coffee"}}).ok());
  }
  const auto of_type = [](Interaction one, TypeIndex type, std::optional<double> value) {
    one.type = type;
    one.value = value;
    return one;
  };
  const Interaction bought = visit("u", "cafe", 30 * kHour);
  const Interaction rated = visit("u", "cafe", 40 * kHour);
  REQUIRE(mapped
              .apply({visit("u", "cafe", 10 * kHour), of_type(bought, purchase, 2.5), of_type(rated, loved, 4.5),
                      of_type(rated, loved, {})},  // a rating without its value weighs nothing where the value counts
                     100)
              .ok());
  std::vector<Interaction> same = {visit("u", "cafe", 10 * kHour)};
  for (int i = 0; i < 5; ++i) same.push_back(bought);
  for (int i = 0; i < 2; ++i) same.push_back(of_type(rated, TypeIndex{3}, 4.5));
  for (int i = 0; i < 2; ++i) same.push_back(of_type(rated, TypeIndex{3}, {}));
  REQUIRE(plain.apply(same, 100).ok());
  for (int round = 0; round < 2; ++round) {
    std::size_t compared = 0;
    for (const auto& [kind, id] : {std::pair(EntityKind::kUser, "u"), std::pair(EntityKind::kPlace, "cafe"),
                                   std::pair(EntityKind::kCell, "dr5rs1")}) {
      const auto a = mapped.state->row(kind, id);
      const auto b = plain.state->row(kind, id);
      REQUIRE(a.ok());
      REQUIRE(b.ok());
      if (a->row == nullptr || b->row == nullptr) {
        CHECK((a->row == nullptr) == (b->row == nullptr));
        continue;
      }
      REQUIRE(a->row->blocks.size() == b->row->blocks.size());
      for (std::size_t i = 0; i < a->row->blocks.size(); ++i) {
        const features::ViewBlock& x = a->row->blocks[i];
        const features::ViewBlock& y = b->row->blocks[i];
        CHECK(x.view == y.view);
        REQUIRE(x.entries.size() == y.entries.size());
        for (std::size_t e = 0; e < x.entries.size(); ++e) {
          ++compared;
          CHECK(x.entries[e].dimension == y.entries[e].dimension);
          CHECK(x.entries[e].value.count == y.entries[e].value.count);
          CHECK(x.entries[e].value.micros == y.entries[e].value.micros);
          CHECK(x.entries[e].value.newest_ms == y.entries[e].value.newest_ms);
          CHECK(x.entries[e].value.exponent == y.entries[e].value.exponent);
          CHECK(x.entries[e].value.mantissa == doctest::Approx(y.entries[e].value.mantissa).epsilon(1e-12));
        }
      }
    }
    CHECK(compared > 20);
    // By hand: one visit, five of the purchase, four ratings.
    CHECK(mapped.value(EntityKind::kPlace, "cafe", "place_visits") == 10.0);
    CHECK(mapped.value(EntityKind::kPlace, "cafe", "place_rating") == 4.5);
    CHECK(mapped.value(EntityKind::kPlace, "cafe", "place_hourly", "1970-01-02T06:00:00Z", 40 * kHour) == 5.0);
    mapped.reopen();
    plain.reopen();
  }
  // A change is for what comes from then on.
  mapped.counts_as = {{"purchase", {"visit", 2}}};
  mapped.reopen();
  CHECK(mapped.value(EntityKind::kPlace, "cafe", "place_visits") == 10.0);
  REQUIRE(mapped.apply({of_type(bought, purchase, {}), of_type(rated, loved, 5.0)}, 101).ok());
  CHECK(mapped.value(EntityKind::kPlace, "cafe", "place_visits") == 12.0);
}

TEST_CASE("an observer of cells is told of what is stored, of what is pending, and of every change after") {
  Fixture f;
  f.options.window = std::chrono::hours(1);
  f.reopen();
  const auto look = [](std::int64_t ms) {
    Interaction one = visit("u", "unknown", ms);
    one.position = GeoPoint{42.605, -5.603};  // ezs42, the example of geohash.org's own description
    return one;
  };
  REQUIRE(f.apply({look(kHour), look(2 * kHour)}, 1).ok());
  REQUIRE(f.state->flush().ok());
  REQUIRE(f.apply({look(3 * kHour)}, 2).ok());
  std::int64_t counted = 0;
  std::set<std::uint64_t> cells;
  REQUIRE(f.state
              ->observe_cells([&](std::span<const state::CellChange> changes) {
                for (const state::CellChange& change : changes) {
                  counted += change.entry.value.count;
                  cells.insert(change.cell);
                }
              })
              .ok());
  CHECK(counted == 3);
  REQUIRE(f.apply({look(4 * kHour)}, 3).ok());
  CHECK(counted == 4);
  REQUIRE(cells.size() == 1);
  CHECK(features::geohash_text(*cells.begin(), 6).starts_with("ezs42"));
}

TEST_CASE("declared types may be appended, not reordered") {
  Fixture f;
  f.declared_types = {"share", "book"};
  f.reopen();
  f.declared_types = {"share", "book", "pay"};
  f.reopen();
  auto reordered = FeatureState::open(*f.store, f.options, *InteractionTypes::with_declared({"book", "share", "pay"}));
  CHECK(reordered.status().code() == StatusCode::kFailedPrecondition);
}

TEST_CASE("a place may change, and rises above another catalogue's version") {
  Fixture f;
  auto& catalog = f.state->catalog();
  REQUIRE(catalog.upsert(std::vector<Place>{{PlaceId("a"), "A", {1, 1}, "x"}, {PlaceId("b"), "B", {2, 2}, ""}}).ok());
  REQUIRE(catalog.upsert(std::vector<Place>{{PlaceId("a"), "A2", {3, 3}, "y"}}).ok());
  CHECK(catalog.size() == 2);
  CHECK(catalog.version() == 2);
  CHECK(catalog.get(PlaceId("a"))->name == "A2");
  CHECK(catalog.newer_than(1).size() == 1);
  CHECK(catalog.get(PlaceId("zz")).status().code() == StatusCode::kNotFound);
  CHECK(catalog.upsert(std::vector<Place>{{PlaceId("c"), "", {91, 0}, ""}}).code() == StatusCode::kInvalidArgument);
  CHECK(catalog.upsert(std::vector<Place>{{PlaceId(""), "", {1, 0}, ""}}).code() == StatusCode::kInvalidArgument);
  REQUIRE(catalog.rise_above(50).ok());
  CHECK(catalog.newer_than(50).size() == 2);
  f.reopen();
  CHECK(f.state->catalog().version() == 51);
  CHECK(f.state->catalog().get(PlaceId("a"))->category == "y");
}

TEST_CASE("a deleted place is unknown until an import brings it back, with what was counted for it") {
  Fixture f;
  const std::vector<Place> place{{PlaceId("a"), "A", {40.7, -74.0}, "Coffee"}};
  const std::vector<PlaceId> ids{PlaceId("a")};
  REQUIRE(f.state->catalog().upsert(place).ok());
  REQUIRE(f.apply({visit("u", "a", kHour)}, 1).ok());
  CHECK(f.state->delete_places(std::vector{PlaceId("a"), PlaceId("b")}, PlaceHistory::kKeep, {}).code() ==
        StatusCode::kNotFound);
  CHECK(f.state->catalog().size() == 1);  // all or none
  REQUIRE(f.state->delete_places(ids, PlaceHistory::kKeep, event_time_from_ms(77)).ok());
  for (int round = 0; round < 2; ++round) {
    CHECK(f.state->catalog().size() == 0);
    CHECK(f.state->catalog().version() == 2);
    CHECK(f.state->catalog().get(PlaceId("a")).status().code() == StatusCode::kNotFound);
    REQUIRE(f.state->catalog().newer_than(1).size() == 1);
    CHECK(f.state->catalog().newer_than(1)[0].deleted->at == event_time_from_ms(77));
    CHECK(f.state->delete_places(ids, PlaceHistory::kKeep, {}).code() == StatusCode::kNotFound);
    f.reopen();
  }
  REQUIRE(f.apply({visit("u", "a", 2 * kHour)}, 2).ok());  // counts for the id, as of a place that is not known
  CHECK(f.value(EntityKind::kPlace, "a", "place_visits") == 2.0);
  CHECK(f.value(EntityKind::kUser, "u", "user_category_affinity", "Coffee", kHour) == doctest::Approx(1.0));
  REQUIRE(f.state->catalog().upsert(place).ok());
  f.reopen();
  CHECK(f.state->catalog().get(PlaceId("a"))->name == "A");
  CHECK(f.state->catalog().size() == 1);
  CHECK(f.value(EntityKind::kPlace, "a", "place_visits") == 2.0);
}

TEST_CASE(
    "with its history a place loses what was counted until then, pending or stored, and nothing that comes later") {
  const std::vector<PlaceId> ids{PlaceId("a")};
  for (const bool stored : {false, true}) {
    for (const bool read_before : {false, true}) {
      INFO("stored=", stored, " read_before=", read_before);
      Fixture f;
      std::vector<std::uint64_t> forgotten;
      REQUIRE(f.state->observe_places([](auto) {}, [&](std::uint64_t id) { forgotten.push_back(id); }).ok());
      REQUIRE(f.state->catalog().upsert(std::vector<Place>{{PlaceId("a"), "A", {40.7, -74.0}, ""}}).ok());
      REQUIRE(f.apply({visit("u", "a", kHour), visit("u", "b", kHour)}, 1).ok());
      if (stored) REQUIRE(f.state->flush().ok());
      if (read_before) CHECK(f.value(EntityKind::kPlace, "a", "place_visits") == 1.0);
      REQUIRE(f.state->delete_places(ids, PlaceHistory::kErase, {}).ok());
      CHECK(forgotten == std::vector{*f.state->place_ids().find("a")});
      CHECK(f.state->row(EntityKind::kPlace, "a")->row == nullptr);
      REQUIRE(f.apply({visit("u", "a", 2 * kHour)}, 2).ok());
      for (int round = 0; round < 2; ++round) {
        CHECK(f.value(EntityKind::kPlace, "a", "place_visits") == 1.0);
        CHECK(f.value(EntityKind::kPlace, "b", "place_visits") == 1.0);
        CHECK(f.value(EntityKind::kUser, "u", "user_history", "a") == 1.0);  // the user's own
        f.reopen();
      }
    }
  }
}

TEST_CASE("a catalogue is found again at its version, whatever the order of its places, and rises above its own too") {
  Fixture f;
  const auto upsert = [&](const char* id, const char* category) {
    REQUIRE(f.state->catalog().upsert(std::vector<Place>{{PlaceId(id), "", {1, 1}, category}}).ok());
  };
  upsert("a", "x");
  upsert("b", "x");
  upsert("a", "x");
  CHECK(f.state->catalog().version() == 3);
  f.reopen();
  CHECK(f.state->catalog().version() == 3);  // of "a", which is read before "b"
  const auto newer = f.state->catalog().newer_than(2);
  REQUIRE(newer.size() == 1);
  CHECK(newer[0].place.id == PlaceId("a"));
  REQUIRE(f.state->catalog().rise_above(1).ok());
  CHECK(f.state->catalog().version() == 4);
  CHECK(f.state->catalog().newer_than(3).size() == 2);
}

TEST_CASE("an event counts for the category that its place has when it comes, and for none when it has none") {
  Fixture f;
  const auto upsert = [&](const char* category) {
    REQUIRE(f.state->catalog().upsert(std::vector<Place>{{PlaceId("p"), "", {1, 1}, category}}).ok());
  };
  const auto affinity = [&](const char* category) {
    return f.value(EntityKind::kUser, "u", "user_category_affinity", category);
  };
  upsert("Coffee");
  REQUIRE(f.apply({visit("u", "p", 0)}, 1).ok());
  upsert("Tea");
  REQUIRE(f.apply({visit("u", "p", 0), visit("u", "p", 0)}, 2).ok());
  upsert("");
  REQUIRE(f.apply({visit("u", "p", 0)}, 3).ok());
  for (int round = 0; round < 2; ++round) {
    CHECK(affinity("Coffee") == 1.0);
    CHECK(affinity("Tea") == 2.0);
    CHECK(f.value(EntityKind::kPlace, "p", "place_visits") == 4.0);
    f.reopen();
  }
}

}  // namespace

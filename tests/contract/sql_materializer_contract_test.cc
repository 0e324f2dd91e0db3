// What every Materializer promises, checked on each of them.

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/contract/sql_twins.h"
#include "tests/sql/naive_event_ids.h"

namespace cairn::sql {
namespace {

TEST_CASE_TEMPLATE("rows and aggregates are what a plain computation says, however the stream is cut", Twin, MemoryTwin,
                   PostgresTwin) {
  const std::uint64_t seed = 20240229;
  INFO("seed ", seed);
  const InteractionStream stream(seed);
  const Twin twin;
  std::mt19937_64 random(seed);
  Materializer::Applied total;
  std::int64_t offset = 0;
  while (offset < 3000) {
    const auto size = std::uniform_int_distribution<std::int64_t>(1, 400)(random);
    const auto applied = apply_range(*twin.roles.materializer, stream, offset, offset + size);
    REQUIRE_MESSAGE(applied.ok(), applied.status().to_string());
    total.rows += applied->rows;
    total.repeated += applied->repeated;
    offset += size;
  }
  const Expected expected = expect(stream.range(0, offset));
  check_tables(twin, expected);
  CHECK(total.rows == expected.rows.size());
  CHECK(total.repeated == expected.repeated);
  CHECK(expected.repeated > 50);  // or the stream would prove nothing about repeats
  CHECK(*twin.roles.materializer->load_positions("s") == std::vector{position(offset)});
}

TEST_CASE_TEMPLATE("the same batch again is aborted and changes nothing", Twin, MemoryTwin, PostgresTwin) {
  const Twin twin;
  const InteractionStream stream(3);
  REQUIRE(apply_range(*twin.roles.materializer, stream, 0, 200).ok());
  CHECK(apply_range(*twin.roles.materializer, stream, 0, 200).status().code() == StatusCode::kAborted);
  CHECK(apply_range(*twin.roles.materializer, stream, 0, 300).status().code() == StatusCode::kAborted);
  CHECK(apply_range(*twin.roles.materializer, stream, 250, 300).status().code() == StatusCode::kAborted);
  check_tables(twin, expect(stream.range(0, 200)));
  REQUIRE(apply_range(*twin.roles.materializer, stream, 200, 300).ok());
  check_tables(twin, expect(stream.range(0, 300)));
}

TEST_CASE_TEMPLATE("a cursor that differs is another position", Twin, MemoryTwin, PostgresTwin) {
  const Twin twin;
  const InteractionStream stream(4);
  REQUIRE(apply_range(*twin.roles.materializer, stream, 0, 10).ok());
  SourcePosition other_file = position(10);
  other_file.cursor = "another file";
  CHECK(twin.roles.materializer->apply("s", stream.range(10, 20), std::vector{other_file}, std::vector{position(20)})
            .status()
            .code() == StatusCode::kAborted);
}

TEST_CASE_TEMPLATE("a partition without a stored position stands at its start, and at no other place", Twin, MemoryTwin,
                   PostgresTwin) {
  const Twin twin;
  const InteractionStream stream(5);
  CHECK(twin.roles.materializer->load_positions("s")->empty());
  CHECK(apply_range(*twin.roles.materializer, stream, 5, 10).status().code() == StatusCode::kAborted);
  CHECK(twin.roles.materializer->apply("s", stream.range(0, 5), {}, std::vector{position(5)}).ok());
  // Two partitions in one batch, one of them new.
  CHECK(twin.roles.materializer
            ->apply("s", stream.range(5, 10), std::vector{position(5)}, std::vector{position(9, 7), position(6)})
            .ok());
  CHECK(*twin.roles.materializer->load_positions("s") == std::vector{position(6), position(9, 7)});
  CHECK(twin.roles.materializer->load_positions("t")->empty());
}

TEST_CASE_TEMPLATE("each partition has a position of its own, and one that stands elsewhere holds the whole batch back",
                   Twin, MemoryTwin, PostgresTwin) {
  const Twin twin;
  Materializer& materializer = *twin.roles.materializer;
  const InteractionStream stream(12);
  REQUIRE(materializer.apply("s", stream.range(0, 5), {}, std::vector{position(3, 1), position(2, 4)}).ok());
  // One partition goes on, the other stays; another source of the same partitions begins at its own start.
  REQUIRE(materializer.apply("s", stream.range(5, 7), std::vector{position(2, 4)}, std::vector{position(4, 4)}).ok());
  REQUIRE(materializer.apply("t", stream.range(7, 9), {}, std::vector{position(2, 1)}).ok());
  CHECK(*materializer.load_positions("s") == std::vector{position(3, 1), position(4, 4)});
  CHECK(*materializer.load_positions("t") == std::vector{position(2, 1)});

  // Partition 1 stands where the batch says, partition 4 has moved on.
  const Status stale = materializer
                           .apply("s", stream.range(9, 12), std::vector{position(3, 1), position(2, 4)},
                                  std::vector{position(5, 1), position(3, 4)})
                           .status();
  CHECK(stale.code() == StatusCode::kAborted);
  CHECK(*materializer.load_positions("s") == std::vector{position(3, 1), position(4, 4)});
  check_tables(twin, expect(stream.range(0, 9)));
}

TEST_CASE_TEMPLATE("a late event lands in the tile of its own hour", Twin, MemoryTwin, PostgresTwin) {
  const Twin twin;
  constexpr std::int64_t kHourMs = 3'600'000;
  Interaction event = interaction("p", 10 * kHourMs, TypeIndex{3});
  event.value = 4.5;
  Interaction late = interaction("p", 2 * kHourMs - 1, TypeIndex{3});
  late.value = 1.25;
  Materializer& materializer = *twin.roles.materializer;
  REQUIRE(materializer.apply("s", std::vector{event, event}, {}, std::vector{position(1)}).ok());
  REQUIRE(materializer.apply("s", std::vector{late}, std::vector{position(1)}, std::vector{position(2)}).ok());
  REQUIRE(materializer.apply("s", std::vector{event}, std::vector{position(2)}, std::vector{position(3)}).ok());
  const std::map<Expected::Key, Expected::Stat> tiles{{{"p", 1 * 3600, "rate"}, {1, 1, 1'250'000}},
                                                      {{"p", 10 * 3600, "rate"}, {3, 3, 13'500'000}}};
  CHECK(twin.tables().stats == tiles);
}

Interaction retraction_of(Interaction event) {
  event.retracts = true;
  return event;
}

TEST_CASE_TEMPLATE("events that are retracted leave no row and no trace in the hours, whichever comes first", Twin,
                   MemoryTwin, PostgresTwin) {
  const std::uint64_t seed = 20261127;
  INFO("seed ", seed);
  std::mt19937_64 random(seed);
  std::vector<Interaction> all = InteractionStream(seed).range(0, 900);
  std::map<std::string, bool> retracted;
  std::vector<Interaction> kept;
  std::vector<Interaction> told = all;
  std::size_t retractions = 0;
  for (const Interaction& event : all) {
    if (event.event_id.empty()) {
      kept.push_back(event);
      continue;
    }
    const auto [found, first] = retracted.try_emplace(event.event_id, random() % 3 == 0);
    if (!found->second) kept.push_back(event);
    if (!first || !found->second) continue;
    for (std::uint64_t again = 1 + random() % 2; again > 0; --again, ++retractions) {
      const auto at = static_cast<std::ptrdiff_t>(random() % (told.size() + 1));
      told.insert(told.begin() + at, retraction_of(event));
    }
  }
  REQUIRE(retractions > 50);

  const Twin twin;
  std::int64_t offset = 0;
  while (offset < static_cast<std::int64_t>(told.size())) {
    const auto size = std::min<std::int64_t>(1 + static_cast<std::int64_t>(random() % 90),
                                             static_cast<std::int64_t>(told.size()) - offset);
    const std::vector<Interaction> batch(told.begin() + offset, told.begin() + offset + size);
    const std::vector<SourcePosition> before =
        offset == 0 ? std::vector<SourcePosition>{} : std::vector{position(offset)};
    const auto applied = twin.roles.materializer->apply("s", batch, before, std::vector{position(offset + size)});
    REQUIRE_MESSAGE(applied.ok(), applied.status().to_string());
    offset += size;
  }
  check_tables(twin, expect(kept));
}

TEST_CASE_TEMPLATE(
    "a retraction that says something else than its event changes nothing, and the right one still counts", Twin,
    MemoryTwin, PostgresTwin) {
  std::vector<Interaction> events = InteractionStream(7).range(0, 40);
  std::erase_if(events, [](const Interaction& one) { return one.event_id.empty(); });
  REQUIRE(!events.empty());
  const Interaction event = events.front();
  const Twin twin;
  std::int64_t offset = 0;
  const auto rows_after = [&](const Interaction& one) {
    const std::vector<SourcePosition> before =
        offset == 0 ? std::vector<SourcePosition>{} : std::vector{position(offset)};
    ++offset;
    const auto applied = twin.roles.materializer->apply("s", std::vector{one}, before, std::vector{position(offset)});
    REQUIRE_MESSAGE(applied.ok(), applied.status().to_string());
    return applied->rows + 10 * applied->retracted;
  };
  CHECK(rows_after(event) == 1);
  Interaction later = retraction_of(event);
  later.time += std::chrono::milliseconds(1);
  Interaction elsewhere = retraction_of(event);
  elsewhere.place = PlaceId("another place");
  CHECK(rows_after(later) == 0);
  CHECK(rows_after(elsewhere) == 0);
  CHECK(rows_after(retraction_of(event)) == 10);
  CHECK(rows_after(retraction_of(event)) == 0);
}

TEST_CASE_TEMPLATE("a retraction withholds the event that says what it says, and no other of its id, in whatever order",
                   Twin, MemoryTwin, PostgresTwin) {
  Interaction event = interaction("p", 3'600'000, TypeIndex{3});
  event.value = 4.5;
  Interaction wrong = retraction_of(event);
  wrong.user = UserId("somebody else");
  Interaction wrong_too = retraction_of(event);
  wrong_too.value = 4.0;
  const Interaction right = retraction_of(event);
  const Twin twin;
  std::int64_t offset = 0;
  std::vector<Interaction> kept;
  std::vector<Interaction> told{event, wrong, wrong_too, right, right};
  for (int round = 0; round < 60; ++round) {
    // Every other round without the right ones; some rounds as one batch, some as many.
    std::vector<Interaction> these(told.begin(), told.end() - (round % 2 == 0 ? 0 : 2));
    std::mt19937 random(static_cast<std::uint32_t>(round));
    std::shuffle(these.begin(), these.end(), random);
    for (Interaction& one : these) one.event_id = "e" + std::to_string(round);
    if (round % 2 == 1) {
      kept.push_back(event);
      kept.back().event_id = "e" + std::to_string(round);
    }
    const bool whole = round % 3 == 0;
    for (std::size_t at = 0; at < these.size(); at += whole ? these.size() : 1) {
      const auto batch = std::span(these).subspan(at, whole ? these.size() : 1);
      const std::vector<SourcePosition> before =
          offset == 0 ? std::vector<SourcePosition>{} : std::vector{position(offset)};
      ++offset;
      const auto applied = twin.roles.materializer->apply("s", batch, before, std::vector{position(offset)});
      REQUIRE_MESSAGE(applied.ok(), applied.status().to_string());
    }
  }
  check_tables(twin, expect(kept));
}

TEST_CASE("a minimum and a maximum that a retracted event had made are found anew in the rows of the hour") {
  const PostgresTwin twin;
  Materializer& materializer = *twin.roles.materializer;
  std::vector<Interaction> events;
  for (const double value : {1.0, 2.5, 4.0}) {
    Interaction event = interaction("p", 3'600'000 + static_cast<std::int64_t>(events.size()), TypeIndex{3});
    event.value = value;
    event.event_id = "e" + std::to_string(events.size());
    events.push_back(event);
  }
  REQUIRE(materializer.apply("s", events, {}, std::vector{position(1)}).ok());
  const auto bounds = [&] {
    test::PgClient client = twin.made.client();
    return client.value(
        "SELECT coalesce(string_agg(concat_ws(' ', events, value_min, value_max, value_sum), ','), 'none') "
        "FROM place_stats_hourly");
  };
  CHECK(bounds() == "3 1 4 7.500000");
  REQUIRE(
      materializer.apply("s", std::vector{retraction_of(events[2])}, std::vector{position(1)}, std::vector{position(2)})
          .ok());
  CHECK(bounds() == "2 1 2.5 3.500000");
  REQUIRE(
      materializer.apply("s", std::vector{retraction_of(events[0])}, std::vector{position(2)}, std::vector{position(3)})
          .ok());
  CHECK(bounds() == "1 2.5 2.5 2.500000");
  REQUIRE(
      materializer.apply("s", std::vector{retraction_of(events[1])}, std::vector{position(3)}, std::vector{position(4)})
          .ok());
  CHECK(bounds() == "none");
}

TEST_CASE_TEMPLATE("a row is found by the id of its event, until it is taken out", Twin, MemoryTwin, PostgresTwin) {
  const Twin twin;
  Interaction event = interaction("p", 3'600'000, TypeIndex{3});
  event.value = 4.5;
  event.position = GeoPoint{51.5, -0.125};
  event.event_id = "e";
  Materializer& materializer = *twin.roles.materializer;
  REQUIRE(materializer.apply("s", std::vector{event}, {}, std::vector{position(1)}).ok());
  const auto found = twin.roles.users->find("e");
  REQUIRE(found.ok());
  REQUIRE(found->has_value());
  CHECK((*found)->user == event.user);
  CHECK((*found)->row.place == "p");
  CHECK((*found)->row.type == "rate");
  CHECK((*found)->row.time == event.time);
  CHECK((*found)->row.value == event.value);
  CHECK((*found)->row.position == event.position);
  CHECK_FALSE(twin.roles.users->find("other")->has_value());
  REQUIRE(materializer.apply("s", std::vector{retraction_of(event)}, std::vector{position(1)}, std::vector{position(2)})
              .ok());
  CHECK_FALSE(twin.roles.users->find("e")->has_value());
}

TEST_CASE_TEMPLATE("before the migration every call says that it is missing", Twin, MemoryTwin, PostgresTwin) {
  const Twin twin(Schema::kEmpty);
  const Status loaded = twin.roles.materializer->load_positions("s").status();
  CHECK(loaded.code() == StatusCode::kFailedPrecondition);
  CHECK(loaded.message().find("migration") != std::string::npos);
  CHECK(apply_range(*twin.roles.materializer, InteractionStream(1), 0, 5).status().code() ==
        StatusCode::kFailedPrecondition);
}

TEST_CASE_TEMPLATE("positions without interactions are stored, interactions without moved positions are refused", Twin,
                   MemoryTwin, PostgresTwin) {
  const Twin twin;
  const InteractionStream stream(6);
  CHECK(twin.roles.materializer->apply("s", {}, {}, std::vector{position(5)}).ok());
  CHECK(twin.roles.materializer->apply("s", {}, std::vector{position(5)}, std::vector{position(5)}).ok());
  CHECK(twin.roles.materializer->apply("s", stream.range(0, 1), std::vector{position(5)}, std::vector{position(5)})
            .status()
            .code() == StatusCode::kInvalidArgument);
  CHECK(twin.roles.materializer->apply("s", stream.range(0, 1), std::vector{position(5)}, {}).status().code() ==
        StatusCode::kInvalidArgument);
  CHECK(twin.roles.materializer->apply("s", {}, std::vector{position(5)}, std::vector{position(6), position(7)})
            .status()
            .code() == StatusCode::kInvalidArgument);
}

TEST_CASE_TEMPLATE("an interaction that cannot be stored is refused by its number, before anything is written", Twin,
                   MemoryTwin, PostgresTwin) {
  const Twin twin;
  const InteractionStream stream(7);
  const auto refused = [&](auto change) {
    std::vector<Interaction> events = stream.range(0, 3);
    change(events[1]);
    const Status status = twin.roles.materializer->apply("s", events, {}, std::vector{position(3)}).status();
    CHECK(status.code() == StatusCode::kInvalidArgument);
    return status.message();
  };
  CHECK(refused([](Interaction& i) { i.user = UserId(""); }).find("interaction 1") != std::string::npos);
  refused([](Interaction& i) { i.place = PlaceId(std::string(129, 'x')); });
  refused([](Interaction& i) { i.event_id = std::string("a\0b", 3); });
  refused([](Interaction& i) { i.value = std::nan(""); });
  refused([](Interaction& i) { i.position = GeoPoint{91, 0}; });
  refused([](Interaction& i) { i.time = EventTime::max(); });
  refused([](Interaction& i) { i.type = TypeIndex{63}; });
  check_tables(twin, {});
  CHECK(twin.roles.materializer->load_positions("s")->empty());
}

TEST_CASE_TEMPLATE("an event id of sixty thousand bytes is recognised like any other", Twin, MemoryTwin, PostgresTwin) {
  const Twin twin;
  std::vector<Interaction> events = InteractionStream(8).range(0, 2);
  events[0].event_id = std::string(60'000, 'e') + "1";
  events[1] = events[0];
  const auto applied = twin.roles.materializer->apply("s", events, {}, std::vector{position(2)});
  REQUIRE_MESSAGE(applied.ok(), applied.status().to_string());
  CHECK(applied->rows == 1);
  events[1].event_id.back() = '2';
  const auto second = twin.roles.materializer->apply("s", events, std::vector{position(2)}, std::vector{position(4)});
  CHECK(second->rows == 1);
  CHECK(second->repeated == 1);
}

TEST_CASE_TEMPLATE("an event id is remembered by the order of arrival, whatever times its events have", Twin,
                   MemoryTwin, PostgresTwin) {
  constexpr std::int64_t kDayMs = 24 * 3600 * 1000LL;
  const Twin twin(Schema::kMigrated, 4);  // two generations of two ids
  std::int64_t offset = 0;
  // How many of these count, each a month before the one that came before it.
  const auto taken = [&](const std::vector<std::string>& ids) {
    std::vector<Interaction> events;
    for (const std::string& id : ids) {
      events.push_back(interaction("p", 1'714'521'600'000 - 30 * kDayMs * offset));
      events.back().event_id = id;
    }
    const auto applied =
        twin.roles.materializer->apply("s", events, std::vector{position(offset)}, std::vector{position(offset + 1)});
    REQUIRE_MESSAGE(applied.ok(), applied.status().to_string());
    ++offset;
    return applied->rows;
  };
  CHECK(taken({"a", "b", "a"}) == 2);
  CHECK(taken({"a"}) == 0);
  CHECK(taken({"c"}) == 1);
  CHECK(taken({"a", "b", "c"}) == 0);
  CHECK(taken({"d"}) == 1);
  CHECK(taken({"a", "b"}) == 0);  // until another id comes, the generation after theirs is the newest
  CHECK(taken({"e", "a", "c"}) == 2);
  CHECK(taken({"a", "e", "d"}) == 0);
  CHECK(taken({"b", "f", "g", "h", "b"}) == 4);  // two generations in one batch
  CHECK(taken({"g", "h", "b", "e", ""}) == 2);
}

TEST_CASE_TEMPLATE("which events count is what a plain list says, batch by batch, at the edges of generations", Twin,
                   MemoryTwin, PostgresTwin) {
  for (const std::uint64_t dedup_ids : {1, 2, 7, 40}) {
    const std::uint64_t seed = 500 + dedup_ids;
    INFO("dedup_ids ", dedup_ids, ", seed ", seed);
    std::mt19937_64 random(seed);
    const Twin twin(Schema::kMigrated, dedup_ids);
    NaiveEventIds naive(dedup_ids);
    for (std::int64_t offset = 0; offset < 150; ++offset) {
      std::vector<Interaction> events(1 + random() % 12, interaction("p", 0));
      std::uint64_t expected = 0;
      for (Interaction& event : events) {
        // Of twice as many ids as are remembered, so that about half of them are known.
        if (random() % 8 != 0) event.event_id = std::to_string(random() % (2 * dedup_ids + 2));
        expected += naive.counts(event.event_id) ? 1 : 0;
      }
      const auto applied =
          twin.roles.materializer->apply("s", events, std::vector{position(offset)}, std::vector{position(offset + 1)});
      REQUIRE_MESSAGE(applied.ok(), applied.status().to_string());
      REQUIRE(applied->rows == expected);
      CHECK(applied->repeated == events.size() - expected);
    }
    CHECK(naive.forgotten_lists() > 10);
  }
}

TEST_CASE_TEMPLATE("a batch that is refused leaves no event id behind", Twin, MemoryTwin, PostgresTwin) {
  const Twin twin;
  Interaction event = interaction("p", 0);
  event.event_id = "mine";
  const std::vector events{event};
  CHECK(
      twin.roles.materializer->apply("s", events, std::vector{position(5)}, std::vector{position(6)}).status().code() ==
      StatusCode::kAborted);
  CHECK(twin.roles.materializer->apply("s", events, {}, std::vector{position(1)})->rows == 1);
}

TEST_CASE_TEMPLATE("of writers with the same positions exactly one writes", Twin, MemoryTwin, PostgresTwin) {
  const Twin twin;
  const InteractionStream stream(9);
  std::atomic<int> done = 0;
  std::atomic<int> aborted = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      const auto applied = apply_range(*twin.roles.materializer, stream, 0, 300);
      if (applied.ok()) ++done;
      if (applied.status().code() == StatusCode::kAborted) ++aborted;
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(done == 1);
  CHECK(aborted == 3);
  check_tables(twin, expect(stream.range(0, 300)));
}

TEST_CASE_TEMPLATE("several sources that meet at the same places and event ids add up exactly", Twin, MemoryTwin,
                   PostgresTwin) {
  const Twin twin;
  const InteractionStream stream(10);
  std::vector<Interaction> events = stream.range(0, 1200);
  std::atomic<std::uint64_t> rows = 0;
  // Every source brings the same events; with an event id on each, one copy must remain.
  for (std::size_t i = 0; i < events.size(); ++i) events[i].event_id = std::string("e") + std::to_string(i);
  std::vector<std::thread> threads;
  for (int source = 0; source < 4; ++source) {
    threads.emplace_back([&, name = std::string("source ") + std::to_string(source)] {
      for (std::int64_t begin = 0; begin < 1200; begin += 100) {
        const auto applied =
            twin.roles.materializer->apply(name, std::span(events).subspan(static_cast<std::size_t>(begin), 100),
                                           std::vector{position(begin)}, std::vector{position(begin + 100)});
        if (applied.ok()) rows += applied->rows;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(rows == 1200);
  check_tables(twin, expect(events));
}

}  // namespace
}  // namespace cairn::sql

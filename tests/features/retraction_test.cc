// What a retraction takes out of a row, value by value.
#include "features/retraction.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "features/decay.h"
#include "features/event_id_memory.h"

namespace cairn::features {
namespace {

View view_of(Aggregate aggregate) {
  View view;
  view.id = 7;
  view.spec.aggregate = aggregate;
  if (aggregate == Aggregate::kDecayedSum) view.spec.half_life = std::chrono::hours(1);
  return view;
}

Row row_of(const View& view, const Value& value, std::uint64_t dimension = 3) {
  Row row;
  row.blocks.push_back({.view = view.id,
                        .aggregate = view.spec.aggregate,
                        .half_life_ms = std::chrono::milliseconds(view.spec.half_life).count(),
                        .entries = {{dimension, value}}});
  return row;
}

struct Taken {
  Row row;
  TakenOut out;
};
Taken take(const View& view, const Value& value, const Value& event, std::uint64_t dimension = 3) {
  Taken taken{row_of(view, value), {}};
  take_out({{&view, dimension, event}}, &taken.row, &taken.out);
  return taken;
}

TEST_CASE("an older event leaves the newest time, an entry's last event leaves nothing") {
  const View view = view_of(Aggregate::kSum);
  const Taken older =
      take(view, {.count = 3, .micros = 60, .newest_ms = 9}, {.count = 1, .micros = 10, .newest_ms = 4});
  CHECK(older.row == row_of(view, {.count = 2, .micros = 50, .newest_ms = 9}));
  CHECK(older.out.values == 1);
  CHECK(older.out.inexact.empty());
  const Taken last = take(view, {.count = 1, .micros = 10, .newest_ms = 4}, {.count = 1, .micros = 10, .newest_ms = 4});
  CHECK(last.row.blocks.empty());
  CHECK(last.out.inexact.empty());
}

TEST_CASE("what cannot have been in an entry is not taken out of it") {
  const Value kept{.count = 2, .micros = 50, .newest_ms = 9};
  for (const auto& [aggregate, event, dimension] : {
           std::tuple{Aggregate::kSum, Value{.count = 1, .micros = 10, .newest_ms = 10}, std::uint64_t{3}},  // too new
           std::tuple{Aggregate::kSum, Value{.count = 1, .micros = 10, .newest_ms = 9}, std::uint64_t{4}},  // elsewhere
           std::tuple{Aggregate::kMin, Value{.count = 1, .micros = 49, .newest_ms = 9}, std::uint64_t{3}},
           std::tuple{Aggregate::kMax, Value{.count = 1, .micros = 51, .newest_ms = 9}, std::uint64_t{3}},
           std::tuple{Aggregate::kSequence, Value{.count = 1, .micros = 51, .newest_ms = 9}, std::uint64_t{3}},
       }) {
    const View view = view_of(aggregate);
    const Taken taken = take(view, kept, event, dimension);
    CHECK(taken.row == row_of(view, kept));
    CHECK(taken.out.values == 0);
    CHECK(taken.out.lost == 1);
  }
}

TEST_CASE("an entry that its block's bound may have dropped since is told as lost") {
  View view = view_of(Aggregate::kSum);
  view.spec.dimension = Dimension::kPlace;
  const Value event{.count = 1, .micros = 10, .newest_ms = 4};
  const auto lost = [&](std::uint32_t max_entries, std::int64_t other_newest_ms) {
    Row row = row_of(view, {.count = 2, .micros = 50, .newest_ms = 9});
    row.blocks[0].max_entries = max_entries;
    row.blocks[0].entries.push_back({4, {.count = 1, .micros = 5, .newest_ms = other_newest_ms}});
    TakenOut taken;
    take_out({{&view, 3, event}}, &row, &taken);
    CHECK(row.blocks[0].entries[0].value == Value{.count = 1, .micros = 40, .newest_ms = 9});
    CHECK(taken.values == 1);
    return taken.lost;
  };
  CHECK(lost(2, 5) == 1);
  CHECK(lost(2, 4) == 1);
  CHECK(lost(2, 3) == 0);  // what was dropped is older than this, and so than the event
  CHECK(lost(3, 5) == 0);
  CHECK(lost(0, 5) == 0);
  view.spec.dimension = Dimension::kHourOfWeek;
  CHECK(lost(2, 5) == 1);
  Row whole_week = row_of(view, {.count = 2, .micros = 50, .newest_ms = 9}, 0);
  whole_week.blocks[0].max_entries = 168;
  for (std::uint64_t hour = 1; hour < 168; ++hour) {
    whole_week.blocks[0].entries.push_back({hour, {.count = 1, .micros = 5, .newest_ms = 9}});
  }
  TakenOut taken;
  take_out({{&view, 0, event}}, &whole_week, &taken);
  CHECK(taken.values == 1);
  CHECK(taken.lost == 0);  // there are no more hours that could have dropped one
}

TEST_CASE("a bound that the event had made stays, and is told") {
  for (const Aggregate aggregate : {Aggregate::kMin, Aggregate::kMax}) {
    const View view = view_of(aggregate);
    const Value event{.count = 1, .micros = 50, .newest_ms = 4};
    const Taken taken = take(view, {.count = 2, .micros = 50, .newest_ms = 9}, event);
    CHECK(taken.row == row_of(view, {.count = 1, .micros = 50, .newest_ms = 9}));
    REQUIRE(taken.out.inexact.size() == 1);
    CHECK(taken.out.inexact[0] == InexactEntry{7, 3});
  }
}

TEST_CASE("a decayed sum is what the other events add up to, but for rounding") {
  const View view = view_of(Aggregate::kDecayedSum);
  const auto sum_at = [](std::int64_t ms) { return decayed(1.0, decay_time(ms, 3'600'000)); };
  const DecayedSum old = sum_at(0);
  const DecayedSum event = sum_at(7'200'000);
  const DecayedSum both = add(old, event);
  const Taken taken =
      take(view, {.count = 2, .mantissa = both.mantissa, .exponent = both.exponent, .newest_ms = 9'000'000},
           {.count = 1, .mantissa = event.mantissa, .exponent = event.exponent, .newest_ms = 7'200'000});
  const Value& left = taken.row.blocks.at(0).entries.at(0).value;
  // The event weighed four times the other: two bits of it were rounded away.
  CHECK(value_at({left.mantissa, left.exponent}, decay_time(0, 3'600'000)) == doctest::Approx(1.0).epsilon(1e-14));
}

TEST_CASE("a history of other events mends nothing") {
  const View view = view_of(Aggregate::kMax);
  const Value kept{.count = 2, .micros = 50, .newest_ms = 9};
  const Value cases[] = {{.count = 1, .micros = 40, .newest_ms = 8},   // one is missing
                         {.count = 2, .micros = 40, .newest_ms = 10},  // one came later
                         {.count = 2, .micros = 60, .newest_ms = 9}};  // one is larger
  for (const Value& fresh : cases) {
    Row row = row_of(view, kept);
    std::vector<InexactEntry> inexact{{7, 3}};
    CHECK_FALSE(mend(row_of(view, fresh), &row, &inexact));
    CHECK(row == row_of(view, kept));
    CHECK(inexact.size() == 1);
  }
  Row row = row_of(view, kept);
  std::vector<InexactEntry> inexact{{7, 3}, {7, 4}, {8, 1}};
  CHECK(mend(row_of(view, {.count = 2, .micros = 40, .newest_ms = 8}), &row, &inexact));
  CHECK(row == row_of(view, {.count = 2, .micros = 40, .newest_ms = 8}));
  CHECK(inexact.empty());  // the others are not there any more
}

TEST_CASE("a decayed sum of as many other events mends nothing, and one of the same keeps its bits") {
  const View view = view_of(Aggregate::kDecayedSum);
  const auto value = [](std::initializer_list<std::int64_t> hours, std::int64_t newest_hour) {
    DecayedSum sum;
    for (const std::int64_t hour : hours) sum = add(sum, decayed(1.0, decay_time(hour * 3'600'000, 3'600'000)));
    return Value{.count = static_cast<std::int64_t>(hours.size()),
                 .mantissa = sum.mantissa,
                 .exponent = sum.exponent,
                 .newest_ms = newest_hour * 3'600'000};
  };
  const Value kept = value({1, 5}, 9);  // of nine hours was the one that went
  Row row = row_of(view, kept);
  std::vector<InexactEntry> inexact{{7, 3}};
  CHECK_FALSE(mend(row_of(view, value({5, 8}, 8)), &row, &inexact));
  CHECK(row == row_of(view, kept));
  CHECK(inexact.size() == 1);
  Value fresh = value({5, 1}, 5);
  fresh.mantissa *= 1.0 + 1e-12;  // added up in another order
  CHECK(mend(row_of(view, fresh), &row, &inexact));
  CHECK(row == row_of(view, value({1, 5}, 5)));
  CHECK(inexact.empty());
}

TEST_CASE("a decayed sum of events that weigh nothing is mended, whatever rounding has left of it") {
  const View view = view_of(Aggregate::kDecayedSum);
  const Value fresh{.count = 1, .newest_ms = 3'600'000};
  for (const double left : {1e-15, 0.5}) {
    const DecayedSum rest = decayed(left, decay_time(3'600'000, 3'600'000));
    Row row = row_of(view, {.count = 1, .mantissa = rest.mantissa, .exponent = rest.exponent, .newest_ms = 9'000'000});
    std::vector<InexactEntry> inexact{{7, 3}};
    CHECK(mend(row_of(view, fresh), &row, &inexact) == (left < 0.1));
    CHECK(inexact.empty() == (left < 0.1));
  }
}

TEST_CASE("an event and its retraction are told apart, and remembered as long as ids are") {
  EventIdMemory memory(2);  // ids in a generation
  const EventFingerprint a = fingerprint("a");
  CHECK(memory.judge(a, true).fate == EventFate::kUnmatched);
  CHECK(memory.judge(a, true).fate == EventFate::kRepeat);
  CHECK(memory.judge(a, false).fate == EventFate::kWithhold);
  CHECK(memory.judge(a, false).fate == EventFate::kRepeat);
  CHECK(memory.judge(fingerprint("b"), false).fate == EventFate::kApply);
  CHECK(memory.judge(fingerprint("b"), true).fate == EventFate::kUndo);
  CHECK(memory.has_retractions());
  // Two generations later nothing of them is known.
  for (const char* id : {"c", "d", "e", "f"}) CHECK(memory.judge(fingerprint(id), false).fate == EventFate::kApply);
  CHECK_FALSE(memory.has_retractions());
  CHECK(memory.judge(fingerprint("b"), true).fate == EventFate::kUnmatched);
  CHECK(memory.judge(a, false).fate == EventFate::kApply);
}

TEST_CASE("an event counts unless a retraction says what it says, in whatever order they come and how often") {
  constexpr EventNote kSays{11, 0};
  const EventFingerprint id = fingerprint("e");
  // 0 is the event; the others are retractions, of which the second says what the event says.
  const std::vector<EventNote> says{kSays, {22, 0}, kSays, {33, 0}};
  for (const bool right_comes : {false, true}) {
    std::vector<std::size_t> told{0, 0, 1, 1, 3, 3};
    if (right_comes) told.insert(told.end(), {2, 2});
    std::sort(told.begin(), told.end());
    do {
      std::string order;
      for (const std::size_t one : told) order += std::to_string(one);
      CAPTURE(order);
      EventIdMemory memory(100);
      int counts = 0;
      bool came = false;
      for (const std::size_t one : told) {
        const bool before = came;
        const auto judgement = memory.judge(id, one > 0, says[one]);
        came = came || one == 0;
        counts += judgement.fate == EventFate::kApply ? 1 : judgement.fate == EventFate::kUndo ? -1 : 0;
        const bool wrong = one == 1 || one == 3;
        CHECK((judgement.fate == EventFate::kMismatch) == (before && wrong));
        CHECK((counts == 0 || counts == 1));
        if (came && !right_comes) CHECK(counts == 1);
      }
      CHECK(counts == (right_comes ? 0 : 1));
      CHECK(memory.retracted(id, kSays) == right_comes);
    } while (std::next_permutation(told.begin(), told.end()));
  }
}

TEST_CASE("an event without a note is taken out once, whatever its retractions say") {
  EventIdMemory memory(100);
  const EventFingerprint id = fingerprint("e");
  CHECK(memory.judge(id, false).fate == EventFate::kApply);
  CHECK(memory.judge(id, true, {11, 0}).fate == EventFate::kUndo);
  CHECK(memory.judge(id, true, {22, 0}).fate == EventFate::kRepeat);
  CHECK(memory.judge(id, true, {11, 0}).fate == EventFate::kRepeat);
  // And a retraction without one withholds any event.
  const EventFingerprint other = fingerprint("f");
  CHECK(memory.judge(other, true).fate == EventFate::kUnmatched);
  CHECK(memory.judge(other, true, {22, 0}).fate == EventFate::kRepeat);
  CHECK(memory.judge(other, false, {11, 0}).fate == EventFate::kWithhold);
}

}  // namespace
}  // namespace cairn::features

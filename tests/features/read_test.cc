#include "features/read.h"

#include <doctest/doctest.h>

#include <limits>

using namespace cairn;
using namespace cairn::features;
using std::chrono::hours;
using std::chrono::seconds;

namespace {

constexpr std::int64_t kHourMs = 3'600'000;

View view_of(Aggregate aggregate, Dimension dimension = Dimension::kPlace, int cell_precision = 6) {
  View view;
  view.id = 3;
  view.spec = {.name = "v", .dimension = dimension, .aggregate = aggregate, .cell_precision = cell_precision};
  if (aggregate == Aggregate::kDecayedSum) view.spec.half_life = hours(10);
  return view;
}

Row row_of(const View& view, std::vector<Entry> entries) {
  return {{{.view = view.id, .aggregate = view.spec.aggregate, .max_entries = 100, .entries = std::move(entries)}}};
}

Entry entry_at(std::uint64_t dimension, std::int64_t newest_ms) {
  return {.dimension = dimension, .value = {.count = 1, .newest_ms = newest_ms}};
}

FeatureVector read_view(const View& view, const Row* row, EventTime as_of, LaterEvents later) {
  Dictionary names;
  for (int id = 0; id < 10; ++id) names.intern("#" + std::to_string(id));
  const InteractionTypes types;
  return ViewReader(view, as_of, later, {names, names, types}, std::make_shared<FeatureArena>()).read(row);
}

}  // namespace

TEST_CASE("a stored value stands for the number its aggregate says") {
  const Value value{.count = 4, .micros = 10'000'000, .newest_ms = 5};
  const EventTime now = event_time_from_ms(0);
  CHECK(value_at(view_of(Aggregate::kCount), value, now) == 4.0);
  CHECK(value_at(view_of(Aggregate::kSum), value, now) == 10.0);
  CHECK(value_at(view_of(Aggregate::kMean), value, now) == 2.5);
  CHECK(value_at(view_of(Aggregate::kMin), value, now) == 10.0);
  CHECK(value_at(view_of(Aggregate::kMax), value, now) == 10.0);
  CHECK(value_at(view_of(Aggregate::kLast), value, now) == 10.0);
  CHECK(value_at(view_of(Aggregate::kSequence), value, now) == 10.0);
  CHECK(value_at(view_of(Aggregate::kMean), Value{}, now) == 0.0);
}

TEST_CASE("a decayed sum is read at the instant asked for") {
  const View view = view_of(Aggregate::kDecayedSum);
  const Value value{.count = 1, .mantissa = 0.5, .exponent = 3};  // weight 1 at 20 hours: 2^2
  CHECK(value_at(view, value, event_time_from_ms(20 * kHourMs)) == 1.0);
  CHECK(value_at(view, value, event_time_from_ms(40 * kHourMs)) == 0.25);
  CHECK(value_at(view, value, event_time_from_ms(10 * kHourMs)) == 2.0);
}

TEST_CASE("an event that lies ahead of the instant has age 0") {
  const View view = view_of(Aggregate::kDecayedSum);
  // Weight 1 at 20 hours, read before: neither 2 nor 4.
  const Value value{.count = 1, .mantissa = 0.5, .exponent = 3, .newest_ms = 20 * kHourMs};
  CHECK(value_at(view, value, event_time_from_ms(10 * kHourMs)) == 1.0);
  CHECK(value_at(view, value, event_time_from_ms(0)) == 1.0);
  CHECK(value_at(view, value, event_time_from_ms(std::numeric_limits<std::int64_t>::min())) == 1.0);
  const Row row = row_of(view, {{.dimension = 1, .value = value}});
  const FeatureVector now = read_view(view, &row, event_time_from_ms(0), LaterEvents::kCount);
  CHECK(now.status == FeatureStatus::kPresent);
  REQUIRE(now.entries.size() == 1);
  CHECK(now.entries[0].value == 1.0);
}

TEST_CASE("as of an instant before all events, a view says that it knows only later ones") {
  for (const Aggregate aggregate : {Aggregate::kCount, Aggregate::kSum, Aggregate::kMean, Aggregate::kMin,
                                    Aggregate::kMax, Aggregate::kLast, Aggregate::kDecayedSum, Aggregate::kSequence}) {
    const View view = view_of(aggregate);
    for (const std::int64_t count : {1, 2}) {
      const Row row = row_of(view, {{.dimension = 1, .value = {.count = count, .mantissa = 0.5, .newest_ms = 1'001}}});
      const FeatureVector vector = read_view(view, &row, event_time_from_ms(1'000), LaterEvents::kUnknown);
      CHECK(vector.status == FeatureStatus::kNewerThanAsOf);
      CHECK(vector.entries.empty());
      CHECK(read_view(view, &row, event_time_from_ms(1'001), LaterEvents::kUnknown).status == FeatureStatus::kPresent);
    }
  }
  CHECK(to_string(FeatureStatus::kNewerThanAsOf) == "NEWER_THAN_AS_OF");
}

TEST_CASE("an entry with events on both sides of the instant is not known, those without are served") {
  const View view = view_of(Aggregate::kCount);
  const Row mixed = row_of(view, {{.dimension = 1, .value = {.count = 3, .newest_ms = 900}},
                                  {.dimension = 2, .value = {.count = 2, .newest_ms = 1'100}}});
  const FeatureVector vector = read_view(view, &mixed, event_time_from_ms(1'000), LaterEvents::kUnknown);
  CHECK(vector.status == FeatureStatus::kNewerThanAsOf);
  REQUIRE(vector.entries.size() == 1);
  CHECK(vector.entries[0].dimension == "#1");
  // The second entry's only event is later: there was no such entry then.
  const Row later = row_of(view, {{.dimension = 1, .value = {.count = 3, .newest_ms = 900}}, entry_at(2, 1'100)});
  const FeatureVector exact = read_view(view, &later, event_time_from_ms(1'000), LaterEvents::kUnknown);
  CHECK(exact.status == FeatureStatus::kPresent);
  CHECK(exact.entries.size() == 1);
}

TEST_CASE("a sequence and a count by hour are those of the instant asked for") {
  const View sequence = view_of(Aggregate::kSequence);
  const Row events = row_of(sequence, {{.dimension = 9, .value = {.count = 1, .newest_ms = 10}},
                                       {.dimension = 2, .value = {.count = 2, .newest_ms = 20}},
                                       {.dimension = 3, .value = {.count = 2, .newest_ms = 30}}});
  const FeatureVector history = read_view(sequence, &events, event_time_from_ms(20), LaterEvents::kUnknown);
  CHECK(history.status == FeatureStatus::kPresent);
  REQUIRE(history.entries.size() == 2);
  CHECK(history.entries[1].dimension == "#2");

  const View hourly = view_of(Aggregate::kCount, Dimension::kHour);
  const auto tile = [](std::uint64_t hour) {
    return Entry{.dimension = hour,
                 .value = {.count = 5, .newest_ms = static_cast<std::int64_t>(hour) * kHourMs + kHourMs / 2}};
  };
  const Row tiles = row_of(hourly, {tile(1), tile(2), tile(3)});
  const EventTime between = event_time_from_ms(2 * kHourMs + kHourMs / 2);
  CHECK(read_view(hourly, &tiles, between, LaterEvents::kUnknown).status == FeatureStatus::kPresent);
  CHECK(read_view(hourly, &tiles, between, LaterEvents::kUnknown).entries.size() == 2);
  const EventTime inside = event_time_from_ms(2 * kHourMs + 1);
  CHECK(read_view(hourly, &tiles, inside, LaterEvents::kUnknown).status == FeatureStatus::kNewerThanAsOf);
}

TEST_CASE("an entry is served up to its TTL and not a millisecond longer") {
  View view = view_of(Aggregate::kCount);
  view.spec.ttl = seconds(2);
  const Value value{.count = 1, .newest_ms = 1'000};
  CHECK(within_ttl(view, value, event_time_from_ms(3'000)));
  CHECK_FALSE(within_ttl(view, value, event_time_from_ms(3'001)));
  CHECK(within_ttl(view, value, event_time_from_ms(0)));
  view.spec.ttl = seconds(0);
  CHECK(within_ttl(view, value, event_time_from_ms(std::numeric_limits<std::int64_t>::max())));
}

TEST_CASE("TTL holds at the ends of time") {
  View view = view_of(Aggregate::kCount);
  view.spec.ttl = seconds(1);
  constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  CHECK_FALSE(within_ttl(view, Value{.newest_ms = kMin}, event_time_from_ms(kMax)));
  CHECK(within_ttl(view, Value{.newest_ms = kMax}, event_time_from_ms(kMin)));
}

TEST_CASE("a view says why it has no values") {
  View view = view_of(Aggregate::kCount);
  view.spec.ttl = seconds(1);
  const EventTime now = event_time_from_ms(10'000);
  CHECK(read_view(view, nullptr, now, LaterEvents::kCount).status == FeatureStatus::kNotFound);
  const Row without_view;
  CHECK(read_view(view, &without_view, now, LaterEvents::kCount).status == FeatureStatus::kNullValue);
  const Row without_entries = row_of(view, {});
  CHECK(read_view(view, &without_entries, now, LaterEvents::kCount).status == FeatureStatus::kNullValue);
  Row faded = row_of(view, {});  // as drop_faded() leaves it
  faded.blocks[0].ttl_ms = 1'000;
  CHECK(read_view(view, &faded, now, LaterEvents::kCount).status == FeatureStatus::kOutsideMaxAge);
  const Row expired = row_of(view, {entry_at(1, 0), entry_at(2, 8'999)});
  const FeatureVector vector = read_view(view, &expired, now, LaterEvents::kCount);
  CHECK(vector.status == FeatureStatus::kOutsideMaxAge);
  CHECK(vector.entries.empty());
  CHECK(vector.view == "v");
}

TEST_CASE("expired entries are left out, the others served in their order with names") {
  View view = view_of(Aggregate::kCount);
  view.spec.ttl = seconds(1);
  const Row row = row_of(view, {entry_at(1, 9'500), entry_at(2, 0), entry_at(7, 10'000)});
  const FeatureVector vector = read_view(view, &row, event_time_from_ms(10'000), LaterEvents::kCount);
  CHECK(vector.status == FeatureStatus::kPresent);
  REQUIRE(vector.entries.size() == 2);
  CHECK(vector.entries[0].dimension == "#1");
  CHECK(vector.entries[0].newest == event_time_from_ms(9'500));
  CHECK(vector.entries[1].dimension == "#7");
  CHECK(vector.entries[1].count == 1);
  CHECK(vector.entries[1].value == 1.0);
}

TEST_CASE("a sequence is served oldest first, with each event's weight") {
  const View view = view_of(Aggregate::kSequence);
  const Row row = row_of(view, {{.dimension = 9, .value = {.count = 1, .micros = 1'500'000, .newest_ms = 10}},
                                {.dimension = 2, .value = {.count = 2, .micros = -500'000, .newest_ms = 20}}});
  const FeatureVector vector = read_view(view, &row, event_time_from_ms(20), LaterEvents::kCount);
  REQUIRE(vector.entries.size() == 2);
  CHECK(vector.entries[0].dimension == "#9");
  CHECK(vector.entries[0].value == 1.5);
  CHECK(vector.entries[1].value == -0.5);
  CHECK(vector.entries[1].count == 2);
}

TEST_CASE("dimensions that need no dictionary have their names") {
  View view = view_of(Aggregate::kCount, Dimension::kCell);
  view.spec.cell_precision = 5;
  CHECK(plain_dimension_name(view, 0b01101'11111'11000'00100'00010) == "ezs42");
  CHECK(plain_dimension_name(view_of(Aggregate::kCount, Dimension::kHourOfWeek), 167) == "167");
  const View hourly = view_of(Aggregate::kCount, Dimension::kHour);
  CHECK(plain_dimension_name(hourly, 0) == "1970-01-01T00:00:00Z");
  CHECK(plain_dimension_name(hourly, 473'352 + 13) == "2024-01-01T13:00:00Z");
  CHECK(plain_dimension_name(hourly, 70'389'527) == "9999-12-31T23:00:00Z");
  CHECK(plain_dimension_name(hourly, 70'389'528) == "70389528");
  CHECK(plain_dimension_name(hourly, ~0ull) == "18446744073709551615");
  CHECK(plain_dimension_name(view_of(Aggregate::kCount, Dimension::kNone), 0) == "");
  for (const Dimension named : {Dimension::kPlace, Dimension::kCategory, Dimension::kType}) {
    CHECK_FALSE(plain_dimension_name(view_of(Aggregate::kCount, named), 1).has_value());
  }
}

TEST_CASE("entries and their texts live as long as a copy of them, however many and however long they are") {
  const View view = view_of(Aggregate::kCount);
  std::vector<Entry> entries;
  for (std::uint64_t i = 0; i < 3'000; ++i) entries.push_back(entry_at(i, static_cast<std::int64_t>(i)));
  const Row row = row_of(view, entries);
  const auto name = [](std::uint64_t i) { return std::string(i == 7 ? 60'000 : i % 40, 'x') + std::to_string(i); };
  const View cells = view_of(Aggregate::kCount, Dimension::kCell, 7);
  const View hours_of_week = view_of(Aggregate::kCount, Dimension::kHourOfWeek);
  FeatureEntries kept;
  FeatureEntries kept_cells;
  FeatureEntries kept_hours;
  {
    Dictionary places;
    for (std::uint64_t i = 0; i < 3'000; ++i) places.intern(name(i));
    const Dictionary categories;
    const InteractionTypes types;
    const auto arena = std::make_shared<FeatureArena>();
    const auto read = [&](const View& of) {
      const DimensionNames names{places, categories, types};
      return ViewReader(of, event_time_from_ms(5'000), LaterEvents::kCount, names, arena).read(&row).entries;
    };
    kept = read(view);
    kept_cells = read(cells);
    kept_hours = read(hours_of_week);
  }
  REQUIRE(kept.size() == 3'000);
  REQUIRE(kept_cells.size() == 3'000);
  REQUIRE(kept_hours.size() == 3'000);
  for (std::size_t i = 0; i < kept.size(); ++i) {
    REQUIRE(kept[i].dimension == name(i));
    REQUIRE(to_ms(kept[i].newest) == static_cast<std::int64_t>(i));
    REQUIRE(kept_hours[i].dimension == std::to_string(i));
  }
  // Of 5 bits each, the last two letters of 1,000 are 31 and 8 (11111 01000): z and 8.
  CHECK(kept_cells[1'000].dimension == "00000z8");
  CHECK_THROWS_AS(static_cast<void>(kept.at(3'000)), std::out_of_range);

  std::string text = "p1";
  FeatureEntries copies = {{text, 1.0, 1, {}}, {"", 2.0, 1, {}}};
  text = "p2";
  const FeatureEntries other = copies;
  copies = {};
  CHECK(other.at(0).dimension == "p1");
  CHECK(other.back().dimension.empty());
}

#include "features/read.h"

#include <doctest/doctest.h>

#include <limits>

using namespace cairn;
using namespace cairn::features;
using std::chrono::hours;
using std::chrono::seconds;

namespace {

constexpr std::int64_t kHourMs = 3'600'000;

View view_of(Aggregate aggregate, Dimension dimension = Dimension::kPlace) {
  View view;
  view.id = 3;
  view.spec = {.name = "v", .dimension = dimension, .aggregate = aggregate};
  if (aggregate == Aggregate::kDecayedSum) view.spec.half_life = hours(10);
  return view;
}

Row row_of(const View& view, std::vector<Entry> entries) {
  return {{{.view = view.id, .aggregate = view.spec.aggregate, .max_entries = 100, .entries = std::move(entries)}}};
}

Entry entry_at(std::uint64_t dimension, std::int64_t newest_ms) {
  return {.dimension = dimension, .value = {.count = 1, .newest_ms = newest_ms}};
}

const DimensionNamer kNumbers = [](const View&, std::uint64_t dimension) {
  return std::string("#").append(std::to_string(dimension));
};

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
  CHECK(read_view(view, nullptr, now, kNumbers).status == FeatureStatus::kNotFound);
  const Row without_view;
  CHECK(read_view(view, &without_view, now, kNumbers).status == FeatureStatus::kNullValue);
  const Row without_entries = row_of(view, {});
  CHECK(read_view(view, &without_entries, now, kNumbers).status == FeatureStatus::kNullValue);
  const Row expired = row_of(view, {entry_at(1, 0), entry_at(2, 8'999)});
  const FeatureVector vector = read_view(view, &expired, now, kNumbers);
  CHECK(vector.status == FeatureStatus::kOutsideMaxAge);
  CHECK(vector.entries.empty());
  CHECK(vector.view == "v");
}

TEST_CASE("expired entries are left out, the others served in their order with names") {
  View view = view_of(Aggregate::kCount);
  view.spec.ttl = seconds(1);
  const Row row = row_of(view, {entry_at(1, 9'500), entry_at(2, 0), entry_at(7, 10'000)});
  const FeatureVector vector = read_view(view, &row, event_time_from_ms(10'000), kNumbers);
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
  const FeatureVector vector = read_view(view, &row, event_time_from_ms(20), kNumbers);
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

#include "features/event_changes.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/features/delta_accumulator.h"

using namespace cairn;
using namespace cairn::features;
using std::chrono::hours;

namespace {

constexpr std::int64_t kHourMs = 3'600'000;
constexpr TypeIndex kVisit{2};
constexpr TypeIndex kRate{3};

Schema schema_of(std::vector<FeatureViewSpec> specs) {
  ViewRegistry registry;
  Result<Schema> schema = Schema::build(specs, InteractionTypes(), &registry);
  REQUIRE_MESSAGE(schema.ok(), schema.status().to_string());
  return std::move(schema).value();
}

Interaction visit(const char* user, const char* place, std::int64_t ms) {
  return {.user = UserId(user), .place = PlaceId(place), .type = kVisit, .time = event_time_from_ms(ms)};
}

ResolvedEvent resolved(const Interaction& interaction) {
  return {.interaction = &interaction, .place = 7, .cell = cell_of(std::nullopt, interaction.position)};
}

std::vector<EntityDelta> deltas_of(const Schema& schema, const std::vector<ResolvedEvent>& events) {
  DeltaAccumulator accumulator(schema);
  for (const ResolvedEvent& event : events) accumulator.add(event);
  return accumulator.take();
}

std::vector<std::uint64_t> dimensions(const EntityDelta& delta, std::uint32_t view = 1) {
  std::vector<std::uint64_t> result;
  if (const ViewBlock* block = delta.row.find(view)) {
    for (const Entry& entry : block->entries) result.push_back(entry.dimension);
  }
  return result;
}

}  // namespace

TEST_CASE("an event changes the user, the place and the cell, each once") {
  const Schema schema = schema_of({{.name = "u", .entity = EntityKind::kUser},
                                   {.name = "p", .entity = EntityKind::kPlace},
                                   {.name = "c", .entity = EntityKind::kCell, .cell_precision = 5},
                                   {.name = "c4", .entity = EntityKind::kCell, .cell_precision = 4},
                                   {.name = "p2", .entity = EntityKind::kPlace, .dimension = Dimension::kType}});
  const Interaction interaction = visit("ann", "cafe", 10);
  ResolvedEvent event = resolved(interaction);
  event.cell = cell_of(GeoPoint{42.605, -5.603}, std::nullopt);
  const std::vector<EntityDelta> deltas = deltas_of(schema, {event, event});
  REQUIRE(deltas.size() == 4);
  CHECK(deltas[0].key ==
        "\x01"
        "ann");
  CHECK(deltas[1].key ==
        "\x02"
        "cafe");
  CHECK(deltas[2].key ==
        "\x03"
        "ezs4");
  CHECK(deltas[3].key ==
        "\x03"
        "ezs42");
  CHECK(deltas[0].row.blocks.size() == 1);
  REQUIRE(deltas[1].row.blocks.size() == 2);
  CHECK(deltas[1].row.blocks[0].view == 2);
  CHECK(deltas[1].row.blocks[1].view == 5);
  CHECK(dimensions(deltas[1], 5) == std::vector<std::uint64_t>{2});
  CHECK(deltas[3].row.find(3)->entries[0].value == Value{.count = 2, .newest_ms = 10});
}

TEST_CASE("the catalogue's position comes before the event's own, and without any there is no cell") {
  const Schema schema = schema_of({{.name = "cells", .dimension = Dimension::kCell, .cell_precision = 1},
                                   {.name = "by_cell", .entity = EntityKind::kCell, .cell_precision = 1}});
  Interaction interaction = visit("ann", "cafe", 10);
  CHECK(deltas_of(schema, {resolved(interaction)}).empty());
  interaction.position = GeoPoint{0, 0};  // cell s
  CHECK(deltas_of(schema, {resolved(interaction)})[1].key == "\x03s");
  ResolvedEvent known = resolved(interaction);
  known.cell = cell_of(GeoPoint{-90, -180}, interaction.position);  // cell 0
  const std::vector<EntityDelta> deltas = deltas_of(schema, {known});
  CHECK(deltas[1].key ==
        "\x03"
        "0");
  CHECK(dimensions(deltas[0]) == std::vector<std::uint64_t>{0});
}

TEST_CASE("each dimension is taken from where it stands") {
  const auto dimension = [](Dimension kind, std::int64_t ms) {
    const Schema schema = schema_of({{.name = "v", .dimension = kind}});
    const Interaction interaction = visit("ann", "cafe", ms);
    ResolvedEvent event = resolved(interaction);
    event.category = 55;
    const auto deltas = deltas_of(schema, {event});
    return deltas.empty() ? std::vector<std::uint64_t>{} : dimensions(deltas[0]);
  };
  using Dimensions = std::vector<std::uint64_t>;
  CHECK(dimension(Dimension::kNone, 0) == Dimensions{0});
  CHECK(dimension(Dimension::kPlace, 0) == Dimensions{7});
  CHECK(dimension(Dimension::kCategory, 0) == Dimensions{55});
  CHECK(dimension(Dimension::kType, 0) == Dimensions{2});
  CHECK(dimension(Dimension::kHourOfWeek, 5 * kHourMs) == Dimensions{77});
  CHECK(dimension(Dimension::kHourOfWeek, -kHourMs) == Dimensions{71});
  CHECK(dimension(Dimension::kHour, 5 * kHourMs + 1) == Dimensions{5});
  CHECK(dimension(Dimension::kHour, -1) == Dimensions{});  // no tile before 1970
}

TEST_CASE("a place without category has no entry by category") {
  const Schema schema = schema_of({{.name = "v", .dimension = Dimension::kCategory}, {.name = "w"}});
  const Interaction interaction = visit("ann", "cafe", 0);
  const auto deltas = deltas_of(schema, {resolved(interaction)});
  REQUIRE(deltas.size() == 1);
  CHECK(deltas[0].row.find(1) == nullptr);
  CHECK(deltas[0].row.find(2) != nullptr);
}

TEST_CASE("types that a view does not weigh and weights that cannot be computed do not count") {
  const Schema schema = schema_of({{.name = "v", .aggregate = Aggregate::kSum, .events = {{"rate", "value - 2.5"}}}});
  Interaction interaction = visit("ann", "cafe", 10);
  CHECK(deltas_of(schema, {resolved(interaction)}).empty());
  interaction.type = kRate;
  CHECK(deltas_of(schema, {resolved(interaction)}).empty());
  interaction.value = 4;
  const auto deltas = deltas_of(schema, {resolved(interaction)});
  REQUIRE(deltas.size() == 1);
  CHECK(deltas[0].row.blocks[0].entries[0].value == Value{.count = 1, .micros = 1'500'000, .newest_ms = 10});
}

TEST_CASE("weights are rounded to millionths and stop at the end of their range") {
  const Schema schema = schema_of({{.name = "v", .aggregate = Aggregate::kSum, .events = {{"rate", "value"}}}});
  const auto micros = [&](double value) {
    Interaction interaction = visit("ann", "cafe", 10);
    interaction.type = kRate;
    interaction.value = value;
    return deltas_of(schema, {resolved(interaction)})[0].row.blocks[0].entries[0].value.micros;
  };
  CHECK(micros(0.0000014) == 1);
  CHECK(micros(0.0000015) == 2);
  CHECK(micros(-0.0000015) == -2);
  CHECK(micros(0.1) == 100'000);
  CHECK(micros(1e300) == std::numeric_limits<std::int64_t>::max());
  CHECK(micros(-1e300) == std::numeric_limits<std::int64_t>::min());
}

TEST_CASE("a decayed weight is scaled by its distance from the epoch in half-lives") {
  const Schema schema = schema_of({{.name = "v", .aggregate = Aggregate::kDecayedSum, .half_life = hours(10)}});
  const Interaction interaction = visit("ann", "cafe", 30 * kHourMs);
  const auto deltas = deltas_of(schema, {resolved(interaction)});
  const Value expected{.count = 1, .mantissa = 0.5, .exponent = 4, .newest_ms = 30 * kHourMs};  // 1 * 2^3
  CHECK(deltas[0].row.blocks[0].entries[0].value == expected);
}

TEST_CASE("repeats and disorder inside a batch end as one sorted entry each") {
  const Schema schema = schema_of({{.name = "v", .dimension = Dimension::kHour}});
  std::vector<Interaction> interactions;
  for (int i = 0; i < 1'000; ++i) interactions.push_back(visit("ann", "cafe", (i * 37 % 100) * kHourMs + i));
  std::vector<ResolvedEvent> events;
  for (const Interaction& interaction : interactions) events.push_back(resolved(interaction));
  const auto deltas = deltas_of(schema, events);
  REQUIRE(deltas.size() == 1);
  const std::vector<Entry>& entries = deltas[0].row.blocks[0].entries;
  REQUIRE(entries.size() == 100);
  for (std::uint64_t hour = 0; hour < 100; ++hour) {
    CHECK(entries[hour].dimension == hour);
    CHECK(entries[hour].value.count == 10);
  }
}

TEST_CASE("a delta holds no more entries than its view keeps") {
  const Schema schema =
      schema_of({{.name = "v", .dimension = Dimension::kHour, .max_entries = 2},
                 {.name = "s", .dimension = Dimension::kPlace, .aggregate = Aggregate::kSequence, .max_entries = 3}});
  std::vector<Interaction> interactions;
  for (int i = 0; i < 50; ++i) interactions.push_back(visit("ann", "cafe", (i * 7 % 50) * kHourMs));
  std::vector<ResolvedEvent> events;
  for (const Interaction& interaction : interactions) events.push_back(resolved(interaction));
  const auto deltas = deltas_of(schema, events);
  CHECK(dimensions(deltas[0], 1) == std::vector<std::uint64_t>{48, 49});
  REQUIRE(deltas[0].row.find(2)->entries.size() == 3);
  CHECK(deltas[0].row.find(2)->entries[0].value.newest_ms == 47 * kHourMs);
}

TEST_CASE("an entity with very many entries is added up like one with few") {
  const Schema schema = schema_of({{.name = "by_hour", .dimension = Dimension::kHour, .max_entries = 65'536},
                                   {.name = "all"},
                                   {.name = "events", .dimension = Dimension::kPlace, .aggregate = Aggregate::kSequence,
                                    .max_entries = 100}});
  constexpr int kHours = 3'000;
  std::vector<Interaction> interactions;
  for (int i = 0; i < 4 * kHours; ++i) interactions.push_back(visit("ann", "cafe", (i * 7 % kHours) * kHourMs + i));
  std::vector<ResolvedEvent> events;
  for (const Interaction& interaction : interactions) events.push_back(resolved(interaction));
  const auto deltas = deltas_of(schema, events);
  REQUIRE(deltas.size() == 1);
  const std::vector<Entry>& by_hour = deltas[0].row.find(1)->entries;
  REQUIRE(by_hour.size() == kHours);
  for (int hour = 0; hour < kHours; ++hour) {
    CHECK(by_hour[static_cast<std::size_t>(hour)].dimension == static_cast<std::uint64_t>(hour));
    CHECK(by_hour[static_cast<std::size_t>(hour)].value.count == 4);
  }
  CHECK(deltas[0].row.find(2)->entries[0].value.count == 4 * kHours);
  // The hundred newest: four in each of the last twenty-five hours, since i < 12,000 ms lies within an hour.
  const std::vector<Entry>& kept = deltas[0].row.find(3)->entries;
  REQUIRE(kept.size() == 100);
  for (std::size_t i = 0; i < kept.size(); ++i) {
    CHECK(kept[i].value.newest_ms / kHourMs == kHours - 25 + static_cast<std::int64_t>(i) / 4);
  }
}

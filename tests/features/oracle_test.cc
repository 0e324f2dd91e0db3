#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "features/geohash.h"
#include "features/read.h"
#include "features/row.h"
#include "features/schema.h"
#include "tests/features/delta_accumulator.h"

// Random views over random events, once through deltas, encodings and merges in random groups and order, and once
// through a map that holds every event: both must hold the same values.

using namespace cairn;
using namespace cairn::features;

namespace {

constexpr std::int64_t kNewestMs = 1'717'200'000'000;  // 2024-06-01
constexpr std::int64_t kSpanMs = 400LL * 86'400'000;

// A weight as text for the schema, and the same by hand for the oracle.
struct Weight {
  const char* text;
  bool needs_value;
  double (*by_hand)(double value);
};
const std::vector<Weight> kWeights = {
    {"1", false, [](double) { return 1.0; }},
    {"3", false, [](double) { return 3.0; }},
    {"value - 2.5", true, [](double v) { return v - 2.5; }},
    {"min(value / 600, 3)", true, [](double v) { return std::min(v / 600, 3.0); }},
    {"-log1p(abs(value))", true, [](double v) { return -std::log1p(std::abs(v)); }},
};

struct Event {
  Interaction interaction;
  std::uint64_t place = 0;
  std::optional<std::uint64_t> category;
  std::optional<GeoPoint> place_position;
};

struct OracleView {
  FeatureViewSpec spec;
  std::map<std::uint8_t, const Weight*> weights;
};

struct OracleEvent {
  std::int64_t ms;
  std::uint64_t dimension;
  double weight;
  [[nodiscard]] std::int64_t micros() const { return std::llround(weight * 1e6); }
};

using OracleEntity = std::map<std::string, std::vector<OracleEvent>>;  // by view

class World {
 public:
  explicit World(std::uint64_t seed) : random_(seed) {
    make_views();
    make_events();
  }

  std::vector<OracleView> views;
  std::vector<Event> events;

  std::uint64_t below(std::uint64_t n) { return random_() % n; }
  std::mt19937_64& random() { return random_; }

 private:
  void make_views() {
    const std::uint64_t count = 4 + below(10);
    for (std::uint64_t i = 0; i < count; ++i) views.push_back(make_view(static_cast<int>(i)));
  }

  OracleView make_view(int number) {
    OracleView view;
    FeatureViewSpec& spec = view.spec;
    spec.name = "view_" + std::to_string(number);
    spec.entity = static_cast<EntityKind>(1 + below(3));
    spec.aggregate = static_cast<Aggregate>(1 + below(8));
    const bool sequence = spec.aggregate == Aggregate::kSequence;
    spec.dimension = static_cast<Dimension>(sequence ? 1 + below(6) : below(7));
    spec.cell_precision = static_cast<int>(1 + below(7));
    spec.max_entries = sequence ? static_cast<std::uint32_t>(1 + below(8)) : 65'536;
    if (spec.aggregate == Aggregate::kDecayedSum) spec.half_life = std::chrono::seconds(1 + below(90 * 86'400));
    choose_weights(&view);
    return view;
  }

  void choose_weights(OracleView* view) {
    for (std::uint8_t type = 0; type < 6; ++type) {
      if (below(3) == 0) continue;
      const Weight& weight = kWeights[below(kWeights.size())];
      view->weights[type] = &weight;
      view->spec.events.push_back({std::string(InteractionTypes::kBuiltIn[type]), weight.text});
    }
    if (!view->spec.events.empty()) return;
    for (std::uint8_t type = 0; type < 6; ++type) view->weights[type] = &kWeights[0];
  }

  GeoPoint position() {
    std::uniform_real_distribution<double> lat(40.0, 41.0);
    std::uniform_real_distribution<double> lon(-74.5, -73.5);
    return {lat(random_), lon(random_)};
  }

  void make_events() {
    std::vector<Event> places(12);
    for (std::uint64_t place = 0; place < places.size(); ++place) {
      places[place].place = place * 3;
      places[place].interaction.place = PlaceId("place-" + std::to_string(place));
      if (below(4) != 0) places[place].category = below(3);
      if (below(4) != 0) places[place].place_position = position();
    }
    const std::uint64_t count = 200 + below(600);
    for (std::uint64_t i = 0; i < count; ++i) events.push_back(make_event(places[below(places.size())]));
  }

  Event make_event(const Event& place) {
    Event event = place;
    Interaction& interaction = event.interaction;
    interaction.user = UserId("user-" + std::to_string(below(6)));
    interaction.type = TypeIndex{static_cast<std::uint8_t>(below(6))};
    const std::uint64_t step = below(2) == 0 ? 1 : 7'200'000;  // coarse steps make equal times
    interaction.time = event_time_from_ms(kNewestMs - static_cast<std::int64_t>(below(kSpanMs / step) * step));
    if (below(10) == 0) interaction.time = event_time_from_ms(-static_cast<std::int64_t>(below(kSpanMs)));
    if (below(4) != 0) interaction.value = static_cast<double>(below(2'000)) / 7.0;
    if (below(3) != 0) interaction.position = position();
    return event;
  }

  std::mt19937_64 random_;
};

// ---- the oracle ---------------------------------------------------------------------------------------------------

std::optional<GeoPoint> position_of(const Event& event) {
  return event.place_position ? event.place_position : event.interaction.position;
}

std::optional<std::uint64_t> oracle_dimension(const FeatureViewSpec& spec, const Event& event) {
  const std::int64_t ms = to_ms(event.interaction.time);
  const auto day = std::chrono::floor<std::chrono::days>(event.interaction.time);
  const auto hour = std::chrono::floor<std::chrono::hours>(event.interaction.time - day).count();
  switch (spec.dimension) {
    case Dimension::kNone:
      return 0;
    case Dimension::kPlace:
      return event.place;
    case Dimension::kCategory:
      return event.category;
    case Dimension::kCell:
      if (!position_of(event)) return std::nullopt;
      return geohash_bits(*position_of(event), spec.cell_precision);
    case Dimension::kHourOfWeek:
      return (std::chrono::weekday(day).iso_encoding() - 1) * 24 + static_cast<std::uint64_t>(hour);
    case Dimension::kType:
      return event.interaction.type.value;
    case Dimension::kHour:
      if (ms < 0) return std::nullopt;
      return static_cast<std::uint64_t>(ms / 3'600'000);
  }
  return std::nullopt;
}

std::optional<std::string> oracle_key(const FeatureViewSpec& spec, const Event& event) {
  if (spec.entity == EntityKind::kUser) return std::string("\x01").append(event.interaction.user.str());
  if (spec.entity == EntityKind::kPlace) return std::string("\x02").append(event.interaction.place.str());
  if (!position_of(event)) return std::nullopt;
  const std::uint64_t cell = geohash_bits(*position_of(event), spec.cell_precision);
  return std::string("\x03").append(geohash_text(cell, spec.cell_precision));
}

std::map<std::string, OracleEntity> oracle_of(const World& world) {
  std::map<std::string, OracleEntity> entities;
  for (const Event& event : world.events) {
    for (const OracleView& view : world.views) {
      const auto weight = view.weights.find(event.interaction.type.value);
      const auto key = oracle_key(view.spec, event);
      const auto dimension = oracle_dimension(view.spec, event);
      if (weight == view.weights.end() || !key || !dimension) continue;
      if (weight->second->needs_value && !event.interaction.value) continue;
      const double weighed = weight->second->by_hand(event.interaction.value.value_or(0));
      entities[*key][view.spec.name].push_back({to_ms(event.interaction.time), *dimension, weighed});
    }
  }
  return entities;
}

// ---- the module ---------------------------------------------------------------------------------------------------

using Operands = std::map<std::string, std::vector<std::string>>;

Operands operands_of(World& world, const Schema& schema) {
  std::shuffle(world.events.begin(), world.events.end(), world.random());
  Operands operands;
  DeltaAccumulator accumulator(schema);
  const auto write = [&] {
    for (const EntityDelta& delta : accumulator.take()) {
      encode_row(delta.row, &operands[delta.key].emplace_back());
    }
  };
  const std::uint64_t batch = 1 + world.below(60);
  for (const Event& event : world.events) {
    accumulator.add({.interaction = &event.interaction,
                     .place = event.place,
                     .category = event.category,
                     .cell = cell_of(event.place_position, event.interaction.position)});
    if (world.below(batch) == 0) write();
  }
  write();
  return operands;
}

// Merges random runs of neighbours until one row is left, as a store may; the first of a run is now and then the base.
Row merged_at_random(World& world, std::vector<std::string> operands) {
  while (operands.size() > 1) {
    const std::size_t begin = world.below(operands.size() - 1);
    const std::size_t length = 2 + world.below(operands.size() - begin - 1);
    std::vector<std::string_view> run(operands.begin() + static_cast<std::ptrdiff_t>(begin),
                                      operands.begin() + static_cast<std::ptrdiff_t>(begin + length));
    std::optional<std::string_view> base;
    if (world.below(2) == 0) {
      base = run.front();
      run.erase(run.begin());
    }
    std::string merged;
    REQUIRE(merge_encoded_rows(base, run, &merged) == 0);
    operands[begin] = std::move(merged);
    operands.erase(operands.begin() + static_cast<std::ptrdiff_t>(begin + 1),
                   operands.begin() + static_cast<std::ptrdiff_t>(begin + length));
  }
  Row row;
  REQUIRE(decode_row(operands[0], &row).ok());
  return row;
}

// ---- comparison ---------------------------------------------------------------------------------------------------

void check_decayed(const View& view, const Value& value, const std::vector<OracleEvent>& events) {
  const auto half_life_ms = static_cast<long double>(view.spec.half_life.count()) * 1000;
  std::int64_t newest = events.front().ms;
  for (const OracleEvent& event : events) newest = std::max(newest, event.ms);
  long double sum = 0;
  long double magnitude = 0;
  for (const OracleEvent& event : events) {
    const long double decay = std::exp2(static_cast<long double>(event.ms - newest) / half_life_ms);
    sum += event.weight * decay;
    magnitude += std::abs(event.weight) * decay;
  }
  const double got = value_at(view, value, event_time_from_ms(newest));
  CHECK(std::abs(static_cast<double>(got - sum)) <= static_cast<double>(1e-12L * magnitude));
}

std::int64_t oracle_micros(Aggregate aggregate, const std::vector<OracleEvent>& events) {
  std::int64_t micros = events.front().micros();
  std::int64_t newest = events.front().ms;
  for (std::size_t i = 1; i < events.size(); ++i) {
    const std::int64_t other = events[i].micros();
    const bool newer = events[i].ms > newest || (events[i].ms == newest && other > micros);
    if (aggregate == Aggregate::kSum || aggregate == Aggregate::kMean) micros += other;
    if (aggregate == Aggregate::kMin) micros = std::min(micros, other);
    if (aggregate == Aggregate::kMax) micros = std::max(micros, other);
    if (aggregate == Aggregate::kLast && newer) micros = other;
    newest = std::max(newest, events[i].ms);
  }
  return micros;
}

void check_value(const View& view, const Value& value, const std::vector<OracleEvent>& events) {
  CHECK(value.count == static_cast<std::int64_t>(events.size()));
  const auto by_time = [](const OracleEvent& a, const OracleEvent& b) { return a.ms < b.ms; };
  CHECK(value.newest_ms == std::max_element(events.begin(), events.end(), by_time)->ms);
  if (view.spec.aggregate == Aggregate::kDecayedSum) return check_decayed(view, value, events);
  if (view.spec.aggregate != Aggregate::kCount) CHECK(value.micros == oracle_micros(view.spec.aggregate, events));
}

void check_sequence(const View& view, const ViewBlock& block, const std::vector<OracleEvent>& events) {
  std::map<std::tuple<std::int64_t, std::uint64_t, std::int64_t>, std::int64_t> counts;
  for (const OracleEvent& event : events) ++counts[{event.ms, event.dimension, event.micros()}];
  while (counts.size() > view.spec.max_entries) counts.erase(counts.begin());
  REQUIRE(block.entries.size() == counts.size());
  auto expected = counts.begin();
  for (const Entry& entry : block.entries) {
    CHECK(std::make_tuple(entry.value.newest_ms, entry.dimension, entry.value.micros) == expected->first);
    CHECK(entry.value.count == expected->second);
    ++expected;
  }
}

void check_block(const View& view, const ViewBlock& block, const std::vector<OracleEvent>& events) {
  if (view.spec.aggregate == Aggregate::kSequence) return check_sequence(view, block, events);
  std::map<std::uint64_t, std::vector<OracleEvent>> by_dimension;
  for (const OracleEvent& event : events) by_dimension[event.dimension].push_back(event);
  REQUIRE(block.entries.size() == by_dimension.size());
  auto expected = by_dimension.begin();
  for (const Entry& entry : block.entries) {
    REQUIRE(entry.dimension == expected->first);
    check_value(view, entry.value, expected->second);
    ++expected;
  }
}

void check_world(std::uint64_t seed) {
  INFO("seed ", seed);
  World world(seed);
  std::vector<FeatureViewSpec> specs;
  for (const OracleView& view : world.views) specs.push_back(view.spec);
  ViewRegistry registry;
  const Result<Schema> schema = Schema::build(specs, InteractionTypes(), &registry);
  REQUIRE_MESSAGE(schema.ok(), schema.status().to_string());
  const std::map<std::string, OracleEntity> expected = oracle_of(world);
  const Operands operands = operands_of(world, *schema);
  REQUIRE(operands.size() == expected.size());
  for (const auto& [key, entity] : expected) {
    INFO("entity ", key);
    REQUIRE(operands.count(key) == 1);
    const Row row = merged_at_random(world, operands.at(key));
    REQUIRE(row.blocks.size() == entity.size());
    for (const auto& [name, events] : entity) {
      INFO("view ", name);
      const View* view = schema->find(name);
      const ViewBlock* block = row.find(view->id);
      REQUIRE(block != nullptr);
      check_block(*view, *block, events);
    }
  }
}

}  // namespace

TEST_CASE("any batching, order and grouping of events gives the values that a list of all events gives") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) check_world(seed);
}

TEST_CASE("a row does not depend on the order in which two encoded operands come") {
  const std::uint64_t seed = 1001;
  INFO("seed ", seed);
  World world(seed);
  std::vector<FeatureViewSpec> specs;
  for (const OracleView& view : world.views) specs.push_back(view.spec);
  ViewRegistry registry;
  const Result<Schema> schema = Schema::build(specs, InteractionTypes(), &registry);
  REQUIRE(schema.ok());
  for (const auto& [key, operands] : operands_of(world, *schema)) {
    for (std::size_t i = 1; i < operands.size(); ++i) {
      const std::vector<std::string_view> one = {operands[i - 1], operands[i]};
      const std::vector<std::string_view> other = {operands[i], operands[i - 1]};
      std::string a;
      std::string b;
      merge_encoded_rows(std::nullopt, one, &a);
      merge_encoded_rows(std::nullopt, other, &b);
      CHECK(a == b);
    }
  }
}

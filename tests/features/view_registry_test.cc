#include <doctest/doctest.h>

#include "features/schema.h"

using namespace cairn;
using namespace cairn::features;
using std::chrono::hours;
using std::chrono::seconds;

namespace {

FeatureViewSpec affinity() {
  return {.name = "affinity",
          .entity = EntityKind::kUser,
          .dimension = Dimension::kPlace,
          .aggregate = Aggregate::kDecayedSum,
          .half_life = hours(24),
          .events = {{"visit", "1"}, {"rate", "value - 2.5"}}};
}

template <class Change>
bool keeps_id(Change change) {
  ViewRegistry registry;
  const std::uint32_t before = registry.id_of(affinity());
  FeatureViewSpec changed = affinity();
  change(changed);
  return registry.id_of(changed) == before;
}

}  // namespace

TEST_CASE("a definition has one id for ever, and ids start at 1") {
  ViewRegistry registry;
  CHECK(registry.id_of(affinity()) == 1);
  CHECK(registry.id_of({.name = "other"}) == 2);
  CHECK(registry.id_of(affinity()) == 1);
}

TEST_CASE("what changes the meaning of stored values changes the id") {
  CHECK_FALSE(keeps_id([](FeatureViewSpec& spec) { spec.name = "affinity2"; }));
  CHECK_FALSE(keeps_id([](FeatureViewSpec& spec) { spec.entity = EntityKind::kPlace; }));
  CHECK_FALSE(keeps_id([](FeatureViewSpec& spec) { spec.dimension = Dimension::kCategory; }));
  CHECK_FALSE(keeps_id([](FeatureViewSpec& spec) { spec.aggregate = Aggregate::kSum; }));
  CHECK_FALSE(keeps_id([](FeatureViewSpec& spec) { spec.half_life = hours(48); }));
  CHECK_FALSE(keeps_id([](FeatureViewSpec& spec) { spec.events[0].expression = "2"; }));
  CHECK_FALSE(keeps_id([](FeatureViewSpec& spec) { spec.events[0].type = "view"; }));
  CHECK_FALSE(keeps_id([](FeatureViewSpec& spec) { spec.events.pop_back(); }));
  CHECK_FALSE(keeps_id([](FeatureViewSpec& spec) { spec.events.clear(); }));
}

TEST_CASE("what does not change their meaning keeps the id") {
  CHECK(keeps_id([](FeatureViewSpec& spec) { spec.ttl = seconds(5); }));
  CHECK(keeps_id([](FeatureViewSpec& spec) { spec.max_entries = 7; }));
  CHECK(keeps_id([](FeatureViewSpec& spec) { spec.cell_precision = 9; }));  // no cell in it
  CHECK(keeps_id([](FeatureViewSpec& spec) { std::swap(spec.events[0], spec.events[1]); }));
  CHECK(keeps_id([](FeatureViewSpec& spec) { spec.events[1].expression = " value-2.5 "; }));
}

TEST_CASE("the precision of cells is part of the definition where there are cells") {
  ViewRegistry registry;
  FeatureViewSpec spec{.name = "cells", .entity = EntityKind::kCell, .cell_precision = 5};
  const std::uint32_t before = registry.id_of(spec);
  spec.cell_precision = 6;
  CHECK(registry.id_of(spec) != before);
}

TEST_CASE("a registry comes back as it was and goes on counting") {
  ViewRegistry registry;
  registry.id_of(affinity());
  registry.id_of({.name = "other"});
  Result<ViewRegistry> back = ViewRegistry::decode(registry.encode());
  REQUIRE(back.ok());
  CHECK(*back == registry);
  CHECK(back->id_of(affinity()) == 1);
  CHECK(back->id_of({.name = "third"}) == 3);
  CHECK(ViewRegistry::decode(ViewRegistry().encode())->encode() == ViewRegistry().encode());
}

TEST_CASE("a damaged registry is refused") {
  std::string bytes = ViewRegistry().encode();
  bytes[0] ^= 1;
  CHECK(ViewRegistry::decode(bytes).status().code() == StatusCode::kDataLoss);
  CHECK(ViewRegistry::decode("").status().code() == StatusCode::kDataLoss);
}

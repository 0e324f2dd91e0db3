// An event that was retracted is as if it had never come: whatever came first, however often, and whatever was stored
// or lost in between.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "engine/state/feature_state.h"
#include "engine/state/keys.h"
#include "features/decay.h"
#include "features/row.h"
#include "tests/engine/state/restarted_state.h"
#include "tests/engine/state/told_events.h"

namespace {

using namespace cairn;
using state::FeatureState;
using state::test::event_of;
using state::test::retraction;
using state::test::visit;

constexpr std::int64_t kHour = 3'600'000;

/// Every aggregate of every kind of entity, over dimensions of which several events share entries.
std::vector<FeatureViewSpec> all_views() {
  std::vector<FeatureViewSpec> views;
  const std::pair<EntityKind, Dimension> kinds[] = {
      {EntityKind::kUser, Dimension::kPlace},    {EntityKind::kUser, Dimension::kCategory},
      {EntityKind::kUser, Dimension::kNone},     {EntityKind::kPlace, Dimension::kHour},
      {EntityKind::kPlace, Dimension::kType},    {EntityKind::kCell, Dimension::kHourOfWeek},
      {EntityKind::kCell, Dimension::kCategory},
  };
  for (const auto& [entity, dimension] : kinds) {
    for (int aggregate = 1; aggregate <= 8; ++aggregate) {
      const auto is = static_cast<Aggregate>(aggregate);
      if (is == Aggregate::kSequence && dimension == Dimension::kNone) continue;  // has nothing to record
      views.push_back({.name = "v" + std::to_string(views.size()),
                       .entity = entity,
                       .dimension = dimension,
                       .aggregate = is,
                       .half_life = std::chrono::hours(is == Aggregate::kDecayedSum ? 24 : 0),
                       .events = is == Aggregate::kCount
                                     ? std::vector<EventWeight>{}
                                     : std::vector<EventWeight>{{"visit", "1"}, {"rate", "value - 2.5"}}});
    }
  }
  return views;
}

struct Fixture : state::test::RestartedState {
  Fixture() : RestartedState(all_views()) {
    REQUIRE(state->catalog()
                .upsert(std::vector<Place>{{PlaceId("p0"), "", {40.7, -74.0}, "Cafe"},
                                           {PlaceId("p1"), "", {40.7, -74.0}, "Bar"},
                                           {PlaceId("p2"), "", {50.7, 7.0}, "Cafe"},
                                           {PlaceId("p3"), "", {50.7, 7.0}, ""}})
                .ok());
  }
  Status apply(const std::vector<Interaction>& interactions, std::int64_t offset) {
    const std::vector<SourcePosition> positions{{Partition{0}, Offset{offset}, ""}};
    return state->apply({"test", interactions, positions, 0});
  }
  features::Row row(EntityKind kind, const std::string& id) const {
    const auto found = state->row(kind, id);
    REQUIRE_MESSAGE(found.ok(), found.status().to_string());
    return found->row ? *found->row : features::Row();
  }
  std::int64_t durable_offset() const {
    const auto marks = state->durable_watermarks();
    return marks.empty() ? 0 : marks[0].position.offset.value;
  }
  EngineStatus status() const {
    EngineStatus status;
    state->describe(&status);
    return status;
  }
};

using Entities = std::vector<std::pair<EntityKind, std::string>>;

Entities entities() {
  Entities all;
  for (int i = 0; i < 4; ++i) all.emplace_back(EntityKind::kUser, "u" + std::to_string(i));
  for (int i = 0; i < 5; ++i) all.emplace_back(EntityKind::kPlace, "p" + std::to_string(i));
  for (const char* cell : {"dr5rs1", "u1hbrm"}) all.emplace_back(EntityKind::kCell, cell);
  return all;
}

/// Whether two states say the same. `bounds`: newest times, minima, maxima and last values may still be those of
/// before.
void check_same(const Fixture& got, const Fixture& wanted, bool bounds) {
  for (const auto& [kind, id] : entities()) {
    const features::Row a = got.row(kind, id);
    const features::Row b = wanted.row(kind, id);
    CAPTURE(id);
    REQUIRE(a.blocks.size() == b.blocks.size());
    for (std::size_t i = 0; i < a.blocks.size(); ++i) {
      const features::ViewBlock& x = a.blocks[i];
      const features::ViewBlock& y = b.blocks[i];
      CAPTURE(x.view);
      REQUIRE(x.view == y.view);
      REQUIRE(x.entries.size() == y.entries.size());
      for (std::size_t j = 0; j < x.entries.size(); ++j) {
        CHECK(x.entries[j].dimension == y.entries[j].dimension);
        const features::Value& v = x.entries[j].value;
        const features::Value& w = y.entries[j].value;
        CHECK(v.count == w.count);
        if (bounds) {
          CHECK(v.newest_ms >= w.newest_ms);
        } else {
          CHECK(v.newest_ms == w.newest_ms);
        }
        switch (x.aggregate) {
          case Aggregate::kDecayedSum: {
            // Off by rounding: sums were larger once, by what was retracted.
            const double scale = std::ldexp(1.0, static_cast<int>(v.exponent - w.exponent));
            if (w.mantissa == 0.0) {  // of events that weigh nothing
              const features::DecayTime at_newest = features::decay_time(w.newest_ms, x.half_life_ms);
              CHECK(std::abs(features::value_at({v.mantissa, v.exponent}, at_newest)) <= 1e-9);
            } else {
              CHECK(v.mantissa * scale == doctest::Approx(w.mantissa).epsilon(1e-9));
            }
            break;
          }
          case Aggregate::kMin:
            CHECK((bounds ? v.micros <= w.micros : v.micros == w.micros));
            break;
          case Aggregate::kMax:
            CHECK((bounds ? v.micros >= w.micros : v.micros == w.micros));
            break;
          case Aggregate::kLast:
            if (!bounds) CHECK(v.micros == w.micros);
            break;
          default:
            CHECK(v.micros == w.micros);
        }
      }
    }
  }
}

TEST_CASE("a retracted event counts in no view, and nothing is left of what it alone had made") {
  Fixture f;
  REQUIRE(f.apply({visit("p0", kHour, "a")}, 1).ok());
  SUBCASE("while it is pending") {}
  SUBCASE("when it is stored") { REQUIRE(f.state->flush().ok()); }
  SUBCASE("after a restart") { f.close_and_open(); }
  REQUIRE(f.apply({retraction(visit("p0", kHour, "a"))}, 2).ok());
  for (int round = 0; round < 3; ++round) {
    CHECK(f.row(EntityKind::kUser, "u").blocks.empty());
    CHECK(f.row(EntityKind::kPlace, "p0").blocks.empty());
    CHECK(f.row(EntityKind::kCell, "dr5rs1").blocks.empty());
    CHECK(f.status().events_retracted == 1);
    CHECK(f.status().values_inexact == 0);
    if (round == 0) REQUIRE(f.state->flush().ok());
    if (round == 1) f.close_and_open();
  }
}

TEST_CASE("an event that comes after its retraction does not count, also after a restart") {
  Fixture f;
  REQUIRE(f.apply({retraction(visit("p0", kHour, "a"))}, 1).ok());
  CHECK(f.status().retractions_unmatched == 1);
  SUBCASE("") {}
  SUBCASE("after a restart") { f.close_and_open(); }
  REQUIRE(f.apply({visit("p0", kHour, "a"), visit("p0", 2 * kHour, "b")}, 2).ok());
  CHECK(f.row(EntityKind::kUser, "u").blocks.at(0).entries.at(0).value.count == 1);
  CHECK(f.status().events_withheld == 1);
  CHECK(f.status().events_retracted == 0);
  CHECK(f.status().events_applied == 1);
}

TEST_CASE("a retraction that comes again, and an event that comes again after it, change nothing") {
  Fixture f;
  const Interaction a = visit("p0", kHour, "a");
  REQUIRE(f.apply({a, visit("p0", 2 * kHour, "b"), retraction(a), retraction(a), a}, 1).ok());
  REQUIRE(f.apply({retraction(a), a}, 2).ok());
  CHECK(f.row(EntityKind::kUser, "u").blocks.at(0).entries.at(0).value.count == 1);
  CHECK(f.status().events_repeated == 4);
}

TEST_CASE("what a view of a definition that is gone has counted stays, but for the event that is taken out") {
  Fixture f;
  REQUIRE(f.apply({visit("p0", kHour, "a"), visit("p0", 2 * kHour, "b")}, 1).ok());
  const auto views = f.options.views;
  const auto before = f.row(EntityKind::kUser, "u").blocks.size();
  f.options.views.erase(f.options.views.begin());  // v0 counts visits of a user by place
  f.close_and_open();
  REQUIRE(f.apply({retraction(visit("p0", kHour, "a"))}, 2).ok());
  CHECK(f.row(EntityKind::kUser, "u").blocks.size() == before);
  f.options.views = views;
  f.close_and_open();
  CHECK(f.row(EntityKind::kUser, "u").blocks.size() == before);
  CHECK(f.row(EntityKind::kUser, "u").blocks.at(0).entries.at(0).value.count == 1);
}

TEST_CASE("what cannot be read leaves the batch unapplied, and a row that makes no sense is passed over") {
  Fixture f;
  f.options.row_cache_bytes = 0;
  f.close_and_open();
  REQUIRE(f.apply({visit("p0", kHour, "a")}, 1).ok());
  f.close_and_open();
  storage::WriteBatch damage;
  std::string key;
  state::append_user_key("u", &key);
  damage.put(storage::Family::kState, key, "nonsense");
  REQUIRE(f.store->write(std::move(damage), storage::Durability::kSynced).ok());
  f.close_and_open();
  REQUIRE(f.apply({retraction(visit("p0", kHour, "a"))}, 2).ok());
  CHECK(f.row(EntityKind::kPlace, "p0").blocks.empty());
  CHECK(f.status().retracted_values_lost > 0);
  CHECK(f.state->row(EntityKind::kUser, "u").status().code() == StatusCode::kDataLoss);
}

TEST_CASE(
    "a newest time, a minimum and a maximum that a retracted event had made are told as inexact until a history mends "
    "them") {
  Fixture f;
  const Interaction low = event_of("u", "p0", "rate", 1 * kHour, 1.0, "low");
  const Interaction middle = event_of("u", "p0", "rate", 2 * kHour, 3.0, "middle");
  const Interaction high = event_of("u", "p0", "rate", 3 * kHour, 5.0, "high");
  REQUIRE(f.apply({low, middle, high}, 1).ok());
  SUBCASE("the middle one made none of them") {
    REQUIRE(f.apply({retraction(middle)}, 2).ok());
    CHECK(f.status().values_inexact == 0);
  }
  SUBCASE("the newest") {
    REQUIRE(f.apply({retraction(high)}, 2).ok());
    CHECK(f.status().values_inexact > 0);
    f.close_and_open();
    CHECK(f.status().values_inexact > 0);
    SUBCASE("a history that lacks an event mends nothing") {
      FeatureState::History history(*f.state, f.state->inexact_rows());
      history.add(std::vector<Interaction>{low});
      const auto before = f.status().values_inexact;
      REQUIRE(f.state->mend(history).ok());
      CHECK(f.status().values_inexact == before);
    }
    SUBCASE("a history that lacks an event, and has yet the one that was retracted") {
      FeatureState::History history(*f.state, f.state->inexact_rows());
      history.add(std::vector<Interaction>{low, high});
      const auto before = f.status().values_inexact;
      REQUIRE(f.state->mend(history).ok());
      CHECK(f.status().values_inexact == before);
    }
    SUBCASE("the whole history") {
      FeatureState::History history(*f.state, f.state->inexact_rows());
      history.add(std::vector<Interaction>{middle, low});
      REQUIRE(f.state->mend(history).ok());
      for (int round = 0; round < 2; ++round) {
        CHECK(f.status().values_inexact == 0);
        for (const auto& block : f.row(EntityKind::kUser, "u").blocks) {
          for (const auto& entry : block.entries) CHECK(entry.value.newest_ms <= 2 * kHour);
          if (block.aggregate == Aggregate::kMax) CHECK(block.entries.at(0).value.micros == 500'000);
        }
        f.close_and_open();
      }
    }
  }
}

TEST_CASE("who is erased has no notes of inexact values left") {
  Fixture f;
  REQUIRE(
      f.apply({visit("p0", kHour, "a"), visit("p0", 2 * kHour, "b"), retraction(visit("p0", 2 * kHour, "b"))}, 1).ok());
  REQUIRE(f.state->flush().ok());
  REQUIRE(f.state->erase_user(UserId("u"), event_time_from_ms(9 * kHour)).ok());
  for (const auto& [key, entries] : f.state->inexact_rows()) CHECK(state::kind_of_key(key) != EntityKind::kUser);
  REQUIRE(f.store
              ->scan(storage::Family::kMeta, "inexact/\1",
                     [](std::string_view, std::string_view) {
                       FAIL("a note of the user");
                       return true;
                     })
              .ok());
}

TEST_CASE("an event of a place that was not known is taken out of where it waits, or of where it has gone since") {
  const Interaction stays = event_of("u0", "p4", "rate", 2 * kHour, 4.0, "stays");
  const Interaction goes = event_of("u0", "p4", "rate", kHour, 3.0, "goes");
  const std::vector<Place> place{{PlaceId("p4"), "", {40.7, -74.0}, "Cafe"}};
  Fixture f;
  Fixture wanted;
  REQUIRE(f.apply({stays, goes}, 1).ok());
  REQUIRE(wanted.apply({stays}, 1).ok());
  SUBCASE("pending") {}
  SUBCASE("stored") { f.close_and_open(); }
  SUBCASE("the place has come") { REQUIRE(f.state->upsert_places(place).ok()); }
  SUBCASE("the place has come, and all is stored") {
    REQUIRE(f.state->upsert_places(place).ok());
    f.close_and_open();
  }
  REQUIRE(f.apply({retraction(goes)}, 2).ok());
  REQUIRE(f.state->upsert_places(place).ok());
  REQUIRE(wanted.state->upsert_places(place).ok());
  CHECK(f.status().retracted_values_lost == 0);
  for (int round = 0; round < 2; ++round) {
    check_same(f, wanted, f.status().values_inexact > 0);
    f.close_and_open();
  }
}

// ---- histories ----------------------------------------------------------------------------------------------------

struct Story {
  std::vector<Interaction> stream;  ///< as it comes: in any order, with repeats
  std::vector<Interaction> net;     ///< what counts in the end
};

Story random_story(std::mt19937_64& random) {
  Story story;
  const std::size_t events = 1 + random() % 60;
  for (std::size_t i = 0; i < events; ++i) {
    const bool rate = random() % 2 == 0;
    const Interaction event =
        event_of("u" + std::to_string(random() % 4), "p" + std::to_string(random() % 4), rate ? "rate" : "visit",
                 static_cast<std::int64_t>(random() % (200 * 60)) * 60'000,
                 rate ? std::optional(static_cast<double>(random() % 11) / 2) : std::nullopt, "e" + std::to_string(i));
    const bool retracted = random() % 3 == 0;
    const bool never_comes = retracted && random() % 8 == 0;
    if (!never_comes) story.stream.insert(story.stream.end(), 1 + random() % 2, event);
    if (retracted) story.stream.insert(story.stream.end(), 1 + random() % 2, retraction(event));
    if (!retracted) story.net.push_back(event);
  }
  // Nearly in order, or in any.
  if (random() % 2 == 0) std::shuffle(story.stream.begin(), story.stream.end(), random);
  return story;
}

/// Hands a story over in batches of any size, with flushes, restarts and crashes between and after them.
void tell(const Story& story, std::mt19937_64& random, Fixture* f) {
  std::size_t at = 0;
  while (at < story.stream.size()) {
    const std::size_t size = std::min<std::size_t>(1 + random() % 12, story.stream.size() - at);
    const auto first = story.stream.begin() + static_cast<std::ptrdiff_t>(at);
    at += size;
    REQUIRE(f->apply({first, first + static_cast<std::ptrdiff_t>(size)}, static_cast<std::int64_t>(at)).ok());
    switch (random() % 8) {
      case 0:
        REQUIRE(f->state->flush().ok());
        break;
      case 1:
        f->close_and_open();
        break;
      case 2:
        f->crash_and_open();
        at = static_cast<std::size_t>(f->durable_offset());
        break;
      default:
        break;
    }
  }
}

TEST_CASE("a history with retractions ends as the history without the events, in every aggregate") {
  const char* given = std::getenv("CAIRN_TEST_SEED");
  const std::uint64_t seed = given != nullptr ? std::stoull(given) : 20'261'127;
  for (std::uint64_t round = 0; round < 150; ++round) {
    CAPTURE(seed);
    CAPTURE(round);
    std::mt19937_64 random(seed + round);
    const Story story = random_story(random);
    Fixture f;
    if (random() % 4 == 0) f.options.row_cache_bytes = 0;
    tell(story, random, &f);
    Fixture wanted;
    REQUIRE(wanted.apply(story.net, 1).ok());
    check_same(f, wanted, f.status().values_inexact > 0);
    CHECK(f.status().retracted_values_lost == 0);
    // All that is left to do is done with the events that are left.
    FeatureState::History history(*f.state, f.state->inexact_rows());
    history.add(story.net);
    REQUIRE(f.state->mend(history).ok());
    CHECK(f.status().values_inexact == 0);
    check_same(f, wanted, false);
    f.close_and_open();
    check_same(f, wanted, false);
  }
}

// ---- places that change ------------------------------------------------------------------------------------------

Place place_of(const std::string& id, const char* category, bool moved) {
  return {PlaceId(id), "", moved ? GeoPoint{50.7, 7.0} : GeoPoint{40.7, -74.0}, category};
}

/// The events of an entity that a counting view has under a category, or in all.
std::int64_t counted(const Fixture& f, EntityKind kind, const std::string& id, Dimension dimension,
                     const std::string& category = "") {
  std::int64_t events = 0;
  const features::Row row = f.row(kind, id);
  for (const features::View& view : f.state->schema().views()) {
    if (view.spec.entity != kind || view.spec.dimension != dimension) continue;
    if (view.spec.aggregate != Aggregate::kCount) continue;
    const features::ViewBlock* const block = row.find(view.id);
    if (block == nullptr) continue;
    for (const features::Entry& entry : block->entries) {
      if (category.empty() || entry.dimension == f.state->catalog().category_named(category)) {
        events += entry.value.count;
      }
    }
  }
  return events;
}

TEST_CASE("what is taken out is taken from the category and the cell where it was counted") {
  Fixture f;
  const Interaction early = visit("p0", kHour, "early");
  const Interaction late = visit("p0", 2 * kHour, "late");
  REQUIRE(f.apply({early, visit("p0", kHour + 1, "early stays")}, 1).ok());
  SUBCASE("stored and read again") { f.close_and_open(); }
  SUBCASE("pending") {}
  REQUIRE(f.state->upsert_places(std::vector<Place>{place_of("p0", "Museum", true)}).ok());
  REQUIRE(f.apply({late, visit("p0", 2 * kHour + 1, "late stays")}, 2).ok());
  REQUIRE(f.state->catalog().rename_category("Cafe", "Coffee", CategoryTarget::kNewName).ok());
  const auto now = [&] {
    return std::vector<std::int64_t>{counted(f, EntityKind::kUser, "u", Dimension::kCategory, "Coffee"),
                                     counted(f, EntityKind::kUser, "u", Dimension::kCategory, "Museum"),
                                     counted(f, EntityKind::kCell, "dr5rs1", Dimension::kHourOfWeek),
                                     counted(f, EntityKind::kCell, "u1hbrm", Dimension::kHourOfWeek)};
  };
  const std::vector<std::int64_t> all{2, 2, 2, 2};
  CHECK(now() == all);
  REQUIRE(f.apply({retraction(early)}, 3).ok());
  const std::vector<std::int64_t> without_early{1, 2, 1, 2};
  CHECK(now() == without_early);
  f.close_and_open();
  REQUIRE(f.apply({retraction(late)}, 4).ok());
  const std::vector<std::int64_t> without_both{1, 1, 1, 1};
  CHECK(now() == without_both);
  CHECK(f.status().retracted_values_lost == 0);
}

TEST_CASE("an event with a position of its own is taken out of that cell, also when its place has come since") {
  Fixture f;
  Interaction away = visit("p4", kHour, "away");
  away.position = GeoPoint{50.7, 7.0};
  REQUIRE(f.apply({away}, 1).ok());
  REQUIRE(f.state->upsert_places(std::vector<Place>{place_of("p4", "Cafe", false)}).ok());
  REQUIRE(f.apply({visit("p4", 2 * kHour, "stays")}, 2).ok());
  CHECK(counted(f, EntityKind::kCell, "u1hbrm", Dimension::kHourOfWeek) == 1);
  REQUIRE(f.apply({retraction(away)}, 3).ok());
  CHECK(counted(f, EntityKind::kCell, "u1hbrm", Dimension::kHourOfWeek) == 0);
  CHECK(counted(f, EntityKind::kCell, "dr5rs1", Dimension::kHourOfWeek) == 1);
  CHECK(counted(f, EntityKind::kUser, "u", Dimension::kCategory, "Cafe") == 1);
  CHECK(f.status().retracted_values_lost == 0);
}

TEST_CASE("where it cannot be known any more in which category an event was counted, entries stay and are told") {
  Fixture f;
  const Interaction first = visit("p0", kHour, "first");
  REQUIRE(f.apply({first}, 1).ok());
  for (int i = 0; i < 40; ++i) {
    REQUIRE(f.state->upsert_places(std::vector<Place>{place_of("p0", i % 2 == 0 ? "Bar" : "Cafe", false)}).ok());
  }
  REQUIRE(f.apply({visit("p0", 2 * kHour, "second")}, 2).ok());
  REQUIRE(f.apply({retraction(first)}, 3).ok());
  CHECK(counted(f, EntityKind::kUser, "u", Dimension::kCategory, "Cafe") == 2);
  CHECK(counted(f, EntityKind::kUser, "u", Dimension::kPlace) == 1);
  CHECK(f.status().retracted_values_lost > 0);
}

TEST_CASE("a retraction that says something else than its event changes nothing and leaves the id to the right one") {
  Fixture f;
  const Interaction event = visit("p0", kHour, "a");
  REQUIRE(f.apply({event, visit("p1", kHour, "b")}, 1).ok());
  f.close_and_open();
  Interaction wrong = retraction(event);
  wrong.place = PlaceId("p1");
  std::vector<const Interaction*> told;
  const std::vector<Interaction> batch{wrong, retraction(visit("p1", kHour, "b")), wrong};
  const std::vector<SourcePosition> positions{{Partition{0}, Offset{2}, ""}};
  const auto unwritable = [](auto) { return unavailable("no room for letters"); };
  CHECK(f.state->apply({"test", batch, positions, 0, unwritable}).code() == StatusCode::kUnavailable);
  CHECK(counted(f, EntityKind::kPlace, "p1", Dimension::kHour) == 1);
  const auto keep = [&](std::span<const Interaction* const> refused) {
    told.assign(refused.begin(), refused.end());
    return ok_status();
  };
  REQUIRE(f.state->apply({"test", batch, positions, 0, keep}).ok());
  CHECK(told == std::vector<const Interaction*>{&batch[0], &batch[2]});
  CHECK(counted(f, EntityKind::kPlace, "p0", Dimension::kHour) == 1);
  CHECK(counted(f, EntityKind::kPlace, "p1", Dimension::kHour) == 0);
  CHECK(f.state->counters().rejected == 2);
  f.close_and_open();
  REQUIRE(f.apply({retraction(event)}, 3).ok());
  CHECK(counted(f, EntityKind::kPlace, "p0", Dimension::kHour) == 0);
  CHECK(f.status().events_retracted == 2);
}

TEST_CASE(
    "an event counts after a crash as before it, in whatever order its source and a refused retraction are read") {
  Fixture f;
  const Interaction event = visit("p0", kHour, "a");
  Interaction wrong = retraction(event);
  wrong.user = UserId("u1");
  std::size_t refused = 0;
  const auto apply_from = [&](const char* source, const Interaction& one, std::int64_t offset) {
    const std::vector<SourcePosition> positions{{Partition{0}, Offset{offset}, ""}};
    const auto keep = [&](std::span<const Interaction* const> mismatched) {
      refused += mismatched.size();
      return ok_status();
    };
    REQUIRE(f.state->apply({source, {&one, 1}, positions, 0, keep}).ok());
  };
  apply_from("api", event, 1);
  apply_from("file", wrong, 1);
  CHECK(refused == 1);
  CHECK(counted(f, EntityKind::kPlace, "p0", Dimension::kHour) == 1);
  f.crash_and_open();
  CHECK(counted(f, EntityKind::kPlace, "p0", Dimension::kHour) == 0);
  apply_from("file", wrong, 1);
  SUBCASE("at once") {}
  SUBCASE("after a restart") { f.close_and_open(); }
  apply_from("api", event, 1);
  CHECK(counted(f, EntityKind::kPlace, "p0", Dimension::kHour) == 1);
  CHECK(f.state->remembered("a").came);
  CHECK_FALSE(f.state->remembered("a").retracted);
  CHECK(f.status().events_withheld == 0);
  f.close_and_open();
  CHECK_FALSE(f.state->remembered("a").retracted);
  // What comes again of it changes nothing, and the right one is obeyed, once.
  apply_from("file", wrong, 2);
  CHECK(counted(f, EntityKind::kPlace, "p0", Dimension::kHour) == 1);
  for (const std::int64_t offset : {3, 4}) {
    apply_from("file", retraction(event), offset);
    CHECK(counted(f, EntityKind::kPlace, "p0", Dimension::kHour) == 0);
    CHECK(f.status().events_retracted == 1);
    f.close_and_open();
  }
}

TEST_CASE("what sources say of an event counts alike however they are read, with crashes and restarts in between") {
  const char* given = std::getenv("CAIRN_TEST_SEED");
  const std::uint64_t seed = given != nullptr ? std::stoull(given) : 20'261'128;
  for (std::uint64_t round = 0; round < 60; ++round) {
    CAPTURE(seed);
    CAPTURE(round);
    std::mt19937_64 random(seed + round);
    // By source what it brings: each event once by one of them, and retractions right and wrong by any.
    std::vector<std::vector<Interaction>> sources(3);
    std::vector<Interaction> net;
    for (int i = 0; i < 12; ++i) {
      const std::string at = std::to_string(i % 4);
      const Interaction event = event_of("u" + at, "p" + at, "visit", (1 + i) * kHour, {}, "e" + std::to_string(i));
      const bool retracted = random() % 2 == 0;
      if (!retracted) net.push_back(event);
      sources[random() % 3].push_back(event);
      if (retracted) sources[random() % 3].push_back(retraction(event));
      for (std::uint64_t wrong = random() % 3; wrong > 0; --wrong) {
        Interaction one = retraction(event);
        one.time += std::chrono::milliseconds(static_cast<std::int64_t>(1 + random() % 2));
        sources[random() % 3].push_back(one);
      }
    }
    for (auto& source : sources) std::shuffle(source.begin(), source.end(), random);
    Fixture f;
    const auto stored = [&](std::size_t source) {
      const auto positions = f.state->positions("s" + std::to_string(source));
      return positions.empty() ? std::size_t{0} : static_cast<std::size_t>(positions[0].offset.value);
    };
    const auto left = [&] {
      std::vector<std::size_t> all;
      for (std::size_t i = 0; i < sources.size(); ++i) {
        if (stored(i) < sources[i].size()) all.push_back(i);
      }
      return all;
    };
    for (auto open = left(); !open.empty(); open = left()) {
      const std::size_t source = open[random() % open.size()];
      const std::size_t from = stored(source);
      const std::size_t to = std::min(sources[source].size(), from + 1 + random() % 4);
      const std::vector<Interaction> batch(sources[source].begin() + static_cast<std::ptrdiff_t>(from),
                                           sources[source].begin() + static_cast<std::ptrdiff_t>(to));
      const std::vector<SourcePosition> positions{{Partition{0}, Offset{static_cast<std::int64_t>(to)}, ""}};
      REQUIRE(f.state->apply({"s" + std::to_string(source), batch, positions, 0}).ok());
      const auto what = random() % 16;
      if (what == 0) f.crash_and_open();
      if (what == 1) f.close_and_open();
      if (what == 2) REQUIRE(f.state->flush().ok());
    }
    Fixture wanted;
    REQUIRE(wanted.apply(net, 1).ok());
    check_same(f, wanted, f.status().values_inexact > 0);
    CHECK(f.status().retracted_values_lost == 0);
  }
}

TEST_CASE("ids that a release without notes has stored are read, and any retraction of theirs is obeyed") {
  Fixture f;
  const Interaction event = visit("p0", kHour, "a");
  REQUIRE(f.apply({event}, 1).ok());
  REQUIRE(f.state->flush().ok());
  std::string key;
  std::string old;
  REQUIRE(f.store
              ->scan(storage::Family::kDedup, "",
                     [&](std::string_view at, std::string_view value) {
                       key = at;
                       old = value.substr(1, 16);  // the print alone
                       return true;
                     })
              .ok());
  storage::WriteBatch batch;
  batch.put(storage::Family::kDedup, key, old);
  REQUIRE(f.store->write(std::move(batch), storage::Durability::kSynced).ok());
  f.close_and_open();
  REQUIRE(f.apply({event}, 2).ok());
  CHECK(f.state->counters().repeated == 1);
  Interaction other_value = retraction(event);
  other_value.value = 3.0;
  REQUIRE(f.apply({other_value}, 3).ok());
  CHECK(f.status().events_retracted == 1);
  CHECK(counted(f, EntityKind::kPlace, "p0", Dimension::kHour) == 0);
}

TEST_CASE("events that wait for a place follow it as they would had another one never been and not been retracted") {
  for (const bool own_position : {false, true}) {
    for (const char* const first : {"", "Bar"}) {
      for (const int when : {0, 1, 2}) {  // which of the imports it comes before
        CAPTURE(own_position);
        CAPTURE(first);
        CAPTURE(when);
        Fixture f;
        Fixture wanted;
        const Interaction stays = visit("late", kHour, "stays");
        Interaction goes = visit("late", 2 * kHour, "goes");
        if (own_position) goes.position = GeoPoint{45.2, 10.01};
        std::int64_t at = 0;
        REQUIRE(f.apply({goes, stays}, ++at).ok());
        REQUIRE(wanted.apply({stays}, at).ok());
        const Place places[] = {{PlaceId("late"), "", {45.2, 10.0}, first}, {PlaceId("late"), "", {50.0, 20.0}, "Zoo"}};
        for (int import = 0; import < 3; ++import) {
          if (import == when) REQUIRE(f.apply({retraction(goes)}, ++at).ok());
          if (import == 2) break;
          for (Fixture* const one : {&f, &wanted}) {
            REQUIRE(one->state->upsert_places(std::span(&places[import], 1)).ok());
            one->close_and_open();
          }
        }
        CHECK(f.status().retracted_values_lost == 0);
        check_same(f, wanted, true);
        CHECK(counted(f, EntityKind::kUser, "u", Dimension::kCategory, "Zoo") == 1);
      }
    }
  }
}

/// Changes a place or a category in both.
void change_catalogue(std::mt19937_64& random, Fixture* f, Fixture* wanted) {
  const auto all = f->state->catalog().categories();
  const std::string from = all[random() % all.size()].name;
  const std::string to = all[random() % all.size()].name;
  const std::string id = "p" + std::to_string(random() % 4);
  const Place place = place_of(id, random() % 4 == 0 ? "" : from.c_str(), random() % 2 == 0);
  const std::uint64_t what = random() % 8;
  for (Fixture* const one : {f, wanted}) {
    if (what == 0 && from != to) {
      REQUIRE(one->state->catalog().rename_category(from, to, CategoryTarget::kExisting).ok());
    } else if (what == 1) {
      REQUIRE(one->state->catalog().rename_category(from, from + "'", CategoryTarget::kNewName).ok());
    } else {
      REQUIRE(one->state->upsert_places(std::vector<Place>{place}).ok());
    }
  }
}

TEST_CASE("a history in which places move and categories change ends as the one without the events, told beside it") {
  const char* given = std::getenv("CAIRN_TEST_SEED");
  const std::uint64_t seed = given != nullptr ? std::stoull(given) : 20'261'128;
  for (std::uint64_t round = 0; round < 150; ++round) {
    CAPTURE(seed);
    CAPTURE(round);
    std::mt19937_64 random(seed + round);
    const Story story = random_story(random);
    std::set<std::string> net;
    for (const Interaction& event : story.net) net.insert(event.event_id);
    Fixture f;
    Fixture wanted;
    // What was lost in a crash is told again, and by the catalogue of the same moment: it changes at the front alone.
    std::size_t front = 0;
    for (std::size_t at = 0; at < story.stream.size();) {
      const Interaction& one = story.stream[at++];
      front = std::max(front, at);
      REQUIRE(f.apply({one}, static_cast<std::int64_t>(at)).ok());
      if (!one.retracts && net.erase(one.event_id) > 0)
        REQUIRE(wanted.apply({one}, static_cast<std::int64_t>(at)).ok());
      switch (random() % 10) {
        case 0:
        case 1:
        case 2:
          REQUIRE(f.state->flush().ok());
          if (at == front) change_catalogue(random, &f, &wanted);
          break;
        case 3:
          f.close_and_open();
          break;
        case 4:
          f.crash_and_open();
          at = static_cast<std::size_t>(f.durable_offset());
          break;
        default:
          break;
      }
    }
    CHECK(f.status().retracted_values_lost == 0);
    for (int reopened = 0; reopened < 2; ++reopened) {
      check_same(f, wanted, f.status().values_inexact > 0);
      f.close_and_open();
    }
  }
}

}  // namespace

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "engine/ranking/builtin_views.h"
#include "engine/state/feature_reads.h"
#include "engine/state/feature_state.h"
#include "features/row.h"
#include "tests/engine/state/crashing_store.h"

namespace {

using namespace cairn;
using state::FeatureState;

constexpr std::int64_t kHour = 3'600'000;
constexpr EventTime kNow = event_time_from_ms(500 * kHour);

struct Town {
  std::unique_ptr<state::CrashingStore> store = std::make_unique<state::CrashingStore>();
  std::unique_ptr<FeatureState> state;
  std::int64_t offset = 0;

  Town() { reopen(); }
  void reopen() {
    std::vector<FeatureViewSpec> views = ranking::builtin_views();
    for (const Aggregate aggregate : {Aggregate::kCount, Aggregate::kMin, Aggregate::kLast, Aggregate::kSequence}) {
      views.push_back({.name = "categories_" + std::to_string(static_cast<int>(aggregate)),
                       .entity = EntityKind::kUser,
                       .dimension = Dimension::kCategory,
                       .aggregate = aggregate,
                       .events = {{"visit", "1"}, {"rate", "value"}}});
    }
    state.reset();
    auto opened = FeatureState::open(*store, {.views = views}, InteractionTypes());
    REQUIRE_MESSAGE(opened.ok(), opened.status().to_string());
    state = *std::move(opened);
  }
  void apply(const std::vector<Interaction>& events) {
    const std::vector<SourcePosition> positions{{Partition{0}, Offset{++offset}, ""}};
    REQUIRE(state->apply({"test", events, positions, 0}).ok());
  }
  void import(const std::vector<Place>& places) { REQUIRE(state->upsert_places(places).ok()); }
  void rename(const std::string& from, const std::string& to) {
    const auto moved = state->catalog().rename_category(from, to, CategoryTarget::kNewName);
    REQUIRE_MESSAGE(moved.ok(), moved.status().to_string());
  }
  void merge(const std::string& from, const std::string& to) {
    const auto moved = state->catalog().rename_category(from, to, CategoryTarget::kExisting);
    REQUIRE_MESSAGE(moved.ok(), moved.status().to_string());
  }
  std::map<std::string, FeatureEntry> features(const std::string& user) const {
    const auto response =
        state::read_features(*state, {}, {.entity = EntityKind::kUser, .keys = {user}, .views = {}, .as_of = {}}, kNow);
    REQUIRE(response.ok());
    std::map<std::string, FeatureEntry> all;
    for (const FeatureVector& vector : response->entities[0].vectors) {
      int number = 0;
      for (const FeatureEntry& entry : vector.entries) {
        const bool sequence = vector.view == "categories_8" || vector.view == "user_history";
        all[vector.view + "/" + std::string(entry.dimension) + (sequence ? "#" + std::to_string(number++) : "")] =
            entry;
      }
    }
    return all;
  }
  double count(const std::string& user, const std::string& category) const {
    const auto all = features(user);
    const auto found = all.find("categories_1/" + category);
    return found == all.end() ? 0.0 : found->second.value;
  }
};

Interaction event(const std::string& user, const std::string& place, std::int64_t ms, TypeIndex type = TypeIndex{2},
                  std::optional<double> value = std::nullopt) {
  return {UserId(user), PlaceId(place), type, event_time_from_ms(ms), value, {}, ""};
}

Place place(const std::string& id, const std::string& category) { return {PlaceId(id), "", {40.7, -74.0}, category}; }

StatusCode code_of(Town& town, const std::string& from, const std::string& to, CategoryTarget target) {
  return town.state->catalog().rename_category(from, to, target).status().code();
}

TEST_CASE("a renamed category keeps its places and all that was counted, and its old name goes on to mean it") {
  Town town;
  town.import({place("a", "Coffee"), place("b", "Tea")});
  town.apply({event("ann", "a", kHour), event("ann", "b", kHour), event("ann", "a", 2 * kHour)});
  const std::uint64_t version = town.state->catalog().version();
  CHECK(*town.state->catalog().rename_category("Coffee", "Café", CategoryTarget::kNewName) == 1);
  for (int round = 0; round < 2; ++round) {
    CHECK(town.count("ann", "Café") == 2.0);
    CHECK(town.count("ann", "Coffee") == 0.0);
    CHECK(town.count("ann", "Tea") == 1.0);
    CHECK(town.state->catalog().get(PlaceId("a"))->category == "Café");
    REQUIRE(town.state->catalog().newer_than(version).size() == 1);  // what PostgreSQL gets
    const auto all = town.state->catalog().categories();
    REQUIRE(all.size() == 2);
    CHECK(all[0].name == "Café");
    CHECK(all[0].places == 1);
    CHECK(all[0].old_names == std::vector<std::string>{"Coffee"});
    CHECK(town.state->catalog().category_named("Coffee") == town.state->catalog().category_named("Café"));
    town.reopen();
  }
  town.import({place("c", "Coffee"), place("a", "Coffee")});
  CHECK(town.state->catalog().get(PlaceId("c"))->category == "Café");
  town.apply({event("ann", "c", 3 * kHour)});
  CHECK(town.count("ann", "Café") == 3.0);
}

TEST_CASE("renaming goes on from name to name, and back to one of before") {
  Town town;
  town.import({place("a", "one")});
  town.apply({event("ann", "a", kHour)});
  town.rename("one", "two");
  town.rename("two", "three");
  CHECK(town.count("ann", "three") == 1.0);
  town.rename("three", "one");
  for (int round = 0; round < 2; ++round) {
    CHECK(town.count("ann", "one") == 1.0);
    CHECK(town.state->catalog().categories().size() == 1);
    CHECK(town.state->catalog().categories()[0].old_names == std::vector<std::string>{"three", "two"});
    CHECK(town.state->catalog().get(PlaceId("a"))->category == "one");
    town.reopen();
  }
}

TEST_CASE("a name that is taken, or is an old one, is refused with what to do") {
  Town town;
  town.import({place("a", "Coffee"), place("b", "Tea"), place("c", "Bar")});
  CHECK(code_of(town, "Beer", "X", CategoryTarget::kNewName) == StatusCode::kNotFound);
  CHECK(code_of(town, "Coffee", "Tea", CategoryTarget::kNewName) == StatusCode::kAlreadyExists);
  CHECK(code_of(town, "Coffee", "X", CategoryTarget::kExisting) == StatusCode::kNotFound);
  CHECK(code_of(town, "Coffee", "Coffee", CategoryTarget::kNewName) == StatusCode::kInvalidArgument);
  CHECK(code_of(town, "Coffee", "", CategoryTarget::kNewName) == StatusCode::kInvalidArgument);
  CHECK(code_of(town, "Coffee", std::string(129, 'x'), CategoryTarget::kNewName) == StatusCode::kInvalidArgument);
  town.rename("Coffee", "Café");
  CHECK(code_of(town, "Coffee", "X", CategoryTarget::kNewName) == StatusCode::kNotFound);
  CHECK(code_of(town, "Tea", "Coffee", CategoryTarget::kNewName) == StatusCode::kAlreadyExists);
  CHECK(code_of(town, "Tea", "Coffee", CategoryTarget::kExisting) == StatusCode::kNotFound);
  CHECK(code_of(town, "Café", "Coffee", CategoryTarget::kExisting) == StatusCode::kInvalidArgument);
  CHECK(town.state->catalog().categories().size() == 3);
}

TEST_CASE("a crash leaves a renaming whole or undone") {
  Town town;
  town.import({place("a", "Coffee"), place("b", "Coffee")});
  town.apply({event("ann", "a", kHour)});
  REQUIRE(town.state->flush().ok());
  town.store->lose_writes(true);
  town.rename("Coffee", "Café");
  town.state.reset();
  town.store->lose_writes(false);
  town.reopen();
  CHECK(town.count("ann", "Coffee") == 1.0);
  CHECK(town.state->catalog().get(PlaceId("a"))->category == "Coffee");
  town.rename("Coffee", "Café");
  town.store->lose_writes(true);
  town.state.reset();
  town.store->lose_writes(false);
  town.reopen();
  CHECK(town.count("ann", "Café") == 1.0);
  CHECK(town.state->catalog().get(PlaceId("b"))->category == "Café");
}

TEST_CASE("after merges everything is as if the categories had had one name from the start") {
  for (unsigned seed = 1; seed <= 30; ++seed) {
    INFO("seed=", seed);
    std::mt19937 random(seed);
    const auto below = [&](int n) { return std::uniform_int_distribution<int>(0, n - 1)(random); };
    std::vector<std::string> category_of(10);
    for (std::string& category : category_of) category = "c" + std::to_string(below(6));
    // The mergers to come, and what each first name ends as. Merging goes on among those that are left.
    std::map<std::string, std::string> ends;
    std::set<std::string> left(category_of.begin(), category_of.end());
    for (const std::string& name : left) ends[name] = name;
    std::vector<std::pair<std::string, std::string>> mergers;
    while (left.size() > 2) {
      const std::string from = *std::next(left.begin(), below(static_cast<int>(left.size())));
      left.erase(from);
      const std::string into = *std::next(left.begin(), below(static_cast<int>(left.size())));
      mergers.emplace_back(from, into);
      for (auto& [first, end] : ends) {
        if (end == from) end = into;
      }
    }
    Town merged;
    Town plain;
    const auto import = [&](Town& town, bool as_it_ends) {
      std::vector<Place> places;
      for (std::size_t i = 0; i < category_of.size(); ++i) {
        places.push_back(place("p" + std::to_string(i), as_it_ends ? ends[category_of[i]] : category_of[i]));
      }
      town.import(places);
    };
    import(plain, true);
    const bool places_first = below(2) == 0;
    import(merged, false);
    for (int step = 0; step < 12; ++step) {
      std::vector<Interaction> events;
      for (int i = 0; i < 10; ++i) {
        events.push_back(event("u" + std::to_string(below(3)), "p" + std::to_string(below(10)), (step * 10 + i) * kHour,
                               below(3) == 0 ? TypeIndex{3} : TypeIndex{2}, static_cast<double>(below(5))));
      }
      merged.apply(events);
      plain.apply(events);
      if (!mergers.empty() && below(3) == 0) {
        merged.merge(mergers.front().first, mergers.front().second);
        mergers.erase(mergers.begin());
      }
      if (below(4) == 0) REQUIRE(merged.state->flush().ok());
      if (below(4) == 0) merged.reopen();
      if (!places_first && below(4) == 0) import(merged, false);  // with names that may be old ones
    }
    for (const auto& [from, into] : mergers) merged.merge(from, into);
    for (int user = 0; user < 3; ++user) {
      const auto got = merged.features("u" + std::to_string(user));
      const auto wanted = plain.features("u" + std::to_string(user));
      CHECK(got.size() == wanted.size());
      for (const auto& [name, entry] : wanted) {
        INFO(name);
        REQUIRE(got.contains(name));
        CHECK(got.at(name).value == doctest::Approx(entry.value).epsilon(1e-9));
        CHECK(got.at(name).count == entry.count);
        CHECK(got.at(name).newest == entry.newest);
      }
    }
    for (const Category& category : plain.state->catalog().categories()) {
      const auto all = merged.state->catalog().categories();
      const auto same =
          std::find_if(all.begin(), all.end(), [&](const auto& one) { return one.name == category.name; });
      REQUIRE(same != all.end());
      CHECK(same->places == category.places);
    }
  }
}

}  // namespace

// What was counted can begin anew: in a view that is declared, and when what was counted for a place is erased. A
// retraction takes its event out of what had it, and out of nothing that began since. What is right is told by a plain
// model, which goes through the same history without the events that were taken back.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

#include "engine/state/feature_state.h"
#include "engine/state/keys.h"
#include "tests/engine/state/restarted_state.h"
#include "tests/engine/state/told_events.h"

namespace {

using namespace cairn;
using state::FeatureState;
using state::test::event_of;
using state::test::retraction;
using state::test::visit;

constexpr std::int64_t kHour = 3'600'000;

/// Two places to be, and the cells of six letters around them.
constexpr GeoPoint kPoints[] = {{40.7, -74.0}, {50.7, 7.0}};
const std::string kCells[] = {"dr5rs1", "u1hbrm"};

FeatureViewSpec view(const char* name, EntityKind entity, Dimension dimension, Aggregate aggregate = Aggregate::kCount,
                     std::vector<EventWeight> events = {}) {
  return {.name = name, .entity = entity, .dimension = dimension, .aggregate = aggregate, .events = std::move(events)};
}

/// Every definition that a history may declare. Those of one name are not declared together.
const std::vector<FeatureViewSpec>& definitions() {
  static const std::vector<FeatureViewSpec> all{
      view("user_category", EntityKind::kUser, Dimension::kCategory),
      view("user_place", EntityKind::kUser, Dimension::kPlace),
      view("user_cell", EntityKind::kUser, Dimension::kCell),
      view("place_hour", EntityKind::kPlace, Dimension::kHour),
      view("place_type", EntityKind::kPlace, Dimension::kType, Aggregate::kSum, {{"visit", "1"}, {"rate", "value"}}),
      view("place_type", EntityKind::kPlace, Dimension::kType, Aggregate::kSum, {{"rate", "value * 2"}}),
      view("cell_week", EntityKind::kCell, Dimension::kHourOfWeek),
      view("cell_week", EntityKind::kCell, Dimension::kHourOfWeek, Aggregate::kCount, {{"visit", "1"}}),
      view("cell_category", EntityKind::kCell, Dimension::kCategory),
  };
  return all;
}
using Declared = std::vector<std::size_t>;  ///< indexes of definitions()

std::vector<FeatureViewSpec> specs_of(const Declared& declared) {
  std::vector<FeatureViewSpec> specs;
  for (const std::size_t i : declared) specs.push_back(definitions()[i]);
  return specs;
}

Place place_of(const std::string& id, const std::string& category, int point) {
  return {PlaceId(id), "", kPoints[point], category};
}

struct Sum {
  std::int64_t count = 0;
  std::int64_t micros = 0;
  std::int64_t newest_ms = 0;

  void add(const Sum& other) {
    count += other.count;
    micros += other.micros;
    newest_ms = std::max(newest_ms, other.newest_ms);
  }
  friend bool operator==(const Sum&, const Sum&) = default;
};
/// By view, entity and dimension.
using Sums = std::map<std::tuple<std::string, std::string, std::string>, Sum>;

std::string text_of(const Sums& sums) {
  std::string text;
  for (const auto& [key, sum] : sums) {
    text += std::get<0>(key) + " of " + std::get<1>(key) + " by " + std::get<2>(key) + ": " +
            std::to_string(sum.count) + ", " + std::to_string(sum.micros) + ", " + std::to_string(sum.newest_ms) + "\n";
  }
  return text;
}

// ---- the model ----------------------------------------------------------------------------------------------------

struct Import {
  std::string place;
  std::string category;
  int point = 0;
};
struct Removal {
  std::string place;
  bool erase = false;
};
struct Renaming {
  std::string from;
  std::string to;
};
using Step = std::variant<Interaction, Import, Removal, Renaming, Declared>;

/// Counts as the documentation says, with maps and names, and knows of no retractions.
class PlainModel {
 public:
  explicit PlainModel(Declared declared) : declared_(std::move(declared)) {}

  void take(const Step& step) {
    std::visit([this](const auto& one) { take_one(one); }, step);
  }

  /// What is answered now.
  [[nodiscard]] Sums sums() const {
    Sums sums;
    for (const std::size_t of : declared_) {
      const FeatureViewSpec& spec = definitions()[of];
      const bool by_category = spec.dimension == Dimension::kCategory;
      for (const auto& [key, sum] : counted_) {
        const auto& [definition, entity, dimension] = key;
        if (definition == of) sums[{spec.name, entity, by_category ? name_now(dimension) : dimension}].add(sum);
      }
      for (const auto& [key, sum] : waiting_) {
        const auto& [definition, entity, place] = key;
        const auto facts = known_.find(place);
        if (definition != of || facts == known_.end()) continue;
        const std::string dimension = by_category ? name_now(facts->second.category) : kCells[facts->second.point];
        if (!dimension.empty()) sums[{spec.name, entity, dimension}].add(sum);
      }
    }
    return sums;
  }

 private:
  using Key = std::tuple<std::size_t, std::string, std::string>;  ///< definition, entity, dimension or place

  [[nodiscard]] std::string name_now(std::string category) const {
    for (auto at = renamed_.find(category); at != renamed_.end(); at = renamed_.find(category)) category = at->second;
    return category;
  }

  void take_one(const Interaction& event) {
    for (const std::size_t of : declared_) count(of, event);
  }

  void count(std::size_t of, const Interaction& event) {
    const FeatureViewSpec& spec = definitions()[of];
    const bool rate = event.type == *InteractionTypes().find("rate");
    double weight = 1.0;
    if (!spec.events.empty()) {
      const bool twice = spec.events.front().type == "rate";
      const bool counts_rates = twice || spec.events.size() > 1;
      if (rate ? !counts_rates : twice) return;
      if (rate) weight = *event.value * (twice ? 2.0 : 1.0);
    }
    const std::int64_t ms = to_ms(event.time);
    const Sum sum{1, spec.aggregate == Aggregate::kSum ? std::llround(weight * 1e6) : 0, ms};
    const auto facts = known_.find(event.place.str());
    const bool known = facts != known_.end();
    std::string cell;
    if (known) {
      cell = kCells[facts->second.point];
    } else if (event.position) {
      cell = kCells[*event.position == kPoints[0] ? 0 : 1];
    }
    std::string dimension;
    bool waits = false;
    switch (spec.dimension) {
      case Dimension::kPlace:
        dimension = event.place.str();
        break;
      case Dimension::kCategory:
        dimension = known ? facts->second.category : "";
        waits = !known;
        break;
      case Dimension::kCell:
        dimension = cell;
        waits = cell.empty();
        break;
      case Dimension::kHour:
        dimension = std::to_string(ms / kHour);
        break;
      case Dimension::kHourOfWeek:
        dimension = std::to_string((ms / kHour + 3 * 24) % 168);  // the epoch began on a Thursday
        break;
      default:
        dimension = rate ? "rate" : "visit";
    }
    std::string entity = spec.entity == EntityKind::kUser ? event.user.str() : event.place.str();
    if (spec.entity == EntityKind::kCell) entity = cell;
    if (entity.empty()) {
      waiting_for_cell_[event.place.str()][{of, dimension}].add(sum);
    } else if (waits) {
      waiting_[{of, entity, event.place.str()}].add(sum);
    } else if (!dimension.empty()) {
      counted_[{of, entity, dimension}].add(sum);
    }
  }

  void take_one(const Import& import) {
    known_[import.place] = {import.place, name_now(import.category), import.point};
    for (const auto& [what, sum] : waiting_for_cell_[import.place]) {
      const auto& [of, dimension] = what;
      // What no view is there for goes.
      if (std::find(declared_.begin(), declared_.end(), of) == declared_.end()) continue;
      const bool by_category = definitions()[of].dimension == Dimension::kCategory;
      const std::string into = by_category ? name_now(import.category) : dimension;
      if (!into.empty()) counted_[{of, kCells[import.point], into}].add(sum);
    }
    waiting_for_cell_.erase(import.place);
  }

  void take_one(const Removal& removal) {
    known_.erase(removal.place);
    if (!removal.erase) return;
    waiting_for_cell_.erase(removal.place);
    std::erase_if(counted_, [&](const auto& one) {
      const auto& [of, entity, dimension] = one.first;
      return definitions()[of].entity == EntityKind::kPlace && entity == removal.place;
    });
  }

  void take_one(const Renaming& renaming) { renamed_[renaming.from] = renaming.to; }
  void take_one(const Declared& declared) { declared_ = declared; }

  Declared declared_;
  std::map<std::string, Import> known_;
  std::map<std::string, std::string> renamed_;
  std::map<Key, Sum> counted_;
  std::map<Key, Sum> waiting_;  ///< by place; counts where the place is by now
  /// By place: of events of which no cell is known, what goes to the place's cell when it comes.
  std::map<std::string, std::map<std::pair<std::size_t, std::string>, Sum>> waiting_for_cell_;
};

// ---- the state ----------------------------------------------------------------------------------------------------

struct Fixture : state::test::RestartedState {
  explicit Fixture(const Declared& declared) : RestartedState(specs_of(declared)) {}
  explicit Fixture(std::vector<FeatureViewSpec> views) : RestartedState(std::move(views)) {}

  void apply(const std::vector<Interaction>& interactions) {
    const std::vector<SourcePosition> positions{{Partition{0}, Offset{++offset_}, ""}};
    REQUIRE(state->apply({"test", interactions, positions, 0}).ok());
  }
  void declare(std::vector<FeatureViewSpec> views) {
    options.views = std::move(views);
    close_and_open();
  }
  void import(const Place& place) { REQUIRE(state->upsert_places(std::vector<Place>{place}).ok()); }
  void remove(const std::string& place, PlaceHistory history) {
    REQUIRE(state->delete_places(std::vector<PlaceId>{PlaceId(place)}, history, {}).ok());
  }
  void take(const Step& step) {
    if (const auto* event = std::get_if<Interaction>(&step)) apply({*event});
    if (const auto* one = std::get_if<Import>(&step)) import(place_of(one->place, one->category, one->point));
    if (const auto* one = std::get_if<Removal>(&step)) {
      remove(one->place, one->erase ? PlaceHistory::kErase : PlaceHistory::kKeep);
    }
    if (const auto* one = std::get_if<Renaming>(&step)) {
      REQUIRE(state->catalog().rename_category(one->from, one->to, CategoryTarget::kNewName).ok());
    }
    if (const auto* declared = std::get_if<Declared>(&step)) declare(specs_of(*declared));
  }
  [[nodiscard]] Sums sums() const {
    Sums sums;
    for (const char* user : {"u", "u0", "u1", "u2"}) add(EntityKind::kUser, user, &sums);
    for (const char* place : {"p0", "p1", "p2"}) add(EntityKind::kPlace, place, &sums);
    for (const std::string& cell : kCells) add(EntityKind::kCell, cell, &sums);
    return sums;
  }
  /// Of all entries of a view of an entity.
  [[nodiscard]] std::int64_t count(const std::string& entity, const std::string& view) const {
    std::int64_t count = 0;
    for (const auto& [key, sum] : sums()) {
      if (std::get<0>(key) == view && std::get<1>(key) == entity) count += sum.count;
    }
    return count;
  }
  [[nodiscard]] EngineStatus status() const {
    EngineStatus status;
    state->describe(&status);
    return status;
  }
  void mend(const std::vector<Interaction>& events) {
    FeatureState::History history(*state, state->inexact_rows());
    history.add(events);
    REQUIRE(state->mend(history).ok());
  }

 private:
  void add(EntityKind kind, const std::string& id, Sums* sums) const {
    const auto found = state->row(kind, id);
    REQUIRE_MESSAGE(found.ok(), found.status().to_string());
    if (!found->row) return;
    for (const features::View& view : state->schema().views()) {
      const features::ViewBlock* const block = found->row->find(view.id);
      if (view.spec.entity != kind || block == nullptr) continue;
      for (const features::Entry& entry : block->entries) {
        std::string made;
        const bool plain = view.spec.dimension == Dimension::kHour || view.spec.dimension == Dimension::kHourOfWeek;
        const std::string dimension =
            plain ? std::to_string(entry.dimension)
                  : std::string(features::dimension_name(state->dimension_names(), view, entry.dimension, &made));
        (*sums)[{view.spec.name, id, dimension}].add({entry.value.count, entry.value.micros, entry.value.newest_ms});
      }
    }
  }
  std::int64_t offset_ = 0;
};

/// Newest times may be those of events that were taken out.
Sums with_newest_of(Sums sums, const Sums& wanted) {
  for (auto& [key, sum] : sums) {
    const auto other = wanted.find(key);
    if (other != wanted.end() && sum.newest_ms > other->second.newest_ms) sum.newest_ms = other->second.newest_ms;
  }
  return sums;
}

// ---- any history --------------------------------------------------------------------------------------------------

class Story {
 public:
  explicit Story(std::uint64_t seed) : random_(seed) {
    declared_ = any_views();
    first_ = declared_;
    const std::size_t steps = 5 + random_() % 60;
    for (std::size_t i = 0; i < steps; ++i) steps_.push_back(next());
  }

  [[nodiscard]] const Declared& first() const { return first_; }
  [[nodiscard]] const std::vector<Step>& steps() const { return steps_; }
  [[nodiscard]] const std::set<std::string>& retracted() const { return retracted_; }
  [[nodiscard]] std::mt19937_64& random() { return random_; }

 private:
  /// What is kept of a place's past is bounded; beyond that nothing is exact.
  static constexpr int kChangesMax = 14;

  Step next() {
    const std::uint64_t what = random_() % 20;
    if (what < 10) return new_event();
    if (what < 14) return retract();
    if (what == 14) return declared_ = any_views();
    if (what == 15) return rename();
    return change_place();
  }

  Declared any_views() {
    Declared declared{0};  // one by category, so that what waits is known to
    for (std::size_t i = 1; i < definitions().size(); ++i) {
      const bool named = definitions()[declared.back()].name == definitions()[i].name;
      if (!named && random_() % 3 > 0) declared.push_back(i);
    }
    return declared;
  }

  Step new_event() {
    const bool rate = random_() % 2 == 0;
    Interaction event = event_of("u" + std::to_string(random_() % 3), "p" + std::to_string(random_() % 3),
                                 rate ? "rate" : "visit", static_cast<std::int64_t>(random_() % (400 * 60)) * 60'000,
                                 rate ? std::optional(static_cast<double>(random_() % 11) / 2) : std::nullopt,
                                 "e" + std::to_string(events_.size()));
    if (random_() % 4 == 0) event.position = kPoints[random_() % 2];
    events_.push_back(event);
    return event;
  }

  Step retract() {
    if (events_.empty()) return new_event();
    const Interaction& event = events_[random_() % events_.size()];
    if (!retracted_.insert(event.event_id).second) return new_event();
    return retraction(event);
  }

  Step change_place() {
    const std::string id = "p" + std::to_string(random_() % 3);
    if (++changes_[id] > kChangesMax) return new_event();
    const bool erase = random_() % 2 == 0;
    const bool here = here_.contains(id);
    if (random_() % 3 == 0 && (here || (erase && deleted_.contains(id)))) {
      here_.erase(id);
      if (erase) {
        deleted_.erase(id);
      } else {
        deleted_.insert(id);
      }
      return Removal{id, erase};
    }
    here_.insert(id);
    deleted_.erase(id);
    const std::string categories[] = {"", "bar", "cafe", "zoo"};
    const std::string category = categories[random_() % 4];
    if (!category.empty()) seen_.insert({category, category});
    return Import{id, category, static_cast<int>(random_() % 2)};
  }

  /// The categories that there are get other names: those of a rename change every place of it.
  Step rename() {
    if (seen_.empty() || renames_++ > 2) return new_event();
    auto at = seen_.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(random_() % seen_.size()));
    const std::string from = at->second;
    return Renaming{from, at->second = from + "'"};
  }

  std::mt19937_64 random_;
  Declared first_;
  Declared declared_;
  std::vector<Step> steps_;
  std::vector<Interaction> events_;
  std::set<std::string> retracted_;
  std::set<std::string> here_;
  std::set<std::string> deleted_;  ///< and their history is kept
  std::map<std::string, int> changes_;
  std::map<std::string, std::string> seen_;  ///< categories: what they are called by now
  int renames_ = 0;
};

TEST_CASE("a history in which places come and are erased and views are declared ends as the one without the events") {
  const char* given = std::getenv("CAIRN_TEST_SEED");
  const std::uint64_t seed = given != nullptr ? std::stoull(given) : 20'261'128;
  for (std::uint64_t round = 0; round < 400; ++round) {
    CAPTURE(seed);
    CAPTURE(round);
    Story story(seed + round);
    Fixture f(story.first());
    PlainModel model(story.first());
    std::vector<Interaction> net;
    for (const Step& step : story.steps()) {
      f.take(step);
      const auto* const event = std::get_if<Interaction>(&step);
      if (event == nullptr) {
        model.take(step);
      } else if (!story.retracted().contains(event->event_id)) {
        model.take(step);
        net.push_back(*event);
      }
      if (story.random()() % 8 == 0) REQUIRE(f.state->flush().ok());
      if (story.random()() % 16 == 0) f.close_and_open();
    }
    CHECK(f.status().retracted_values_lost == 0);
    const Sums wanted = model.sums();
    for (int reopened = 0; reopened < 2; ++reopened) {
      REQUIRE(text_of(with_newest_of(f.sums(), wanted)) == text_of(wanted));
      f.close_and_open();
    }
    f.mend(net);
    REQUIRE(text_of(f.sums()) == text_of(wanted));
    // Those of views that are gone are mended when they are declared again.
    for (const Declared& declared : {Declared{0, 1, 2, 3, 4, 6, 8}, Declared{0, 5, 7}}) {
      if (f.status().values_inexact == 0) break;
      f.declare(specs_of(declared));
      f.mend(net);
    }
    CHECK(f.status().values_inexact == 0);
  }
}

// ---- views that are declared later --------------------------------------------------------------------------------

TEST_CASE("an event is taken out of the views that there were when it came, and of no other") {
  const FeatureViewSpec places = view("user_place", EntityKind::kUser, Dimension::kPlace);
  const FeatureViewSpec types = view("user_type", EntityKind::kUser, Dimension::kType);
  const FeatureViewSpec none = view("user_all", EntityKind::kUser, Dimension::kNone);
  Fixture f(std::vector<FeatureViewSpec>{places});
  const Interaction first = visit("p0", kHour, "first");
  const Interaction second = visit("p0", 2 * kHour, "second");
  const Interaction third = visit("p0", 3 * kHour, "third");
  f.apply({first});
  SUBCASE("declared later") {
    f.declare({places, types});
    f.apply({second});
    f.apply({retraction(first)});
    CHECK(f.count("u", "user_place") == 1);
    CHECK(f.count("u", "user_type") == 1);
    f.apply({retraction(second)});
    CHECK(f.sums().empty());
  }
  SUBCASE("declared later, in front, and with another bound since") {
    f.declare({none, places});
    f.apply({second});
    f.declare({none, places});
    f.options.views[0].ttl = std::chrono::hours(24 * 365 * 90);
    f.options.views[1].max_entries = 7;
    f.close_and_open();
    f.apply({retraction(first)});
    CHECK(f.count("u", "user_place") == 1);
    CHECK(f.count("u", "user_all") == 1);
  }
  SUBCASE("gone, and declared again") {
    f.declare({types});
    f.apply({second});
    f.declare({places, types});
    f.apply({third});
    f.apply({retraction(second)});
    CHECK(f.count("u", "user_place") == 2);  // of the first and the third
    CHECK(f.count("u", "user_type") == 1);
    f.apply({retraction(first)});
    CHECK(f.count("u", "user_place") == 1);
    CHECK(f.count("u", "user_type") == 1);
  }
  SUBCASE("taken out while it is gone") {
    f.declare({types});
    f.apply({second});
    f.apply({retraction(first)});
    f.declare({places, types});
    f.apply({third});
    CHECK(f.count("u", "user_place") == 1);
    CHECK(f.count("u", "user_type") == 2);
  }
  SUBCASE("another definition under the same name") {
    FeatureViewSpec weighed = places;
    weighed.events = {{"visit", "1"}, {"save", "1"}};
    f.declare({weighed});
    f.apply({second});
    f.apply({retraction(first)});
    CHECK(f.count("u", "user_place") == 1);
    f.declare({places});
    CHECK(f.count("u", "user_place") == 0);
  }
  CHECK(f.status().retracted_values_lost == 0);
}

TEST_CASE("a value of events that came under other views each is mended from their history") {
  const FeatureViewSpec places = view("user_place", EntityKind::kUser, Dimension::kPlace);
  const FeatureViewSpec types = view("user_type", EntityKind::kUser, Dimension::kType);
  Fixture f(std::vector<FeatureViewSpec>{places});
  const Interaction first = visit("p0", kHour, "first");
  const Interaction second = visit("p0", 2 * kHour, "second");
  const Interaction third = visit("p0", 3 * kHour, "third");
  f.apply({first});
  f.declare({places, types});
  f.apply({second, third});
  f.apply({retraction(third)});
  CHECK(f.status().values_inexact == 2);
  f.mend({first, second});
  CHECK(f.status().values_inexact == 0);
  const Sums wanted{{{"user_place", "u", "p0"}, {2, 0, 2 * kHour}}, {{"user_type", "u", "visit"}, {1, 0, 2 * kHour}}};
  CHECK(text_of(f.sums()) == text_of(wanted));
}

TEST_CASE("a state that was written without the views of its time has those that it is opened with first") {
  const FeatureViewSpec places = view("user_place", EntityKind::kUser, Dimension::kPlace);
  const FeatureViewSpec types = view("user_type", EntityKind::kUser, Dimension::kType);
  Fixture f(std::vector<FeatureViewSpec>{places});
  const Interaction first = visit("p0", kHour, "first");
  f.apply({first});
  REQUIRE(f.state->flush().ok());
  // A configuration that is not over yet, in which no type counts as another: its last moment, and how many types.
  std::string stored(8, '\0');
  SUBCASE("it was the first") {}
  SUBCASE("there was one before, until the first moment") { stored.insert(0, std::string("\1\0\0\0\0\0\0\0", 8)); }
  storage::WriteBatch batch;
  batch.put(storage::Family::kMeta, "engine/weights", stored);
  REQUIRE(f.store->write(std::move(batch), storage::Durability::kSynced).ok());
  f.close_and_open();
  f.declare({places, types});
  f.apply({visit("p0", 2 * kHour, "second")});
  f.apply({retraction(first)});
  CHECK(f.count("u", "user_place") == 1);
  CHECK(f.count("u", "user_type") == 1);
  CHECK(f.status().retracted_values_lost == 0);
}

// ---- places whose history is erased -------------------------------------------------------------------------------

TEST_CASE("an event of before an erasure of its place is taken out of nothing that came for the place since") {
  const std::vector<FeatureViewSpec> views{view("user_place", EntityKind::kUser, Dimension::kPlace),
                                           view("place_hour", EntityKind::kPlace, Dimension::kHour),
                                           view("cell_week", EntityKind::kCell, Dimension::kHourOfWeek)};
  Fixture f(views);
  const Interaction before = visit("p0", kHour, "before");
  const Interaction between = visit("p0", kHour + 1, "between");
  f.import(place_of("p0", "cafe", 0));
  f.apply({before});
  f.remove("p0", PlaceHistory::kErase);
  f.apply({between});
  SUBCASE("") {}
  SUBCASE("after a restart") { f.close_and_open(); }
  f.import(place_of("p0", "cafe", 0));
  f.apply({visit("p0", kHour + 2, "after")});
  CHECK(f.count("p0", "place_hour") == 2);
  CHECK(f.count("dr5rs1", "cell_week") == 3);
  f.apply({retraction(before)});
  CHECK(f.count("p0", "place_hour") == 2);
  CHECK(f.count("dr5rs1", "cell_week") == 2);
  CHECK(f.count("u", "user_place") == 2);
  SUBCASE("and erased again") {
    f.remove("p0", PlaceHistory::kErase);
    f.apply({visit("p0", kHour + 3, "last")});
    f.apply({retraction(between)});
    CHECK(f.count("p0", "place_hour") == 1);
    CHECK(f.count("dr5rs1", "cell_week") == 1);
    CHECK(f.count("u", "user_place") == 2);
  }
  CHECK(f.status().retracted_values_lost == 0);
}

TEST_CASE("an event that waited for its place when that was erased is taken out of no cell") {
  Fixture f(std::vector<FeatureViewSpec>{view("user_category", EntityKind::kUser, Dimension::kCategory),
                                         view("cell_week", EntityKind::kCell, Dimension::kHourOfWeek)});
  f.import(place_of("p0", "cafe", 0));
  f.remove("p0", PlaceHistory::kKeep);
  const Interaction waited = visit("p0", kHour, "waited");
  f.apply({waited});
  f.remove("p0", PlaceHistory::kErase);
  f.apply({visit("p0", kHour + 1, "waits")});
  SUBCASE("the place has come") { f.import(place_of("p0", "cafe", 0)); }
  SUBCASE("the place has not come yet") {}
  f.apply({retraction(waited)});
  if (f.status().events_waiting > 0) {
    CHECK(f.status().events_waiting == 1);
    f.import(place_of("p0", "cafe", 0));
  }
  CHECK(f.count("dr5rs1", "cell_week") == 1);
  CHECK(f.count("u", "user_category") == 1);
  CHECK(f.status().retracted_values_lost == 0);
}

TEST_CASE("erasures are forgotten with the last event of before them") {
  Fixture f(std::vector<FeatureViewSpec>{view("place_hour", EntityKind::kPlace, Dimension::kHour)});
  f.options.dedup_ids = 4;
  f.close_and_open();
  const auto kept = [&] {
    std::size_t notes = 0;
    REQUIRE(f.store
                ->scan(storage::Family::kMeta, state::kPlaceErasedPrefix,
                       [&](std::string_view, std::string_view) {
                         ++notes;
                         return true;
                       })
                .ok());
    return notes;
  };
  f.import(place_of("p0", "cafe", 0));
  f.apply({visit("p0", kHour, "before")});
  f.remove("p0", PlaceHistory::kErase);
  f.close_and_open();
  CHECK(kept() == 1);
  for (int i = 0; i < 8; ++i) f.apply({visit("p1", kHour, "after " + std::to_string(i))});
  f.close_and_open();
  CHECK(kept() == 0);
}

// ---- values that are told as inexact ------------------------------------------------------------------------------

TEST_CASE("what is inexact of events that wait for a place is told of the cell when it comes, and mended there") {
  Fixture f(std::vector<FeatureViewSpec>{view("cell_week", EntityKind::kCell, Dimension::kHourOfWeek),
                                         view("cell_category", EntityKind::kCell, Dimension::kCategory)});
  const Interaction first = visit("p0", kHour, "first");
  const Interaction second = visit("p0", kHour + 1, "second");
  f.apply({first, second});
  f.apply({retraction(second)});
  f.import(place_of("p0", "cafe", 0));
  CHECK(f.status().values_inexact == 2);
  f.close_and_open();
  CHECK(f.status().values_inexact == 2);
  f.mend({first});
  CHECK(f.status().values_inexact == 0);
  const Sums wanted{{{"cell_week", "dr5rs1", "73"}, {1, 0, kHour}},
                    {{"cell_category", "dr5rs1", "cafe"}, {1, 0, kHour}}};
  CHECK(text_of(f.sums()) == text_of(wanted));
}

TEST_CASE("what is inexact of a category stays so under another name of it, until it is mended") {
  Fixture f(std::vector<FeatureViewSpec>{view("user_category", EntityKind::kUser, Dimension::kCategory)});
  const Interaction first = visit("p0", kHour, "first");
  const Interaction second = visit("p0", kHour + 1, "second");
  f.import(place_of("p0", "cafe", 0));
  f.apply({first, second});
  f.apply({retraction(second)});
  REQUIRE(f.state->catalog().rename_category("cafe", "coffee", CategoryTarget::kNewName).ok());
  f.mend({});
  CHECK(f.status().values_inexact == 1);
  f.mend({first});
  CHECK(f.status().values_inexact == 0);
  const Sums wanted{{{"user_category", "u", "coffee"}, {1, 0, kHour}}};
  CHECK(text_of(f.sums()) == text_of(wanted));
}

}  // namespace

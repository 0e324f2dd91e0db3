#include "features/schema.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

using namespace cairn;
using namespace cairn::features;
using std::chrono::days;
using std::chrono::hours;
using std::chrono::seconds;

namespace {

Result<Schema> build(std::vector<FeatureViewSpec> specs) {
  ViewRegistry registry;
  return Schema::build(specs, InteractionTypes(), &registry);
}

std::string problems(std::vector<FeatureViewSpec> specs) {
  const Result<Schema> schema = build(std::move(specs));
  REQUIRE_FALSE(schema.ok());
  CHECK(schema.status().code() == StatusCode::kInvalidArgument);
  return schema.status().message();
}

std::string problem(FeatureViewSpec spec) { return problems({std::move(spec)}); }

constexpr const char* kTypes = "view, click, visit, rate, save, dismiss";

}  // namespace

TEST_CASE("views are compiled in the order declared, and found by name") {
  const Result<Schema> schema =
      build({{.name = "visits", .events = {{"visit", "1"}, {"rate", "value - 2.5"}}}, {.name = "all_events"}});
  REQUIRE(schema.ok());
  REQUIRE(schema->views().size() == 2);
  const View& visits = schema->views()[0];
  CHECK(visits.id == 1);
  REQUIRE(visits.weights.size() == 6);
  CHECK_FALSE(visits.weights[0].has_value());
  CHECK(visits.weights[2]->evaluate(std::nullopt) == 1.0);
  CHECK(visits.weights[3]->evaluate(4.0) == 1.5);
  CHECK(schema->find("all_events") == &schema->views()[1]);
  CHECK(schema->find("none") == nullptr);
}

TEST_CASE("a view that names no events counts every type with weight 1, declared ones too") {
  ViewRegistry registry;
  const auto types = InteractionTypes::with_declared({"check_in"});
  const std::vector<FeatureViewSpec> specs = {{.name = "all_events"}};
  const Result<Schema> schema = Schema::build(specs, *types, &registry);
  REQUIRE(schema.ok());
  const auto& weights = schema->views()[0].weights;
  REQUIRE(weights.size() == 7);
  CHECK(std::all_of(weights.begin(), weights.end(), [](const auto& w) { return w && w->evaluate({}) == 1.0; }));
}

TEST_CASE("a type that counts as another has its weight so often, where a view wants it and does not name the type") {
  ViewRegistry registry;
  const auto types = InteractionTypes::with_declared({"purchase", "wish"}, {{"purchase", {"visit", 5}}});
  REQUIRE(types.ok());
  const std::vector<FeatureViewSpec> specs = {
      {.name = "a", .events = {{"visit", "2"}}, .counts_as = true},
      {.name = "b", .events = {{"visit", "2"}}},
      {.name = "c", .events = {{"visit", "2"}, {"purchase", "7"}}, .counts_as = true},
      {.name = "d", .events = {{"save", "1"}}, .counts_as = true}};
  const Result<Schema> schema = Schema::build(specs, *types, &registry);
  REQUIRE(schema.ok());
  const TypeIndex purchase = *types->find("purchase");
  const auto& views = schema->views();
  CHECK(views[0].weights[purchase.value]->evaluate({}) == 2.0);
  CHECK(views[0].times.at(purchase.value) == 5);
  CHECK_FALSE(views[0].weights[types->find("wish")->value]);
  CHECK_FALSE(views[1].weights[purchase.value]);
  CHECK(views[2].weights[purchase.value]->evaluate({}) == 7.0);
  CHECK(views[2].times.empty());
  CHECK_FALSE(views[3].weights[purchase.value]);
}

TEST_CASE("what counts as what is no part of a view's definition: its values stay when that changes") {
  ViewRegistry registry;
  const std::vector<FeatureViewSpec> specs = {{.name = "a", .events = {{"visit", "1"}}, .counts_as = true}};
  const auto before = Schema::build(specs, *InteractionTypes::with_declared({"purchase"}), &registry);
  const auto after =
      Schema::build(specs, *InteractionTypes::with_declared({"purchase"}, {{"purchase", {"visit", 3}}}), &registry);
  CHECK(before->views()[0].id == after->views()[0].id);
}

TEST_CASE("what cannot count as another type is refused by name") {
  const auto refused = [](const std::map<std::string, CountsAs>& counts_as) {
    return InteractionTypes::with_declared({"purchase", "wish"}, counts_as).status().message();
  };
  CHECK(refused({{"buy", {"visit"}}}) == "'buy' counts as 'visit', and is not declared");
  CHECK(refused({{"save", {"visit"}}}) == "'save' is built in, and counts as itself");
  CHECK(refused({{"wish", {"purchase"}}}) ==
        "'wish' must count as view, click, visit, rate, save or dismiss, and not as 'purchase'");
  CHECK(refused({{"wish", {"save", 0}}}) == "the weight of 'wish' must be a whole number from 1 to 100, not 0");
  CHECK(refused({{"wish", {"save", 101}}}) == "the weight of 'wish' must be a whole number from 1 to 100, not 101");
  CHECK(refused({{"wish", {"save", 100}}}).empty());
}

TEST_CASE("each problem names its view and the remedy") {
  const FeatureViewSpec good{.name = "v"};
  FeatureViewSpec spec = good;
  spec.half_life = hours(1);
  CHECK(problem(spec) ==
        "feature view 'v': half_life has a meaning for decayed_sum only; remove it or set aggregate to decayed_sum");
  spec = good;
  spec.aggregate = Aggregate::kDecayedSum;
  CHECK(problem(spec) == "feature view 'v': decayed_sum needs half_life of at least 1s; set it, for example to 30d");
  spec.half_life = seconds(-1);
  CHECK(problem(spec) == "feature view 'v': decayed_sum needs half_life of at least 1s; set it, for example to 30d");
  spec.half_life = days(36'501);
  CHECK(problem(spec) == "feature view 'v': half_life exceeds 36500d; use sum for what does not decay");
  spec = good;
  spec.ttl = seconds(-1);
  CHECK(problem(spec) == "feature view 'v': ttl is negative; use 0 for values that never expire");
  spec.ttl = days(36'501);
  CHECK(problem(spec) == "feature view 'v': ttl exceeds 36500d; use 0 for values that never expire");
  spec = good;
  spec.max_entries = 0;
  CHECK(problem(spec) == "feature view 'v': max_entries is 0; use 1 to 65536");
  spec.max_entries = 65'537;
  CHECK(problem(spec) == "feature view 'v': max_entries is 65537; use 1 to 65536");
  spec = good;
  spec.cell_precision = 13;
  CHECK(problem(spec) == "feature view 'v': cell_precision is 13; use 1 to 12 letters");
  spec.cell_precision = 0;
  CHECK(problem(spec) == "feature view 'v': cell_precision is 0; use 1 to 12 letters");
  spec = good;
  spec.aggregate = Aggregate::kSequence;
  CHECK(problem(spec) ==
        "feature view 'v': a sequence needs a dimension to record; set dimension, for example to place");
}

TEST_CASE("a misspelled type is answered with the nearest one") {
  const std::string known = std::string("(known: ") + kTypes + ")";
  CHECK(problem({.name = "v", .events = {{"vist", "1"}}}) ==
        "feature view 'v': interaction type 'vist' in events is unknown; did you mean 'visit'? " + known);
  CHECK(problem({.name = "v", .events = {{"clicks", "1"}}}) ==
        "feature view 'v': interaction type 'clicks' in events is unknown; did you mean 'click'? " + known);
  CHECK(problem({.name = "v", .events = {{"purchase", "1"}}}) ==
        std::string("feature view 'v': interaction type 'purchase' in events is unknown; use one of ") + kTypes +
            ", or declare it as an interaction type");
  CHECK(problem({.name = "v", .events = {{std::string(5'000, 'x'), "1"}}}).find("use one of") != std::string::npos);
}

TEST_CASE("a bad weight is shown with its column, a repeated type is refused") {
  CHECK(problem({.name = "v", .events = {{"rate", "value -"}}}) ==
        "feature view 'v': weight of 'rate', \"value -\", column 8: expected a number, `value`, a function or '(' at "
        "the end");
  CHECK(problem({.name = "v", .events = {{"rate", "1"}, {"rate", "2"}}}) ==
        "feature view 'v': events names 'rate' more than once; keep one weight");
}

TEST_CASE("names have their alphabet and length, and are distinct") {
  for (const char* name : {"V", "9v", "_v", "a-b", "a b", "aé", ""}) {
    INFO(name);
    CHECK(problem({.name = name}).find("name must be a lower-case letter, then up to 62 of a-z, 0-9 and _") !=
          std::string::npos);
  }
  CHECK(build({{.name = std::string(63, 'a')}}).ok());
  CHECK_FALSE(build({{.name = std::string(64, 'a')}}).ok());
  CHECK(problems({{.name = "v"}, {.name = "v"}}) ==
        "feature view 'v': declared more than once; give each view a name of its own");
}

TEST_CASE("numbers that are no entity, dimension or aggregate are refused") {
  CHECK(problem({.name = "v", .entity = static_cast<EntityKind>(0)}).find("entity is unknown") != std::string::npos);
  CHECK(problem({.name = "v", .dimension = static_cast<Dimension>(7)}).find("dimension is unknown") !=
        std::string::npos);
  CHECK(problem({.name = "v", .aggregate = static_cast<Aggregate>(9)}).find("aggregate is unknown") !=
        std::string::npos);
}

TEST_CASE("all problems are reported at once, one a line, and give out no ids") {
  ViewRegistry registry;
  const std::vector<FeatureViewSpec> specs = {
      {.name = ""}, {.name = "fine"}, {.name = "two", .max_entries = 0, .cell_precision = 0, .events = {{"x", "+"}}}};
  const Result<Schema> schema = Schema::build(specs, InteractionTypes(), &registry);
  REQUIRE_FALSE(schema.ok());
  const std::string& message = schema.status().message();
  CHECK(std::count(message.begin(), message.end(), '\n') == 4);
  CHECK(message.find("feature view 1: name must") == 0);
  CHECK(message.find("\nfeature view 'two': max_entries") != std::string::npos);
  CHECK(message.find("\nfeature view 'two': cell_precision") != std::string::npos);
  CHECK(message.find("\nfeature view 'two': interaction type 'x'") != std::string::npos);
  CHECK(message.find("\nfeature view 'two': weight of 'x', \"+\", column 1") != std::string::npos);
  CHECK(message.find("fine") == std::string::npos);
  CHECK(registry == ViewRegistry());
}

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "cairn/engine.h"
#include "engine/ranking/builtin_views.h"
#include "engine/ranking/recommender.h"
#include "features/row.h"
#include "tests/support/temporary_folder.h"

namespace {

using namespace cairn;
using Ids = std::vector<std::string>;

/// An hour of a clock that a test moves.
class HandClock final : public Clock {
 public:
  [[nodiscard]] EventTime now() const override { return event_time_from_ms(ms); }
  std::atomic<std::int64_t> ms = 1'795'780'800'000;  // Friday, the 27th of November 2026, 12:00 UTC
};

Ids ids_of(const Recommendations& answer) {
  Ids ids;
  for (const Recommended& item : answer.items) ids.push_back(item.place.id.str());
  return ids;
}

struct Fixture {
  test::TemporaryFolder folder;
  HandClock clock;
  EngineOptions options;
  std::unique_ptr<Engine> engine;

  Fixture() {
    options.state_dir = folder / "state";
    options.places.attributes = {{"opening_hours", AttributeType::kHours}, {"price", AttributeType::kNumber}};
    options.places.time_zone = "Europe/Berlin";
    options.places.public_holidays = {"12-25"};
  }
  void open() {
    engine.reset();
    auto opened = Engine::open(options, clock);
    REQUIRE_MESSAGE(opened.ok(), opened.status().to_string());
    engine = *std::move(opened);
  }
  void add(const std::string& id, double north_km, Attributes attributes, const std::string& category = "") {
    Place place{PlaceId(id), id, {40.7 + north_km / 111.195, -74.0}, category, std::move(attributes)};
    const Status added = engine->upsert_places({}, std::span(&place, 1));
    REQUIRE_MESSAGE(added.ok(), added.to_string());
  }
  Result<Recommendations> answer(RecommendRequest request) {
    REQUIRE(engine->wait_caught_up(CallContext::within(std::chrono::seconds(60))).ok());
    request.user = UserId("u");
    request.position = GeoPoint{40.7, -74.0};
    return engine->recommend({}, request);
  }
  Ids ask(RecommendRequest request) {
    const auto got = answer(std::move(request));
    REQUIRE_MESSAGE(got.ok(), got.status().to_string());
    return ids_of(*got);
  }
  std::string refusal(RecommendRequest request) { return answer(std::move(request)).status().message(); }
};

EventTime utc(int hour, int minute = 0, int day = 27) {
  return EventTime(std::chrono::sys_days(std::chrono::year(2026) / 11 / day).time_since_epoch() +
                   std::chrono::hours(hour) + std::chrono::minutes(minute));
}

}  // namespace

TEST_CASE("attributes are there after a restart, deleted places and those without any beside them") {
  Fixture f;
  f.open();
  const Attributes all{{"list", std::vector<AttributeScalar>{std::string("a"), 2.5, false}},
                       {"no", false},
                       {"price", 12.5},
                       {"text", std::string("caf\xC3\xA9")},
                       {"yes", true}};
  f.add("with", 1, all, "cafe");
  f.add("without", 2, {});
  f.add("gone", 3, all);
  f.add("back", 4, all);
  for (const char* id : {"gone", "back"}) {
    const PlaceId place(id);
    REQUIRE(f.engine->delete_places({}, std::span(&place, 1), PlaceHistory::kKeep).ok());
  }
  f.add("back", 4, {{"price", 1.0}});
  f.open();
  CHECK(f.engine->get_place({}, PlaceId("with"))->attributes == all);
  CHECK(f.engine->get_place({}, PlaceId("without"))->attributes.empty());
  CHECK_FALSE(f.engine->get_place({}, PlaceId("gone")).ok());
  CHECK(to_json(f.engine->get_place({}, PlaceId("back"))->attributes) == R"({"price":1})");
  CHECK(f.ask({.where = "list = 2.5 and not no"}) == Ids{"with"});
}

TEST_CASE("a value that does not fit is refused with the place, and nothing of the import is taken") {
  Fixture f;
  f.open();
  const std::vector<Place> places{{PlaceId("a"), "", {1, 2}, ""},
                                  {PlaceId("b"), "", {1, 2}, "", {{"opening_hours", std::string("Mo-Fr 8-18")}}}};
  const Status refused = f.engine->upsert_places({}, places);
  CHECK(refused.code() == StatusCode::kInvalidArgument);
  CHECK(refused.message() ==
        "place 1 ('b'): attribute 'opening_hours' is no opening hours that can be read: 'Mo-Fr 8-18', column 7: a time "
        "such as 08:00 is expected");
  CHECK(f.engine->status({}).places == 0);
}

TEST_CASE("a declaration that comes later is of what was stored before it, too") {
  Fixture f;
  f.options.places.attributes.clear();
  f.open();
  f.add("cheap", 1, {{"price", std::string("4.5")}});
  f.add("odd", 2, {{"price", std::string("ask")}});
  CHECK(f.refusal({.where = "price < 10"}) ==
        "where: attribute 'price' holds texts, and is compared with numbers; declare what it is, [[attribute]] name = "
        "\"price\" type = \"number\"");
  f.options.places.attributes = {{"price", AttributeType::kNumber}};
  f.open();
  CHECK(f.ask({.where = "price < 10"}) == Ids{"cheap"});
}

TEST_CASE("an attribute that no place has is told of with the name that was meant") {
  Fixture f;
  f.open();
  f.add("a", 1, {{"cuisine", std::string("thai")}});
  CHECK(f.refusal({.where = "cusine = thai"}) == "where: no place has an attribute 'cusine'; did you mean 'cuisine'?");
  CHECK(f.refusal({.where = "wheelchair"}) ==
        "where: no place has an attribute 'wheelchair'; there are cuisine, opening_hours, price");
  CHECK(f.refusal({.where = "cuisine ="}).starts_with("where: column 10: "));
  CHECK(f.ask({.where = "price is absent"}) == Ids{"a"});  // declared, and on no place
}

TEST_CASE("a short answer says how many places a condition removed") {
  Fixture f;
  f.open();
  for (int i = 0; i < 5; ++i) f.add("p" + std::to_string(i), i, {{"price", static_cast<double>(i)}});
  const auto short_one = f.answer({.where = "price >= 3"});
  REQUIRE(short_one.ok());
  CHECK(short_one->candidates == 2);
  CHECK(short_one->shortfall ==
        "5 places known, 5 within 50000 m, 2 of them pass the filters, 3 were removed by where, open or only");
  CHECK(f.ask({.only = {PlaceId("p4"), PlaceId("nobody")}}) == Ids{"p4"});
  CHECK(f.ask({.exclude_categories = {"nothing"}, .where = "price = 1"}) == Ids{"p1"});
}

TEST_CASE("attributes come with an answer that asks for them") {
  Fixture f;
  f.open();
  f.add("a", 1, {{"price", 3.0}});
  CHECK(f.answer({})->items[0].place.attributes.empty());
  CHECK(to_json(f.answer({.attributes = true})->items[0].place.attributes) == R"({"price":3})");
}

TEST_CASE("places are open by their own clocks, over midnight and when the clocks change") {
  Fixture f;
  f.open();
  f.add("berlin", 1, {{"opening_hours", std::string("Mo-Fr 08:00-18:00; PH off")}});
  f.add("newyork", 2,
        {{"opening_hours", std::string("Mo-Fr 08:00-18:00")}, {"time_zone", std::string("America/New_York")}});
  f.add("bar", 3, {{"opening_hours", std::string("Fr 22:00-03:00")}});
  f.add("maybe", 4, {{"opening_hours", std::string("Fr 18:00+")}});
  f.add("unknown", 5, {});
  // Berlin is an hour ahead of UTC in November, New York five behind.
  CHECK(f.ask({.open_at = utc(10)}) == Ids{"berlin"});
  CHECK(f.ask({.open_at = utc(14)}) == Ids{"berlin", "newyork"});
  CHECK(f.ask({.open_at = utc(17)}) == Ids{"newyork"});
  CHECK(f.ask({.open_at = utc(1, 30, 28)}) == Ids{"bar"});
  CHECK(f.ask({.open_at = utc(2, 0, 28)}).empty());
  CHECK(f.ask({.open_at = utc(18), .open_unknown = true}) == Ids{"newyork", "maybe", "unknown"});
  CHECK(f.ask({.open_now = true}) == Ids{"berlin"});  // 12:00 UTC
  // The 25th of December 2026 is a Friday, and a holiday of the configuration's.
  const EventTime christmas = event_time_from_ms(1'798'200'000'000);  // 12:00 UTC
  CHECK(f.ask({.open_at = christmas}).empty());
  CHECK(f.refusal({.open_at = utc(1), .open_now = true}).find("not both") != std::string::npos);
  CHECK(f.refusal({.open_unknown = true}) == "open_unknown needs open_at");
}

// Germany's clocks went from 2:00 to 3:00 on the 29th of March 2026, and from 3:00 back to 2:00 on the 25th of October.
TEST_CASE("an hour that clocks leave out is not there, and one that they show twice is open twice") {
  Fixture f;
  f.open();
  f.add("night", 1, {{"opening_hours", std::string("Su 02:00-03:00")}});
  const auto at = [](int month, int day, int hour, int minute) {
    return EventTime(std::chrono::sys_days(std::chrono::year(2026) / month / day).time_since_epoch() +
                     std::chrono::hours(hour) + std::chrono::minutes(minute));
  };
  CHECK(f.ask({.open_at = at(3, 29, 0, 59)}).empty());           // 01:59
  CHECK(f.ask({.open_at = at(3, 29, 1, 0)}).empty());            // 03:00
  CHECK(f.ask({.open_at = at(10, 25, 0, 30)}) == Ids{"night"});  // 02:30, summer
  CHECK(f.ask({.open_at = at(10, 25, 1, 30)}) == Ids{"night"});  // 02:30, winter
  CHECK(f.ask({.open_at = at(10, 25, 2, 0)}).empty());           // 03:00
}

TEST_CASE("hours that cannot be read are counted and unknown where that was chosen") {
  Fixture f;
  f.options.places.attributes = {{"opening_hours", AttributeType::kHours, OnUnreadable::kUnknown}};
  f.open();
  f.add("asks", 1, {{"opening_hours", std::string("call us")}});
  f.add("open", 2, {{"opening_hours", std::string("24/7")}});
  CHECK(f.ask({.open_now = true}) == Ids{"open"});
  CHECK(f.ask({.open_now = true, .open_unknown = true}) == Ids{"asks", "open"});
  CHECK(f.engine->status({}).unreadable_hours == 1);
}

TEST_CASE("what is open now is kept for its minute and no longer, and an answer says how much of it is left") {
  Fixture f;
  f.options.answers.memory_bytes = 1 << 20;
  f.options.answers.ttl = f.options.answers.ttl_min = std::chrono::hours(1);
  f.open();
  f.add("till one past one", 1, {{"opening_hours", std::string("Fr 12:00-13:01")}});
  f.add("always", 2, {{"opening_hours", std::string("24/7")}});
  f.clock.ms += 20'500;  // 13:00:20.5 in Berlin
  const auto first = f.answer({.open_now = true});
  REQUIRE(first.ok());
  CHECK(ids_of(*first) == Ids{"till one past one", "always"});
  CHECK_FALSE(first->kept);
  CHECK(first->open_for == std::chrono::milliseconds(39'500));
  f.clock.ms += 30'000;
  const auto again = f.answer({.open_now = true});
  REQUIRE(again.ok());
  CHECK(again->kept);
  CHECK(again->open_for == std::chrono::milliseconds(9'500));
  f.clock.ms += 9'500;  // 13:01
  const auto closed = f.answer({.open_now = true});
  REQUIRE(closed.ok());
  CHECK(ids_of(*closed) == Ids{"always"});
  CHECK(closed->open_for == std::chrono::minutes(1));
  // What names its time is true for ever.
  CHECK_FALSE(f.answer({.open_at = utc(12)})->open_for);
  CHECK_FALSE(f.answer({})->open_for);
}

TEST_CASE("lists for all that leave out different places never share a kept answer") {
  Fixture f;
  f.options.answers.memory_bytes = 1 << 20;
  f.options.answers.ttl = f.options.answers.ttl_min = std::chrono::hours(1);
  f.open();
  f.add("dear", 1, {{"price", 30.0}, {"opening_hours", std::string("24/7")}}, "bar");
  f.add("cheap", 2, {{"price", 10.0}}, "cafe");
  f.add("closed", 3, {{"price", 20.0}, {"opening_hours", std::string("off")}}, "cafe");
  REQUIRE(f.engine->wait_caught_up(CallContext::within(std::chrono::seconds(60))).ok());
  const std::vector<std::pair<RecommendRequest, Ids>> lists{
      {{}, {"dear", "cheap", "closed"}},
      {{.where = "price < 25"}, {"cheap", "closed"}},
      {{.where = "price < 15"}, {"cheap"}},
      {{.exclude_categories = {"bar"}}, {"cheap", "closed"}},
      {{.exclude_categories = {"cafe"}}, {"dear"}},
      {{.categories = {"bar"}}, {"dear"}},
      {{.open_now = true}, {"dear"}},
      {{.open_now = true, .open_unknown = true}, {"dear", "cheap"}},
      {{.only = {PlaceId("closed")}}, {"closed"}},
      {{.exclude = {PlaceId("closed")}}, {"dear", "cheap"}},
  };
  for (const bool again : {false, true}) {
    for (std::size_t i = 0; i < lists.size(); ++i) {
      CAPTURE(i);
      RecommendRequest request = lists[i].first;
      request.cell = "dr5re";  // of 40.7, -74
      const auto answer = f.engine->recommend({}, request);
      REQUIRE_MESSAGE(answer.ok(), answer.status().to_string());
      Ids ids = ids_of(*answer);
      std::sort(ids.begin(), ids.end());
      Ids wanted = lists[i].second;
      std::sort(wanted.begin(), wanted.end());
      CHECK(ids == wanted);
      CHECK(answer->kept.has_value() == again);
    }
  }
}

TEST_CASE(
    "a rule that asks for what no place has, or that matches none, is named with the reason once there are places") {
  Fixture f;
  f.options.rules = {{.name = "lunch", .when = "lunch_menu", .add = 1.0},
                     {.name = "not smoky", .when = "not smoking", .add = 1.0},
                     {.name = "dear", .when = "price > 100", .effect = RuleEffect::kBury},
                     {.name = "cheap", .when = "price < 10", .add = 1.0},
                     {.name = "elsewhere", .cells = {"u33d"}, .add = 1.0},
                     {.name = "all", .add = 1.0}};
  f.open();
  CHECK(f.engine->status({}).idle_rules.empty());
  f.add("a", 1, {{"price", 3.0}});
  CHECK(f.ask({}) == Ids{"a"});
  const std::string none = "it matches none of the places";
  const IdleRule elsewhere{"elsewhere", none};
  CHECK(f.engine->status({}).idle_rules ==
        std::vector<IdleRule>{{"lunch", "no place has an attribute 'lunch_menu'; there are opening_hours, price"},
                              {"not smoky", "no place has an attribute 'smoking'; there are opening_hours, price"},
                              {"dear", none},
                              elsewhere});
  f.add("b", 2, {{"price", 200.0}, {"lunch_menu", true}, {"smoking", true}});
  CHECK(f.ask({}).size() == 2);
  CHECK(f.engine->status({}).idle_rules == std::vector<IdleRule>{elsewhere});
  REQUIRE(f.engine->apply_rules({}, {{.name = "all", .add = 1.0}}).ok());
  CHECK(f.engine->status({}).idle_rules.empty());
}

TEST_CASE("without declared hours nobody is asked when places are open") {
  Fixture f;
  f.options.places.attributes.clear();
  f.open();
  CHECK(f.answer({.open_now = true}).status().code() == StatusCode::kFailedPrecondition);
  CHECK(f.refusal({.open_now = true}).starts_with("open_at: no attribute is declared as opening hours; add "));
}

TEST_CASE("a rule shows in the reasons with its name, and the score is the sum of the contributions") {
  Fixture f;
  f.options.rules = {{.name = "lunch", .when = "lunch_menu", .active = "Mo-Fr 11:00-14:00", .add = 2.5},
                     {.name = "ours", .when = "category = shop", .effect = RuleEffect::kPin},
                     {.name = "closing down", .when = "closing", .effect = RuleEffect::kBury}};
  f.open();
  f.add("near", 0.5, {{"closing", true}});
  f.add("menu", 2, {{"lunch_menu", true}});
  f.add("plain", 1, {});
  f.add("shop", 5, {}, "shop");
  CHECK(f.ask({}) == Ids{"shop", "menu", "plain", "near"});  // 13:00 in Berlin
  const auto with = f.answer({.against = true});
  REQUIRE(with.ok());
  const auto rule_of = [&](std::size_t item) {
    for (const auto* reasons : {&with->items[item].reasons, &with->items[item].against}) {
      for (const Reason& reason : *reasons) {
        if (reason.feature.starts_with("rule:")) return reason;
      }
    }
    return Reason();
  };
  CHECK(rule_of(0).text == "rule ours pins it");
  CHECK(rule_of(1).feature == "rule:lunch");
  CHECK(rule_of(1).contribution == 2.5);
  CHECK(rule_of(1).text == "rule lunch adds +2.5");
  CHECK(rule_of(2).feature.empty());
  CHECK(rule_of(3).text == "rule closing down buries it");

  // Of the sum of all contributions nothing is hidden.
  double sum = 0.0;
  for (const Reason& reason : with->items[1].reasons) sum += reason.contribution;
  for (const Reason& reason : with->items[1].against) sum += reason.contribution;
  CHECK(with->items[1].score == doctest::Approx(sum).epsilon(1e-5));

  REQUIRE(f.engine->apply_rules({}, {}).ok());
  const auto without = f.answer({});
  CHECK(f.ask({}) == Ids{"near", "plain", "menu", "shop"});
  // A rule that only adds leaves all else as it is, the network's part among it.
  REQUIRE(f.engine->apply_rules({}, {{.name = "lunch", .when = "lunch_menu", .add = 2.5}}).ok());
  const auto added = f.answer({});
  REQUIRE(added->items[0].place.id.str() == "menu");
  CHECK(added->items[0].score == doctest::Approx(without->items[2].score + 2.5));
  CHECK(added->items[1].score == doctest::Approx(without->items[0].score));
  REQUIRE(f.engine->apply_rules({}, {}).ok());
  CHECK(f.engine->apply_rules({}, {{.name = "", .add = 1.0}}).message() ==
        "rule[0].name: must have 1 to 64 bytes of UTF-8 in one line");
  CHECK(f.ask({}) == Ids{"near", "plain", "menu", "shop"});
}

TEST_CASE("pages of an answer with rules hold every place once") {
  Fixture f;
  f.options.rules = {{.name = "pin", .when = "price < 3", .effect = RuleEffect::kPin},
                     {.name = "bury", .when = "price >= 8", .effect = RuleEffect::kBury}};
  f.open();
  for (int i = 0; i < 10; ++i) f.add("p" + std::to_string(i), 10.0 - i, {{"price", static_cast<double>(i)}});
  Ids all;
  RecommendRequest request{.limit = 3};
  for (int page = 0; page < 4; ++page) {
    const auto got = f.answer(request);
    REQUIRE(got.ok());
    for (const Recommended& item : got->items) all.push_back(item.place.id.str());
    request.cursor = got->next;
  }
  CHECK(all == Ids{"p2", "p1", "p0", "p7", "p6", "p5", "p4", "p3", "p9", "p8"});
}

TEST_CASE("kept answers know conditions, open hours and rules") {
  Fixture f;
  f.options.answers.memory_bytes = 1u << 20;
  f.open();
  f.add("a", 1, {{"price", 1.0}});
  f.add("b", 2, {{"price", 2.0}});
  CHECK(f.ask({.where = "price = 1"}) == Ids{"a"});
  CHECK(f.ask({.where = "price = 2"}) == Ids{"b"});
  CHECK(f.ask({.only = {PlaceId("b")}}) == Ids{"b"});
  CHECK(f.ask({}) == Ids{"a", "b"});
  CHECK(f.answer({})->kept.has_value());
  REQUIRE(f.engine->apply_rules({}, {{.name = "r", .when = "price = 2", .effect = RuleEffect::kPin}}).ok());
  CHECK(f.ask({}) == Ids{"b", "a"});
  CHECK(f.answer({.attributes = true})->items[0].place.attributes.size() == 1);
  CHECK(f.answer({})->items[0].place.attributes.empty());
}

TEST_CASE("conditions, lists and rules that say an old name of a category mean what it is called now") {
  Fixture f;
  f.options.answers.memory_bytes = 1u << 20;
  f.options.answers.ttl = f.options.answers.ttl_min = std::chrono::hours(1);
  f.options.rules = {{.name = "cafes", .when = "category = cafe", .effect = RuleEffect::kPin}};
  f.open();
  f.add("c", 3, {}, "cafe");
  f.add("b", 2, {}, "bar");
  f.add("s", 1, {}, "shop");
  const auto check = [&](const std::string& name, const Ids& of_it, const Ids& others) {
    CAPTURE(name);
    for (int kept = 0; kept < 2; ++kept) {
      CHECK(f.ask({.categories = {name}}) == of_it);
      CHECK(f.ask({.exclude_categories = {name}}) == others);
      CHECK(f.ask({.where = "category = " + name}) == of_it);
      CHECK(f.ask({.where = "category != " + name}) == others);
      CHECK(f.ask({.where = "category in (" + name + ", none) and not category in (none)"}) == of_it);
    }
  };
  const auto rename = [&](const std::string& from, const std::string& to, CategoryTarget target) {
    const auto moved = f.engine->rename_category({}, from, to, target);
    REQUIRE_MESSAGE(moved.ok(), moved.status().to_string());
  };
  check("cafe", {"c"}, {"s", "b"});
  check("bar", {"b"}, {"c", "s"});
  CHECK(f.ask({}) == Ids{"c", "s", "b"});

  rename("cafe", "bar", CategoryTarget::kExisting);
  for (const char* name : {"cafe", "bar"}) check(name, {"b", "c"}, {"s"});
  CHECK(f.ask({}) == Ids{"b", "c", "s"});
  CHECK(f.engine->status({}).idle_rules.empty());
  CHECK(f.ask({.where = "category < \"c\""}) == Ids{"b", "c"});  // compares bytes, and means no name

  rename("bar", "pub", CategoryTarget::kNewName);
  for (const char* name : {"cafe", "bar", "pub"}) check(name, {"b", "c"}, {"s"});
  CHECK(f.ask({.where = "category < \"c\""}).empty());
  f.open();
  for (const char* name : {"cafe", "bar", "pub"}) check(name, {"b", "c"}, {"s"});

  // Of two names of one category neither is there twice, and a name that is taken up again is the one that counts.
  CHECK(f.ask({.categories = {"cafe", "bar", "shop"}}) == Ids{"b", "c", "s"});
  rename("pub", "cafe", CategoryTarget::kNewName);
  for (const char* name : {"cafe", "bar", "pub"}) check(name, {"b", "c"}, {"s"});
}

TEST_CASE("what a name of a category without places means is answered anew once the category has become another") {
  Fixture f;
  f.options.answers.memory_bytes = 1u << 20;
  f.options.answers.ttl = f.options.answers.ttl_min = std::chrono::hours(1);
  f.open();
  f.add("b", 1, {}, "cafe");
  f.add("b", 1, {}, "bar");
  CHECK(f.ask({.where = "category = cafe"}).empty());
  CHECK(f.ask({.exclude_categories = {"cafe"}}) == Ids{"b"});
  const auto moved = f.engine->rename_category({}, "cafe", "bar", CategoryTarget::kExisting);
  REQUIRE_MESSAGE(moved.ok(), moved.status().to_string());
  CHECK(*moved == 0);
  CHECK(f.ask({.where = "category = cafe"}) == Ids{"b"});
  CHECK(f.ask({.exclude_categories = {"cafe"}}).empty());
}

TEST_CASE("options of places that make no sense are refused with the key") {
  const auto problem = [](PlaceOptions options, std::vector<PlaceRule> rules = {}) {
    return check_place_options(options, rules).message();
  };
  CHECK(problem({.time_zone = "Mars"}).starts_with("places.time_zone: 'Mars' is no time zone"));
  CHECK(problem({.public_holidays = {"x"}}).starts_with("places.public_holidays: 'x' is no day"));
  CHECK(problem({.school_holidays = {"x"}}).starts_with("places.school_holidays: 'x' is no day"));
  CHECK(problem({.attributes = {{""}}}).starts_with("attribute[0].name: "));
  CHECK(problem({}, {{.name = "a", .add = 1.0}, {.name = "a", .add = 1.0}}) ==
        "rule[1].name: 'a' is the name of rule[0] already");
  CHECK(problem({}, {{.name = "a"}}).starts_with("rule[0].add: must be from -1000 to 1000 and not 0"));
  CHECK(problem({}, {{.name = "a", .effect = RuleEffect::kBury, .add = 1.0}}).starts_with("rule[0].add: is for"));
  CHECK(problem({}, {{.name = "a", .when = "x =", .add = 1.0}}).starts_with("rule[0].when: column 4"));
  CHECK(problem({}, {{.name = "a", .active = "always", .add = 1.0}}).starts_with("rule[0].active: column 1"));
  CHECK(problem({}, {{.name = "a", .cells = {"ail"}, .add = 1.0}}) ==
        "rule[0].cells: 'ail' is no geohash of 1 to 12 letters");
}

#include "engine/ranking/explain/sentences.h"

#include <doctest/doctest.h>

#include <map>
#include <string>
#include <vector>

namespace {

using namespace cairn;
using namespace cairn::ranking;
using std::chrono::minutes;

const EventTime kWednesdayNoon = event_time_from_ms(1'714'564'800'000);  // 2024-05-01T12:00:00Z

Sentences english() { return *Sentences::create({}, {}); }

ReasonOptions german() {
  return {.templates = {{"de",
                         {{"visited", "du warst {count}-mal hier"},
                          {"visited_once", "du warst einmal hier"},
                          {"distance", "es ist {distance} entfernt"},
                          {"last_visited", "du warst {ago} hier"},
                          {"hours_ago", "vor {count} Stunden"},
                          {"same_time_of_week", "du warst {when} hier"},
                          {"when", "{day} gegen {hour}"},
                          {"hour", "{count} Uhr"},
                          {"wednesday", "mittwochs"},
                          {"decimal_sign", ","},
                          {"and_two", "{first}, und {second}"}}}}};
}

std::string said(const Language& language, const Clause& clause, minutes ahead = minutes(0)) {
  return language.words(clause, ahead);
}

TEST_CASE("numbers in clauses are those that were seen") {
  const Sentences all = english();
  const Language& in = all.in("");
  CHECK(said(in, {.say = Say::kVisitedOnce}) == "you have been here once");
  CHECK(said(in, {.say = Say::kVisited, .count = 12}) == "you have been here 12 times");
  CHECK(said(in, {.say = Say::kVisits, .count = 1283}) == "there have been 1283 visits");
  CHECK(said(in, {.say = Say::kDistance, .number = 419.6}) == "it is 420 m away");
  CHECK(said(in, {.say = Say::kDistance, .number = 950.1}) == "it is 1.0 km away");
  CHECK(said(in, {.say = Say::kLastVisited, .number = 0.001}) == "you were here just now");
  CHECK(said(in, {.say = Say::kLastVisited, .number = 1.0 / 60}) == "you were here a minute ago");
  CHECK(said(in, {.say = Say::kLastVisited, .number = 0.5}) == "you were here 30 minutes ago");
  CHECK(said(in, {.say = Say::kLastVisited, .number = 1.49}) == "you were here 89 minutes ago");
  CHECK(said(in, {.say = Say::kLastVisited, .number = 1.6}) == "you were here 2 hours ago");
  CHECK(said(in, {.say = Say::kLastVisited, .number = 72.0}) == "you were here 3 days ago");
  CHECK(said(in, {.say = Say::kRated, .count = 4, .number = 4.25}) == "it was rated 4 times, 4.2 on average");
  CHECK(said(in, {.say = Say::kLikesKind, .text = "Cafe {count}"}) ==
        "you go to places of the kind Cafe {count} more than most do");
}

TEST_CASE("hours are those of the clock that sentences speak by") {
  const Sentences all = english();
  const Clause clause{.say = Say::kSameTimeOfWeek, .time = kWednesdayNoon};
  CHECK(said(all.in(""), clause) == "you have been here around 12:00 on Wednesdays");
  CHECK(said(all.in(""), clause, minutes(120)) == "you have been here around 14:00 on Wednesdays");
  CHECK(said(all.in(""), clause, minutes(13 * 60)) == "you have been here around 1:00 on Thursdays");
}

TEST_CASE("clauses become one sentence") {
  const Sentences all = english();
  const Language& in = all.in("");
  CHECK(in.sentence({}).empty());
  CHECK(in.sentence(std::vector<std::string>{"you dismissed it"}) == "You dismissed it.");
  CHECK(in.sentence(std::vector<std::string>{"a {second}", "b"}) == "A {second}, and b.");
  CHECK(in.sentence(std::vector<std::string>{"a", "b", "c"}) == "A, b, and c.");
}

TEST_CASE("a language says what it has, in its own way, and the rest in English") {
  const Sentences all = *Sentences::create(german(), {});
  const Language& in = all.in("de");
  CHECK(said(in, {.say = Say::kVisited, .count = 3}) == "du warst 3-mal hier");
  CHECK(said(in, {.say = Say::kDistance, .number = 1340.0}) == "es ist 1,3 km entfernt");
  CHECK(said(in, {.say = Say::kLastVisited, .number = 5.0}) == "du warst vor 5 Stunden hier");
  CHECK(said(in, {.say = Say::kSameTimeOfWeek, .time = kWednesdayNoon}, minutes(120)) ==
        "du warst mittwochs gegen 14 Uhr hier");
  CHECK(said(in, {.say = Say::kDismissed}) == "you dismissed it");
}

TEST_CASE("everything that is said can be said otherwise, and nothing stays English then") {
  struct Said {
    Clause clause;
    std::string name;
    std::string holds;  ///< in the template
    std::string shown;  ///< in its place
  };
  const std::vector<Said> all_said = {
      {{.say = Say::kVisitedOnce}, "visited_once", "", ""},
      {{.say = Say::kVisited, .count = 12}, "visited", "{count}", "12"},
      {{.say = Say::kLastVisited, .number = 5.0}, "last_visited", "{ago}", "<hours_ago 5>"},
      {{.say = Say::kSameTimeOfDay}, "same_time_of_day", "", ""},
      {{.say = Say::kSameTimeOfWeek, .time = kWednesdayNoon}, "same_time_of_week", "{when}", "<<hour 12> <wednesday>>"},
      {{.say = Say::kVisitsOne}, "visits_one", "", ""},
      {{.say = Say::kVisits, .count = 3}, "visits", "{count}", "3"},
      {{.say = Say::kToday}, "today", "", ""},
      {{.say = Say::kLately}, "lately", "", ""},
      {{.say = Say::kBusier, .time = kWednesdayNoon}, "busier", "{when}", "<<hour 12> <wednesday>>"},
      {{.say = Say::kQuieter, .time = kWednesdayNoon}, "quieter", "{when}", "<<hour 12> <wednesday>>"},
      {{.say = Say::kKindBusier, .time = kWednesdayNoon}, "kind_busier", "{when}", "<<hour 12> <wednesday>>"},
      {{.say = Say::kKindQuieter, .time = kWednesdayNoon}, "kind_quieter", "{when}", "<<hour 12> <wednesday>>"},
      {{.say = Say::kDistance, .number = 1340.0}, "distance", "{distance}", "<kilometers 1|3>"},
      {{.say = Say::kLikesKind, .text = "5"}, "likes_kind", "{category}", "5"},
      {{.say = Say::kLikesKindLess, .text = "5"}, "likes_kind_less", "{category}", "5"},
      {{.say = Say::kSameKind}, "same_kind", "", ""},
      {{.say = Say::kPartOfTown}, "part_of_town", "", ""},
      {{.say = Say::kKindLookedAt, .text = "5"}, "kind_looked_at", "{category}", "5"},
      {{.say = Say::kNearLookedAt}, "near_looked_at", "", ""},
      {{.say = Say::kLookedAt}, "looked_at", "", ""},
      {{.say = Say::kDismissed}, "dismissed", "", ""},
      {{.say = Say::kRatedOnce, .number = 4.5}, "rated_once", "{rating}", "4|5"},
      {{.say = Say::kRated, .count = 2, .number = 4.5}, "rated", "{count} {rating}", "2 4|5"},
      {{.say = Say::kGoesWithVisits}, "goes_with_visits", "", ""},
      {{.say = Say::kGoesWithSession}, "goes_with_session", "", ""},
      {{.say = Say::kGoesWithOthers}, "goes_with_others", "", ""},
  };
  REQUIRE(all_said.size() == kSayCount);
  std::map<std::string, std::string> other = {{"and_two", "{second} & {first}"},
                                              {"and_three", "{third} & {second} & {first}"},
                                              {"when", "<{hour} {day}>"},
                                              {"decimal_sign", "|"},
                                              {"sentence", "<< {clauses} >>"}};
  for (const char* counted : {"minutes_ago", "hours_ago", "days_ago", "hour", "meters", "kilometers"}) {
    other[counted] = "<" + std::string(counted) + " {count}>";
  }
  const std::vector<std::string> days = {"wednesday", "thursday", "friday", "saturday", "sunday", "monday", "tuesday"};
  for (const std::string& plain : days) other[plain] = "<" + plain + ">";
  for (const char* plain : {"just_now", "minute_ago"}) other[plain] = "<" + std::string(plain) + ">";
  for (const Said& one : all_said) other[one.name] = one.name + ":" + one.holds;
  const auto made = Sentences::create({.templates = {{"xx", other}}}, {});
  REQUIRE_MESSAGE(made.ok(), made.status().to_string());
  const Language& in = made->in("xx");
  for (const Said& one : all_said) {
    CAPTURE(one.name);
    CHECK(said(in, one.clause) == one.name + ":" + one.shown);
  }
  const auto ago = [&](double hours) { return said(in, {.say = Say::kLastVisited, .number = hours}); };
  CHECK(ago(0.001) == "last_visited:<just_now>");
  CHECK(ago(1.0 / 60) == "last_visited:<minute_ago>");
  CHECK(ago(0.5) == "last_visited:<minutes_ago 30>");
  CHECK(ago(72.0) == "last_visited:<days_ago 3>");
  CHECK(said(in, {.say = Say::kDistance, .number = 949.0}) == "distance:<meters 949>");
  for (std::size_t day = 0; day < days.size(); ++day) {
    const EventTime noon = kWednesdayNoon + std::chrono::days(day);
    CHECK(said(in, {.say = Say::kBusier, .time = noon}) == "busier:<<hour 12> <" + days[day] + ">>");
  }
  CHECK(in.sentence(std::vector<std::string>{"a", "b"}) == "<< B & a >>");
  CHECK(in.sentence(std::vector<std::string>{"a", "b", "{clauses}"}) == "<< {clauses} & b & a >>");
}

TEST_CASE("a sentence begins with a capital, also of other alphabets") {
  const Sentences all = english();
  const auto sentence = [&](const std::string& clause) { return all.in("").sentence(std::vector{clause}); };
  CHECK(sentence("you") == "You.");
  CHECK(sentence("\u00FCber") == "\u00DCber.");
  CHECK(sentence("\u03B5\u03AF\u03BD\u03B1\u03B9") == "\u0395\u03AF\u03BD\u03B1\u03B9.");
  CHECK(sentence("\u0432\u044B") == "\u0412\u044B.");
  CHECK(sentence("\u0457\u0445") == "\u0407\u0445.");
  CHECK(sentence("\u00DFx") == "\u00DFx.");  // has none in common use
  CHECK(sentence("\u6771") == "\u6771.");
  CHECK(sentence("5 x") == "5 x.");
}

TEST_CASE("the language that is wanted most is chosen among those there are") {
  const Sentences all = *Sentences::create(german(), {});
  CHECK(all.language_of("").empty());
  CHECK(all.language_of("de") == "de");
  CHECK(all.language_of("DE-at") == "de");
  CHECK(all.language_of("fr, de;q=0.8, en;q=0.9").empty());  // English is the default
  CHECK(all.language_of("fr;q=1, en;q=0.2, de;q=0.8") == "de");
  CHECK(all.language_of("de;q=0").empty());
  CHECK(all.language_of("*, ;;,q=, de-").empty() == false);
  CHECK(&all.in("de") != &all.in(""));
  ReasonOptions options = german();
  options.language = "de";
  const Sentences by_default = *Sentences::create(options, {});
  CHECK(by_default.language_of("de").empty());
  CHECK(by_default.language_of("en") == "en");
  CHECK(said(by_default.in(""), {.say = Say::kVisitedOnce}) == "du warst einmal hier");
}

TEST_CASE("a template that means nothing, or names what it does not have, is refused by name") {
  const auto refused = [](ReasonOptions options) { return Sentences::create(options, {}).status().message(); };
  CHECK(refused({.templates = {{"de", {{"visted", "x"}}}}}).starts_with("templates.de.visted: nothing is said"));
  CHECK(refused({.templates = {{"de", {{"visited", "{coutn} Mal"}}}}}) ==
        "templates.de.visited: '{coutn}' stands for nothing there; it may name {count}");
  CHECK(refused({.templates = {{"de", {{"today", "{count}"}}}}}) ==
        "templates.de.today: '{count}' stands for nothing there; it may name nothing");
  CHECK(refused({.templates = {{"de", {{"visited", "{count"}}}}}).find("stands for nothing") != std::string::npos);
  CHECK(refused({.templates = {{"de", {{"visited", ""}}}}}).find("is empty") != std::string::npos);
  CHECK(refused({.language = "fr"}).starts_with("language: there are no templates for 'fr'"));
}

TEST_CASE("an own feature is said as it is declared, or as the language has it") {
  const std::vector<RankingFeatureSpec> features = {{.name = "sold", .view = "v"}};
  const Sentences all =
      *Sentences::create({.templates = {{"de", {{"sold", "{value} Mal gekauft"}, {"decimal_sign", ","}}}}}, features);
  CHECK(all.in("").words("sold", "bought {value} times", 5.0) == "bought 5 times");
  CHECK(all.in("de").words("sold", "bought {value} times", 2.5) == "2,5 Mal gekauft");
}

}  // namespace

#include "engine/upkeep/idle_rules_log.h"

#include <doctest/doctest.h>

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace cairn;
using Lines = std::vector<std::string>;

TEST_CASE("a rule that does nothing is named once, in the second round that sees it, and again if that has changed") {
  Lines lines;
  upkeep::IdleRulesLog log(
      Logger([&](LogLevel level, std::string_view event, std::string_view message, std::initializer_list<LogField>) {
        CHECK(level == LogLevel::kWarning);
        CHECK(event == "rules.idle");
        lines.emplace_back(message);
      }));
  const std::string says = "a rule does nothing, or not what it says: ";
  const IdleRule lunch{"lunch", "it matches none of the places"};
  const IdleRule misspelt{"misspelt", "no place has an attribute 'prize'; did you mean 'price'?"};
  std::vector<PlaceRule> rules{{.name = "lunch", .when = "price > 100"}, {.name = "misspelt", .when = "prize > 1"}};
  log.round({lunch}, rules);
  CHECK(lines.empty());
  log.round({lunch, misspelt}, rules);
  CHECK(lines == Lines{says + lunch.why});
  log.round({lunch, misspelt}, rules);
  log.round({lunch, misspelt}, rules);
  CHECK(lines == Lines{says + lunch.why, says + misspelt.why});

  const IdleRule other{"misspelt", "it matches none of the places"};
  log.round({other}, rules);
  log.round({other}, rules);
  CHECK(lines.size() == 3);
  // One that did something meanwhile is news.
  log.round({}, rules);
  log.round({lunch}, rules);
  CHECK(lines.size() == 3);
  log.round({lunch}, rules);
  CHECK(lines.size() == 4);
  // So is another one of that name, even where it does as little; the rest is not said again.
  log.round({lunch, other}, rules);
  log.round({lunch, other}, rules);
  CHECK(lines.size() == 5);
  rules[0].when = "price > 90";
  log.round({lunch, other}, rules);
  log.round({lunch, other}, rules);
  CHECK(lines.size() == 6);
  CHECK(lines.back() == says + lunch.why);
}

}  // namespace

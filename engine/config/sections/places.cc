#include <algorithm>
#include <string>
#include <vector>

#include "engine/config/sections/complaints.h"
#include "engine/config/sections/sections.h"
#include "features/condition.h"
#include "features/geohash.h"
#include "features/opening_hours.h"

namespace cairn::config {
namespace {

/// By the code that will use them, so that the check cannot accept what a start would refuse.
std::string holidays_complaint(const Value& value) {
  const auto read = features::Holidays::make(std::get<std::vector<std::string>>(value), {});
  return read.ok() ? "" : read.status().message();
}

std::string condition_complaint(const Value& value) {
  const std::string& text = std::get<std::string>(value);
  if (text.empty()) return {};
  const auto read = features::Condition::parse(text);
  return read.ok() ? "" : read.status().message();
}

std::string hours_complaint(const Value& value) {
  const std::string& text = std::get<std::string>(value);
  if (text.empty()) return {};
  const auto read = features::OpeningHours::parse(text);
  return read.ok() ? "" : read.status().message();
}

std::string cells_complaint(const Value& value) {
  for (const std::string& cell : std::get<std::vector<std::string>>(value)) {
    if (!features::parse_geohash(cell)) return quoted(cell) + " is no geohash of 1 to 12 letters";
  }
  return {};
}

}  // namespace

Section places_section() {
  return {"places",
          "What is known of all places alike.",
          {
              make_key<Config>(CAIRN_AT(engine.places.time_zone),
                               {.name = "time_zone",
                                .type = KeyType::kText,
                                .doc = "Whose clock opening hours go by where a place has no attribute time_zone, and "
                                       "rules: a name such as Europe/Berlin, UTC or +02:00.",
                                .example = "\"Europe/Berlin\""}),
              make_key<Config>(CAIRN_AT(engine.places.public_holidays),
                               {.name = "public_holidays",
                                .type = KeyType::kTextList,
                                .doc = "The days that opening hours call PH: 2026-12-25, 12-25 for each year, or "
                                       "2026-12-24..2026-12-26.",
                                .example = "[\"12-25\", \"2026-05-25\"]",
                                .complaint = holidays_complaint}),
              make_key<Config>(CAIRN_AT(engine.places.school_holidays),
                               {.name = "school_holidays",
                                .type = KeyType::kTextList,
                                .doc = "The days that opening hours call SH, likewise.",
                                .example = "[\"2026-07-09..2026-08-22\"]",
                                .complaint = holidays_complaint}),
          }};
}

RecordTable<AttributeSpec> make_attribute_table() {
  return {
      "attribute",
      "An attribute of places whose type matters. Others hold what they are given. Give one such table per attribute.",
      {
          make_key<AttributeSpec>(CAIRN_AT(name), {.name = "name",
                                                   .type = KeyType::kText,
                                                   .doc = "Its name, unique.",
                                                   .example = "\"opening_hours\"",
                                                   .required = true}),
          make_choice<AttributeSpec>(
              CAIRN_AT(type),
              std::vector<std::pair<std::string, AttributeType>>{{"string", AttributeType::kString},
                                                                 {"number", AttributeType::kNumber},
                                                                 {"boolean", AttributeType::kBoolean},
                                                                 {"list", AttributeType::kList},
                                                                 {"hours", AttributeType::kHours},
                                                                 {"time", AttributeType::kTime}},
              {.name = "type",
               .doc = "What it holds. Text that fits is taken for it: \"4.5\" for a number, \"yes\" for a boolean, "
                      "\"a;b\" for a list. Other values are refused at import. hours: opening hours in "
                      "OpenStreetMap's syntax, of one attribute; time: of a day, \"08:30\".",
               .example = "\"hours\""}),
          make_choice<AttributeSpec>(
              CAIRN_AT(on_unreadable),
              std::vector<std::pair<std::string, OnUnreadable>>{{"refuse", OnUnreadable::kRefuse},
                                                                {"unknown", OnUnreadable::kUnknown}},
              {.name = "on_unreadable",
               .doc = "When hours cannot be read. refuse: the import is refused, and names the place and the text. "
                      "unknown: the text is kept, the hours are unknown, and `cairn status` counts the place.",
               .in_example = false}),
      },
      {}};
}

RecordTable<PlaceRule> make_rule_table() {
  return {
      "rule",
      "A rule by which places rise or fall, whatever is known of them. It matches a place when all that it names "
      "holds. "
      "Read at the start, and again at SIGHUP. Give one such table per rule.",
      {
          make_key<PlaceRule>(CAIRN_AT(name), {.name = "name",
                                               .type = KeyType::kText,
                                               .doc = "Its name, unique; reasons call it rule:NAME.",
                                               .example = "\"lunch\"",
                                               .live = true,
                                               .required = true}),
          make_key<PlaceRule>(
              CAIRN_AT(when),
              {.name = "when",
               .type = KeyType::kText,
               .doc = "What has to hold of the place, as `cairn recommend --where` takes it. Empty: any.",
               .example = "\"category = restaurant and lunch_menu\"",
               .live = true,
               .complaint = condition_complaint}),
          make_key<PlaceRule>(CAIRN_AT(cells), {.name = "cells",
                                                .type = KeyType::kTextList,
                                                .doc = "Geohashes, one of which the place lies in. Empty: anywhere.",
                                                .example = "[\"u33d\"]",
                                                .live = true,
                                                .in_example = false,
                                                .complaint = cells_complaint}),
          make_key<PlaceRule>(CAIRN_AT(active),
                              {.name = "active",
                               .type = KeyType::kText,
                               .doc = "Times at which it is in force, in the syntax of opening hours, by "
                                      "places.time_zone. Empty: always.",
                               .example = "\"Mo-Fr 11:00-14:00\"",
                               .live = true,
                               .complaint = hours_complaint}),
          make_choice<PlaceRule>(
              CAIRN_AT(effect),
              std::vector<std::pair<std::string, RuleEffect>>{
                  {"add", RuleEffect::kAdd}, {"bury", RuleEffect::kBury}, {"pin", RuleEffect::kPin}},
              {.name = "effect",
               .doc = "add: `add` is added to the score. bury: it comes after all places that are not "
                      "buried. pin: it comes before all that are not pinned.",
               .example = "\"add\"",
               .live = true}),
          make_key<PlaceRule>(CAIRN_AT(add),
                              {.name = "add",
                               .type = KeyType::kNumber,
                               .doc = "With effect = \"add\": what is added to the score, or taken from it.",
                               .min = -kRuleAddMax,
                               .max = kRuleAddMax,
                               .example = "0.5",
                               .live = true}),
      },
      {}};
}

}  // namespace cairn::config

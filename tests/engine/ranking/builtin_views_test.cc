#include "engine/ranking/builtin_views.h"

#include <doctest/doctest.h>

#include <chrono>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace cairn;

// Stored rows are made by these declarations: one that changes gives its view a new id, and all that was stored of it
// is read no more. So they are written down here a second time.
TEST_CASE("the views that ranking reads are declared as ever") {
  struct Declared {
    const char* name;
    EntityKind entity;
    Dimension dimension;
    Aggregate aggregate;
    int half_life_days;
    int ttl_days;
    std::uint32_t max_entries;
    std::vector<std::pair<std::string, std::string>> events;
  };
  const std::vector<std::pair<std::string, std::string>> visits = {{"visit", "1"}, {"rate", "1"}};
  const EntityKind user = EntityKind::kUser;
  const EntityKind place = EntityKind::kPlace;
  const Declared all[] = {
      {"user_history", user, Dimension::kPlace, Aggregate::kSequence, 0, 0, 512, visits},
      {"user_category_affinity", user, Dimension::kCategory, Aggregate::kDecayedSum, 30, 0, 1024, visits},
      {"user_cell_affinity", user, Dimension::kCell, Aggregate::kDecayedSum, 30, 0, 1024, visits},
      {"user_interest",
       user,
       Dimension::kPlace,
       Aggregate::kDecayedSum,
       14,
       0,
       1024,
       {{"view", "0.2"}, {"click", "0.5"}, {"save", "2"}}},
      {"user_dismissed", user, Dimension::kPlace, Aggregate::kDecayedSum, 90, 0, 1024, {{"dismiss", "1"}}},
      {"place_visits", place, Dimension::kNone, Aggregate::kCount, 0, 0, 1024, visits},
      {"place_visits_30d", place, Dimension::kNone, Aggregate::kDecayedSum, 30, 0, 1024, visits},
      {"place_hour_of_week", place, Dimension::kHourOfWeek, Aggregate::kCount, 0, 0, 168, visits},
      {"place_hourly", place, Dimension::kHour, Aggregate::kCount, 0, 30, 720, visits},
      {"place_rating", place, Dimension::kNone, Aggregate::kMean, 0, 0, 1024, {{"rate", "value"}}},
      {"cell_visits_30d", EntityKind::kCell, Dimension::kNone, Aggregate::kDecayedSum, 30, 0, 1024, visits},
  };
  const std::vector<FeatureViewSpec> views = ranking::builtin_views();
  REQUIRE(views.size() == std::size(all));
  for (std::size_t i = 0; i < views.size(); ++i) {
    CAPTURE(all[i].name);
    CHECK(views[i].name == all[i].name);
    CHECK(views[i].entity == all[i].entity);
    CHECK(views[i].dimension == all[i].dimension);
    CHECK(views[i].aggregate == all[i].aggregate);
    CHECK(views[i].half_life == std::chrono::days(all[i].half_life_days));
    CHECK(views[i].ttl == std::chrono::days(all[i].ttl_days));
    CHECK(views[i].max_entries == all[i].max_entries);
    CHECK(views[i].cell_precision == 6);
    std::vector<std::pair<std::string, std::string>> events;
    for (const EventWeight& event : views[i].events) events.emplace_back(event.type, event.expression);
    CHECK(events == all[i].events);
  }
}

}  // namespace

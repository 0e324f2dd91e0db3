#include "engine/ranking/builtin_views.h"

namespace cairn::ranking {

namespace {

using std::chrono::hours;

FeatureViewSpec view(std::string_view name, EntityKind entity, Dimension dimension, Aggregate aggregate,
                     std::vector<EventWeight> events) {
  FeatureViewSpec spec;
  spec.name = name;
  spec.entity = entity;
  spec.dimension = dimension;
  spec.aggregate = aggregate;
  spec.events = std::move(events);
  spec.counts_as = true;
  return spec;
}

FeatureViewSpec decayed(std::string_view name, EntityKind entity, Dimension dimension, hours half_life,
                        std::vector<EventWeight> events) {
  FeatureViewSpec spec = view(name, entity, dimension, Aggregate::kDecayedSum, std::move(events));
  spec.half_life = half_life;
  return spec;
}

}  // namespace

std::vector<FeatureViewSpec> builtin_views() {
  constexpr hours kDay{24};
  const std::vector<EventWeight> visits = {{"visit", "1"}, {"rate", "1"}};  // who rates a place has been there

  FeatureViewSpec history = view(kUserHistory, EntityKind::kUser, Dimension::kPlace, Aggregate::kSequence, visits);
  history.max_entries = kHistoryVisitsMax;
  // Ranking keeps two days of tiles; the month is there for those who read the view.
  FeatureViewSpec tiles = view(kPlaceHourly, EntityKind::kPlace, Dimension::kHour, Aggregate::kCount, visits);
  tiles.ttl = 30 * kDay;
  tiles.max_entries = 30 * 24;
  FeatureViewSpec week = view(kPlaceHourOfWeek, EntityKind::kPlace, Dimension::kHourOfWeek, Aggregate::kCount, visits);
  week.max_entries = 168;

  return {
      history,
      decayed(kUserCategoryAffinity, EntityKind::kUser, Dimension::kCategory, 30 * kDay, visits),
      decayed(kUserCellAffinity, EntityKind::kUser, Dimension::kCell, 30 * kDay, visits),
      // How much a look says compared with a click or a save is a choice, not a measurement.
      decayed(kUserInterest, EntityKind::kUser, Dimension::kPlace, 14 * kDay,
              {{"view", "0.2"}, {"click", "0.5"}, {"save", "2"}}),
      decayed(kUserDismissed, EntityKind::kUser, Dimension::kPlace, 90 * kDay, {{"dismiss", "1"}}),
      view(kPlaceVisits, EntityKind::kPlace, Dimension::kNone, Aggregate::kCount, visits),
      decayed(kPlaceVisits30d, EntityKind::kPlace, Dimension::kNone, 30 * kDay, visits),
      week,
      tiles,
      view(kPlaceRating, EntityKind::kPlace, Dimension::kNone, Aggregate::kMean, {{"rate", "value"}}),
      decayed(kCellVisits30d, EntityKind::kCell, Dimension::kNone, 30 * kDay, visits),
  };
}

}  // namespace cairn::ranking

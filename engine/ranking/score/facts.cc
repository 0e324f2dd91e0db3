#include "engine/ranking/score/facts.h"

#include <algorithm>
#include <cmath>

#include "features/calendar.h"

namespace cairn::ranking {

QuestionFacts::QuestionFacts(const Situation& asked, const PlaceIndex& places, const PlaceSignals::Reader& of_places,
                             const WeekCoefficients& week_kernel, const AskedModel* asked_model)
    : situation(asked),
      user(*asked.user),
      index(places),
      signals(of_places),
      week(week_kernel, features::hour_of_week(asked.time)),
      model(asked_model) {
  // Who has been nowhere has been nowhere for ever: every exp() of it is 0.
  const double hours_since_last = user.last_place ? user.hours_since_last : 1e9;
  fresh_1h = std::exp(-hours_since_last);
  fresh_6h = std::exp(-hours_since_last / 6.0);
  position_6h = std::exp(-asked.position_age_hours / 6.0);
  // The older a position is, the less it says: 300 m at once, and 4 km more with every hour of the first day.
  per_reach_km = 1.0 / (0.3 + 4.0 * std::min(asked.position_age_hours, 24.0));
  if (user.last_row != gpu::kNoRow) last_category = index.category(user.last_row);
  tile = static_cast<std::int32_t>(features::hour_tile(asked.time));
  month = static_cast<double>(tile) / (30.0 * 24.0);

  const PlaceSignals::CategoryTotals& all = signals.all();
  visits_of_all = static_cast<double>(all.visits);
  if (visits_of_all > 0.0) hour_share_of_all = week.of(all) / visits_of_all;
  // A category of few visits would be all one hour: 20 visits like everyone's are mixed in.
  hour_share.reserve(signals.categories().size());
  for (const PlaceSignals::CategoryTotals& category : signals.categories()) {
    hour_share.push_back((week.of(category) + 20.0 * hour_share_of_all) /
                         (static_cast<double>(category.visits) + 20.0));
  }
}

CandidateFacts::CandidateFacts(const QuestionFacts& asked, PlaceIndex::Near candidate, const VisitedPlace* of_user,
                               float of_model, const PlaceSignal& signal)
    : question(asked),
      near(candidate),
      visited(of_user),
      place(signal),
      category(asked.index.category(candidate.row)),
      km(static_cast<double>(candidate.meters) / 1000.0),
      model_score(static_cast<double>(of_model)) {
  // The index may have categories that no visit was counted for yet, and kNoCategory is beyond all.
  category_is_known = category < asked.hour_share.size();
  if (asked.hour_share_of_all <= 0.0) return;  // nobody has visited anything near this hour
  expected_hour_share = category_is_known ? asked.hour_share[category] : asked.hour_share_of_all;
}

CandidateFacts::CandidateFacts(const QuestionFacts& asked, PlaceIndex::Near candidate, const VisitedPlace* of_user,
                               float of_model)
    : CandidateFacts(asked, candidate, of_user, of_model, asked.signals.of(asked.index.place_id(candidate.row))) {
  if (asked.hour_share_of_all <= 0.0) return;
  hour_popularity = std::log((asked.week.of(place) + kHourSmoothing * expected_hour_share) /
                             (static_cast<double>(place.visits) + kHourSmoothing) / asked.hour_share_of_all);
}

}  // namespace cairn::ranking

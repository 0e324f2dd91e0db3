#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "cairn/clock.h"
#include "cairn/geo.h"
#include "engine/ranking/model_scores.h"
#include "engine/ranking/place_signals.h"
#include "engine/ranking/retrieve/place_index.h"
#include "engine/ranking/score/week_kernel.h"
#include "engine/ranking/user_profile.h"

namespace cairn::ranking {

/// Whom scores are for, where and when.
struct Situation {
  const UserProfile* user = nullptr;
  GeoPoint position;
  double position_age_hours = 0.0;  ///< how long ago the user was at `position`
  EventTime time;
  std::chrono::minutes clock_ahead{0};  ///< of UTC: of the clock that sentences speak by
};

/// What ranking features read that is the same for all candidates of a question: computed once, read for each.
///
/// Everything that it is made of must outlive it.
struct QuestionFacts {
  /// `asked_model`: null where no model is asked.
  QuestionFacts(const Situation& asked, const PlaceIndex& places, const PlaceSignals::Reader& of_places,
                const WeekCoefficients& week_kernel, const AskedModel* asked_model = nullptr);

  const Situation& situation;
  const UserProfile& user;
  const PlaceIndex& index;
  const PlaceSignals::Reader& signals;
  const WeekKernel week;
  const AskedModel* const model;  ///< null: no model

  double fresh_1h = 0.0;      ///< exp(-hours since the user's last visit); 0 when there is none
  double fresh_6h = 0.0;      ///< the same, over 6 hours
  double position_6h = 0.0;   ///< exp(-age of the position over 6 hours)
  double per_reach_km = 0.0;  ///< 1 over the distance that the user may have gone since the position was fixed
  std::uint32_t last_category = PlaceIndex::kNoCategory;  ///< of the place of the last visit
  std::int32_t tile = 0;                                  ///< the hour asked for, as in PlaceSignal::tiles
  double month = 0.0;              ///< the beginning of the hour, in half-lives of 30 days since the epoch
  double visits_of_all = 0.0;      ///< to all places
  double hour_share_of_all = 0.0;  ///< the share of all visits that fall near this hour of the week
  /// The same by category, smoothed towards everyone's as if by 20 visits.
  std::vector<double> hour_share;
};

/// Visits that a place's share of an hour is smoothed with, as if they were like those of its category.
inline constexpr double kHourSmoothing = 5.0;

/// What ranking features read of one candidate. It lives while its features are computed.
struct CandidateFacts {
  /// `of_user` is the user's history with the place; null: the user has not been there.
  /// `model_score` is what the question's model gives the place, 0 without a model.
  CandidateFacts(const QuestionFacts& asked, PlaceIndex::Near candidate, const VisitedPlace* of_user,
                 float model_score = 0.0F);

  /// What a place without any event would be in the place of `row`: for what is the same for a whole category or cell.
  [[nodiscard]] static CandidateFacts blank(const QuestionFacts& asked, std::uint32_t row) {
    return {asked, {row, 0.0F}, nullptr, 0.0F, kNoSignal};
  }

  const QuestionFacts& question;
  const PlaceIndex::Near near;
  const VisitedPlace* const visited;  ///< null: the user has not been there
  const PlaceSignal& place;
  const std::uint32_t category;  ///< dictionary id, or PlaceIndex::kNoCategory
  const double km;               ///< from the position
  const double model_score;
  bool category_is_known = false;    ///< there are visits to places of categories up to this one
  double expected_hour_share = 0.0;  ///< of its visits near this hour of the week, by its category; 0: nothing is known
  double hour_popularity = 0.0;      ///< ln of its own share, smoothed by kHourSmoothing, over everyone's; 0 if blank

 private:
  CandidateFacts(const QuestionFacts& asked, PlaceIndex::Near candidate, const VisitedPlace* of_user, float model_score,
                 const PlaceSignal& signal);
};

}  // namespace cairn::ranking

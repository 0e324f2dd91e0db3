#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "cairn/options.h"
#include "cairn/recommendation.h"
#include "engine/ranking/place_signals.h"
#include "engine/ranking/ranker_model.h"
#include "engine/ranking/retrieve/place_index.h"
#include "engine/ranking/score/linear_stage.h"
#include "engine/state/feature_state.h"

namespace cairn::ranking {

/// Answers "which places, for this user, here, now" from the feature state and the place index: candidates by geofence
/// and filters, every one scored exactly, the best kept, the reasons written.
///
/// A request sees one place index from its beginning to its end; what an import changes meanwhile is for later ones.
///
/// Threads: any.
class Recommender {
 public:
  /// `state` must outlive the recommender, and is observed from here on.
  /// Returns: INVALID_ARGUMENT for a weight that no ranking feature has; what read_ranker() and reading the state
  /// returned.
  [[nodiscard]] static Result<std::unique_ptr<Recommender>> create(state::FeatureState& state,
                                                                   const RankingOptions& options);

  /// `now` is used where the request names no time. Freshness is left to the caller, but for the tier.
  [[nodiscard]] Result<Recommendations> recommend(const RecommendRequest& request, EventTime now) const;

  /// Every candidate's score, for those who need whole rankings (evaluation).
  struct Scored {
    std::shared_ptr<const PlaceIndex> index;
    std::vector<PlaceIndex::Near> candidates;  ///< ascending by row
    std::vector<float> scores;                 ///< by candidate
  };
  [[nodiscard]] Result<Scored> score(const UserId& user, GeoPoint position, EventTime time, double position_age_hours,
                                     double radius_meters) const;

  /// Rebuilds the place index when the catalogue has changed since. Cheap when it has not.
  void refresh_index();
  [[nodiscard]] bool index_current() const;
  [[nodiscard]] std::shared_ptr<const PlaceIndex> index() const;

 private:
  Recommender(state::FeatureState& state, const RankingOptions& options, RankerModel ranker, LinearStage stage);

  struct Question;  ///< a request with its defaults filled in
  [[nodiscard]] Result<Question> understand(const RecommendRequest& request, const PlaceIndex& index,
                                            EventTime now) const;
  void filter(const Question& question, const PlaceIndex& index, std::vector<PlaceIndex::Near>* candidates) const;

  state::FeatureState& state_;
  const RankingOptions options_;
  const RankerModel ranker_;
  const LinearStage stage_;
  PlaceSignals signals_;

  std::mutex rebuild_mutex_;
  mutable std::mutex index_mutex_;
  std::shared_ptr<const PlaceIndex> index_;  ///< guarded by index_mutex_
};

}  // namespace cairn::ranking

#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cairn/call_context.h"
#include "cairn/engine_status.h"
#include "cairn/mutex.h"
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

  /// `now` is used where the request names no time. The answer's freshness is that of the features before any of them
  /// was read, so the answer reflects at least that much.
  ///
  /// Gives up when `call` does: before the work, while it waits for `min_offset`, after the user's row is read, and
  /// every few thousand candidates.
  /// Returns: INVALID_ARGUMENT; FAILED_PRECONDITION when `min_offset` is not reached and is not to be waited for;
  /// DEADLINE_EXCEEDED, CANCELLED; what reading the state returned.
  [[nodiscard]] Result<Recommendations> recommend(const CallContext& call, const RecommendRequest& request,
                                                  EventTime now) const;

  /// Every candidate's score, for those who need whole rankings (evaluation).
  struct Scored {
    std::shared_ptr<const PlaceIndex> index;
    std::vector<PlaceIndex::Near> candidates;  ///< ascending by row
    std::vector<float> scores;                 ///< by candidate
  };
  [[nodiscard]] Result<Scored> score(const UserId& user, GeoPoint position, EventTime time, double position_age_hours,
                                     double radius_meters) const;

  /// Rebuilds the place index when the catalogue has changed since. Cheap when it has not.
  void refresh_index() CAIRN_EXCLUDES(rebuild_mutex_, index_mutex_);

  /// Fills in what ranking knows of an engine's status: its memory.
  void describe(EngineStatus* status) const { status->memory.push_back({"signals", signals_.memory_bytes(), 0}); }
  [[nodiscard]] std::shared_ptr<const PlaceIndex> index() const CAIRN_EXCLUDES(index_mutex_);

 private:
  [[nodiscard]] bool index_current() const;
  Recommender(state::FeatureState& state, const RankingOptions& options, RankerModel ranker, LinearStage stage);

  struct Question;  ///< a request with its defaults filled in
  struct UserRow {
    state::RowCache::Found found;
    bool damaged = false;  ///< what is stored cannot be read; `found` has no row
  };
  [[nodiscard]] Result<UserRow> user_row(const UserId& user) const;
  /// Waits for `min_offset`, or sets `degraded`, or fails, as the request says.
  Status reach(const CallContext& call, const RecommendRequest& request, bool* degraded) const;
  [[nodiscard]] Result<Question> understand(const RecommendRequest& request, const PlaceIndex& index,
                                            EventTime now) const;
  void filter(const Question& question, const PlaceIndex& index, std::vector<PlaceIndex::Near>* candidates) const;

  // Fixed after construction.
  state::FeatureState& state_;
  const RankingOptions options_;
  const RankerModel ranker_;
  const LinearStage stage_;

  PlaceSignals signals_;  ///< synchronises itself

  Mutex rebuild_mutex_;  ///< one rebuild at a time; guards no field, and is taken before index_mutex_
  mutable Mutex index_mutex_;
  std::shared_ptr<const PlaceIndex> index_ CAIRN_GUARDED_BY(index_mutex_);
};

}  // namespace cairn::ranking

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/clock.h"
#include "cairn/geo.h"
#include "cairn/recommendation.h"
#include "engine/ranking/place_signals.h"
#include "engine/ranking/retrieve/place_index.h"
#include "engine/ranking/user_profile.h"

namespace cairn::ranking {

/// The ranking features, in scoring order. ranking_features() in cairn/engine.h says what each is.
enum class RankingFeature : std::uint8_t {
  kHabit,
  kVisits,
  kVisited,
  kVisitedOnce,
  kJustVisited,
  kStillHere,
  kRecentShare,
  kHourShare,
  kWeekHourShare,
  kPopularity,
  kPopularityDay,
  kPopularityMonth,
  kHourPopularity,
  kHourPopularityNew,
  kCategoryHour,
  kNear,
  kDistance,
  kDistanceNew,
  kCategoryAffinityNew,
  kCategoryRepeated,
  kCellAffinityNew,
  kInterest,
  kDismissed,
  kRating,
};
inline constexpr std::size_t kRankingFeatures = 24;
using FeatureValues = std::array<double, kRankingFeatures>;

/// What is asked: who, where, when.
struct RankingContext {
  const UserProfile* user = nullptr;
  GeoPoint position;
  double position_age_hours = 0.0;  ///< how long ago the user was at `position`
  EventTime time;
};

/// Computes ranking features and their weighted sum. A linear scorer: one scorer among those that could read the same
/// features. Immutable; any thread.
class LinearStage {
 public:
  /// Returns: INVALID_ARGUMENT naming an unknown feature (and the nearest known one) or a weight that is not finite.
  [[nodiscard]] static Result<LinearStage> create(const std::map<std::string, double>& weights);

  /// The score of every candidate, in float; `scores` gets the shape of `candidates`, which ascend by row.
  /// Requires: the caller holds signals.lock_shared().
  void score(const RankingContext& context, const PlaceIndex& index, const PlaceSignals& signals,
             std::span<const PlaceIndex::Near> candidates, std::vector<float>* scores) const;

  /// The features of some candidates, in any order, as score() uses them. Requires: as score().
  [[nodiscard]] std::vector<FeatureValues> explain(const RankingContext& context, const PlaceIndex& index,
                                                   const PlaceSignals& signals,
                                                   std::span<const PlaceIndex::Near> candidates) const;

  [[nodiscard]] double weight(RankingFeature feature) const noexcept {
    return weights_[static_cast<std::size_t>(feature)];
  }
  [[nodiscard]] static std::string_view name(RankingFeature feature) noexcept;

 private:
  LinearStage() = default;
  std::array<double, kRankingFeatures> weights_{};
};

/// Every ranking feature, in scoring order.
[[nodiscard]] std::vector<RankingFeatureInfo> ranking_features();

}  // namespace cairn::ranking

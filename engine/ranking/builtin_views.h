#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "cairn/feature_view.h"

namespace cairn::ranking {

// Names of the views that ranking reads.
inline constexpr std::string_view kUserHistory = "user_history";
inline constexpr std::string_view kUserCategoryAffinity = "user_category_affinity";
inline constexpr std::string_view kUserCellAffinity = "user_cell_affinity";
inline constexpr std::string_view kUserInterest = "user_interest";
inline constexpr std::string_view kUserDismissed = "user_dismissed";
inline constexpr std::string_view kPlaceVisits = "place_visits";
inline constexpr std::string_view kPlaceVisits30d = "place_visits_30d";
inline constexpr std::string_view kPlaceHourOfWeek = "place_hour_of_week";
inline constexpr std::string_view kPlaceHourly = "place_hourly";
inline constexpr std::string_view kPlaceRating = "place_rating";
inline constexpr std::string_view kCellVisits30d = "cell_visits_30d";

/// Entries of kUserHistory, and visits of one that are looked at: a bound on what reading one user costs.
inline constexpr std::uint32_t kHistoryVisitsMax = 512;

/// Their declarations. An engine always has these views, before those that its configuration declares. Types that count
/// as another one do so in all of them.
[[nodiscard]] std::vector<FeatureViewSpec> builtin_views();

}  // namespace cairn::ranking

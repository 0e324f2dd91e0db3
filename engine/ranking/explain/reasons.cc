#include "engine/ranking/explain/reasons.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>

#include "features/calendar.h"

namespace cairn::ranking {

namespace {

std::string format(const char* pattern, double value) {
  char text[64];
  std::snprintf(text, sizeof text, pattern, value);
  return text;
}

std::string distance_text(double meters) {
  return meters < 950.0 ? format("%.0f m away", meters) : format("%.1f km away", meters / 1000.0);
}

std::string ago_text(double hours) {
  if (hours < 1.5) return format("%.0f min ago", std::max(0.0, hours) * 60.0);
  return hours < 48.0 ? format("%.0f h ago", hours) : format("%.0f days ago", hours / 24.0);
}

std::string counted(std::int64_t count, const char* noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

std::string count_text(std::int64_t count) { return count == 1 ? "once" : std::to_string(count) + " times"; }

std::string hour_text(EventTime time) {
  constexpr const char* kDays[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
  const int hour = features::hour_of_week(time);
  char text[32];
  std::snprintf(text, sizeof text, "%s %02d h UTC", kDays[hour / 24], hour % 24);
  return text;
}

}  // namespace

std::vector<Reason> ReasonWriter::write(PlaceIndex::Near candidate, const FeatureValues& values) const {
  constexpr std::size_t kReasonsMax = 5;
  std::vector<Reason> reasons;
  for (std::size_t i = 0; i < kRankingFeatures; ++i) {
    const auto feature = static_cast<RankingFeature>(i);
    const double contribution = values[i] * ranking_.weight(feature);
    if (contribution == 0.0) continue;
    reasons.push_back({std::string(LinearStage::name(feature)), values[i], contribution, text(feature, candidate)});
  }
  std::stable_sort(reasons.begin(), reasons.end(), [](const Reason& a, const Reason& b) {
    return std::abs(a.contribution) > std::abs(b.contribution);
  });
  if (reasons.size() > kReasonsMax) reasons.resize(kReasonsMax);
  return reasons;
}

std::string ReasonWriter::text(RankingFeature feature, PlaceIndex::Near candidate) const {
  const VisitedPlace* visited = context_.user->find_row(candidate.row);
  const PlaceSignal& place = signals_.of(index_.place_id(candidate.row));
  switch (feature) {
    case RankingFeature::kHabit:
    case RankingFeature::kVisits:
    case RankingFeature::kVisited:
    case RankingFeature::kVisitedOnce:
    case RankingFeature::kRecentShare:
      return visited == nullptr ? "" : "visited " + count_text(visited->visits);
    case RankingFeature::kJustVisited:
    case RankingFeature::kStillHere: {
      if (visited == nullptr) return "";
      return "last visited " + ago_text(static_cast<double>(to_ms(context_.time) - visited->newest_ms) / 3.6e6);
    }
    case RankingFeature::kHourShare:
    case RankingFeature::kWeekHourShare:
      return "often visited around " + hour_text(context_.time);
    case RankingFeature::kPopularity:
      return counted(place.visits, "visit") + " by everyone";
    case RankingFeature::kPopularityDay:
      return "visited by others in the last 24 h";
    case RankingFeature::kPopularityMonth:
      return "popular these weeks";
    case RankingFeature::kHourPopularity:
    case RankingFeature::kHourPopularityNew:
      return "how usual the place is around " + hour_text(context_.time);
    case RankingFeature::kCategoryHour:
      return "how usual its category is around " + hour_text(context_.time);
    case RankingFeature::kNear:
    case RankingFeature::kDistance:
    case RankingFeature::kDistanceNew:
      return distance_text(static_cast<double>(candidate.meters));
    case RankingFeature::kCategoryAffinityNew:
      return "how much the user likes " + index_.place(candidate.row).category;
    case RankingFeature::kCategoryRepeated:
      return "same category as the last visit";
    case RankingFeature::kCellAffinityNew:
      return "in a part of town the user goes to";
    case RankingFeature::kInterest:
      return "viewed, clicked or saved by the user";
    case RankingFeature::kDismissed:
      return "dismissed by the user";
    case RankingFeature::kRating:
      return counted(place.ratings, "rating");
  }
  return "";
}

}  // namespace cairn::ranking

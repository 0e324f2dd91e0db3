#include "engine/ranking/score/linear_stage.h"

#include <algorithm>
#include <cmath>

#include "features/calendar.h"

namespace cairn::ranking {

namespace {

struct FeatureText {
  std::string_view name;
  std::string_view meaning;
  double default_weight;
};

// The weights were fitted by conditional logit (which of all places was visited next, given everything before) on
// public check-ins; those of the last four, of which check-ins tell nothing or little, were set by hand.
constexpr FeatureText kFeatures[kRankingFeatures] = {
    {"habit",
     "ln(1 + sum over the user's visits to the place of a kernel of age, hour, kind of day and preceding step)",
     1.338032},
    {"visits", "ln(1 + the user's visits to the place)", -0.300177},
    {"visited", "1 when the user has visited the place", 1.481608},
    {"visited_once", "1 when the user has visited the place exactly once", -1.021212},
    {"just_visited", "2.72^(-hours since the user's last visit to the place / 12)", -3.097370},
    {"still_here", "2.72^(-hours since the user's last visit / 6) when that was to the place", -1.964637},
    {"recent_share", "ln(1 + 100 * the place's share of the user's visits, half-life 7 days)", 0.201280},
    {"hour_share", "ln(1 + 100 * the place's share of the user's visits near this hour of day, half-life 30 days)",
     0.166019},
    {"week_hour_share", "ln(1 + 100 * the place's share of the user's visits near this hour of week)", 0.112368},
    {"popularity", "ln(1 + all visits to the place)", -0.414875},
    {"popularity_day", "ln(1 + 3 * visits to the place in the last 24 hours, by hourly tiles)", 0.342394},
    {"popularity_month", "ln(1 + visits to the place, half-life 30 days)", 0.455167},
    {"hour_popularity", "ln(visits to the place near this hour of week, over what any place gets then)", 0.350913},
    {"hour_popularity_new", "hour_popularity where the user has not been", 0.326896},
    {"category_hour", "ln(visits to the place's category near this hour of week, over what any gets then)", 0.267022},
    {"near", "2.72^(-km) * 2.72^(-hours since the position / 6)", 1.323901},
    {"distance", "ln(1 + km / (0.3 + 4 * hours since the position, at most 24))", -0.763544},
    {"distance_new", "ln(1 + 10 * km) where the user has not been", -0.846939},
    {"category_affinity_new",
     "ln(the user's share of the category, over everyone's), half-life 30 days, where the user has not been", 0.153989},
    {"category_repeated", "2.72^(-hours since the last visit) when that was to a place of the same category", 0.828362},
    {"cell_affinity_new",
     "ln(1 + 100 * the cell's share of the user's visits), half-life 30 days, where the user has not been", 0.0},
    {"interest", "ln(1 + views, clicks and saves of the place by the user, half-life 14 days)", 0.6},
    {"dismissed", "ln(1 + dismissals of the place by the user, half-life 90 days)", -4.0},
    {"rating", "mean rating of the place less 3, pulled to 0 as if by 5 ratings of 3", 0.2},
};

double share(double part, double total) { return std::log1p(100.0 * part / (total + 0.3)); }

double lookup(const std::unordered_map<std::uint64_t, double>& values, std::uint64_t key) {
  const auto found = values.find(key);
  return found == values.end() ? 0.0 : found->second;
}

/// How much a visit at one hour of the week says about another hour: nearby hours of the day most, the same day more
/// than the same kind of day, that more than any day.
class WeekKernel {
 public:
  explicit WeekKernel(int asked) {
    constexpr int kReach = 4;
    for (int shift = -kReach; shift <= kReach; ++shift) {
      const double near = std::exp(-shift * shift / 4.5);
      for (int days = 0; days < 7; ++days) {
        // A visit at `then` spreads to then + shift, and from there to the same hour of every day.
        const int then = wrap(asked - shift - 24 * days);
        const bool same_kind = is_weekend(wrap(then + shift)) == is_weekend(asked);
        weight_[static_cast<std::size_t>(then)] += near * (days == 0 ? 0.4 : same_kind ? 0.2 : 0.03);
      }
    }
  }

  [[nodiscard]] double of(const PlaceSignal& place) const {
    double sum = 0.0;
    for (const auto& [hour, visits] : place.week) sum += weight_[hour] * visits;
    return sum;
  }
  [[nodiscard]] double of(const PlaceSignals::CategoryTotals& totals) const {
    double sum = 0.0;
    for (std::size_t hour = 0; hour < weight_.size(); ++hour) sum += weight_[hour] * totals.week[hour];
    return sum;
  }

 private:
  static int wrap(int hour) { return (hour % 168 + 168) % 168; }
  static bool is_weekend(int hour) { return hour >= 5 * 24; }
  std::array<double, 168> weight_{};
};

/// Everything about a question that does not depend on the candidate.
class Scorer {
 public:
  Scorer(const RankingContext& context, const PlaceIndex& index, const PlaceSignals& signals)
      : context_(context),
        user_(*context.user),
        index_(index),
        signals_(signals),
        week_(features::hour_of_week(context.time)) {
    const double fresh_hours = user_.last_place ? user_.hours_since_last : 1e9;
    fresh_1h_ = std::exp(-fresh_hours);
    fresh_6h_ = std::exp(-fresh_hours / 6.0);
    position_6h_ = std::exp(-context.position_age_hours / 6.0);
    reach_km_ = 1.0 / (0.3 + 4.0 * std::min(context.position_age_hours, 24.0));
    last_category_ = user_.last_row == gpu::kNoRow ? PlaceIndex::kNoCategory : index.category(user_.last_row);
    tile_ = static_cast<std::int32_t>(features::hour_tile(context.time));
    month_ = static_cast<double>(to_ms(context.time)) / (30.0 * 86'400'000.0);
    measure_categories();
  }

  [[nodiscard]] FeatureValues features(PlaceIndex::Near candidate, const VisitedPlace* visited) const {
    FeatureValues f{};
    const double km = static_cast<double>(candidate.meters) / 1000.0;
    place_features(candidate.row, &f);
    at(f, RankingFeature::kNear) = std::exp(-km) * position_6h_;
    at(f, RankingFeature::kDistance) = std::log1p(km * reach_km_);
    if (visited != nullptr) {
      visited_features(*visited, &f);
    } else {
      unvisited_features(candidate.row, km, &f);
    }
    const std::uint32_t category = index_.category(candidate.row);
    if (category != PlaceIndex::kNoCategory && category == last_category_) {
      at(f, RankingFeature::kCategoryRepeated) = fresh_1h_;
    }
    const std::uint64_t place = index_.place_id(candidate.row);
    if (!user_.interest.empty()) at(f, RankingFeature::kInterest) = std::log1p(lookup(user_.interest, place));
    if (!user_.dismissed.empty()) at(f, RankingFeature::kDismissed) = std::log1p(lookup(user_.dismissed, place));
    return f;
  }

 private:
  static double& at(FeatureValues& values, RankingFeature feature) { return values[static_cast<std::size_t>(feature)]; }

  /// Per category: the share of its visits that fall near this hour, smoothed towards everyone's.
  void measure_categories() {
    const auto& all = signals_.all();
    const auto total = static_cast<double>(all.visits);
    hour_share_all_ = total > 0.0 ? week_.of(all) / total : 0.0;
    total_visits_ = total;
    for (const auto& category : signals_.categories()) {
      hour_share_.push_back((week_.of(category) + 20.0 * hour_share_all_) /
                            (static_cast<double>(category.visits) + 20.0));
    }
  }

  void place_features(std::uint32_t row, FeatureValues* f) const {
    const PlaceSignal& place = signals_.of(index_.place_id(row));
    const auto visits = static_cast<double>(place.visits);
    at(*f, RankingFeature::kPopularity) = std::log1p(visits);
    double day = 0.0;
    for (const auto& [tile, count] : place.tiles) {
      if (tile > tile_ - 24 && tile <= tile_) day += count;
    }
    if (day > 0.0) at(*f, RankingFeature::kPopularityDay) = std::log1p(3.0 * day);
    if (place.visits_30d_mantissa > 0.0) {
      at(*f, RankingFeature::kPopularityMonth) =
          std::log1p(place.visits_30d_mantissa * std::exp2(static_cast<double>(place.visits_30d_exponent) - month_));
    }
    if (place.ratings > 0) {
      const auto count = static_cast<double>(place.ratings);
      at(*f, RankingFeature::kRating) = (static_cast<double>(place.rating_micros) / 1e6 - 3.0 * count) / (count + 5.0);
    }
    if (hour_share_all_ <= 0.0) return;
    const std::uint32_t category = index_.category(row);
    const bool known = category < hour_share_.size();
    const double expected = known ? hour_share_[category] : hour_share_all_;
    at(*f, RankingFeature::kHourPopularity) =
        std::log((week_.of(place) + 5.0 * expected) / (visits + 5.0) / hour_share_all_);
    if (known) at(*f, RankingFeature::kCategoryHour) = std::log(expected / hour_share_all_);
  }

  void visited_features(const VisitedPlace& visited, FeatureValues* f) const {
    at(*f, RankingFeature::kHabit) = std::log1p(visited.habit);
    at(*f, RankingFeature::kVisits) = std::log1p(static_cast<double>(visited.visits));
    at(*f, RankingFeature::kVisited) = 1.0;
    at(*f, RankingFeature::kVisitedOnce) = visited.visits == 1 ? 1.0 : 0.0;
    const double hours = std::max(0.0, static_cast<double>(to_ms(context_.time) - visited.newest_ms) / 3.6e6);
    at(*f, RankingFeature::kJustVisited) = std::exp(-hours / 12.0);
    if (user_.last_place == visited.place) at(*f, RankingFeature::kStillHere) = fresh_6h_;
    at(*f, RankingFeature::kRecentShare) = share(visited.recent, user_.recent_total);
    at(*f, RankingFeature::kHourShare) = share(visited.same_hour, user_.same_hour_total);
    at(*f, RankingFeature::kWeekHourShare) = share(visited.same_week_hour, user_.same_week_hour_total);
  }

  void unvisited_features(std::uint32_t row, double km, FeatureValues* f) const {
    at(*f, RankingFeature::kHourPopularityNew) = at(*f, RankingFeature::kHourPopularity);
    at(*f, RankingFeature::kDistanceNew) = std::log1p(10.0 * km);
    if (!user_.cells.empty()) {
      at(*f, RankingFeature::kCellAffinityNew) = share(lookup(user_.cells, index_.cell(row)), user_.cells_total);
    }
    const std::uint32_t category = index_.category(row);
    if (category >= signals_.categories().size()) return;
    const auto kinds = static_cast<double>(signals_.categories().size() + 1);
    const double prior = (static_cast<double>(signals_.categories()[category].visits) + 1.0) / (total_visits_ + kinds);
    const double own = (lookup(user_.categories, category) + 2.0 * prior) / (user_.monthly_total + 2.0);
    at(*f, RankingFeature::kCategoryAffinityNew) = std::log(own / prior);
  }

  const RankingContext& context_;
  const UserProfile& user_;
  const PlaceIndex& index_;
  const PlaceSignals& signals_;
  const WeekKernel week_;
  double fresh_1h_ = 0.0;
  double fresh_6h_ = 0.0;
  double position_6h_ = 0.0;
  double reach_km_ = 0.0;
  double month_ = 0.0;  ///< the moment in half-lives of 30 days since the epoch
  double hour_share_all_ = 0.0;
  double total_visits_ = 0.0;
  std::vector<double> hour_share_;  ///< by category
  std::uint32_t last_category_ = PlaceIndex::kNoCategory;
  std::int32_t tile_ = 0;
};

}  // namespace

Result<LinearStage> LinearStage::create(const std::map<std::string, double>& weights) {
  LinearStage ranking;
  if (weights.empty()) {
    for (std::size_t i = 0; i < kRankingFeatures; ++i) ranking.weights_[i] = kFeatures[i].default_weight;
    return ranking;
  }
  for (const auto& [name, weight] : weights) {
    const auto* found = std::find_if(std::begin(kFeatures), std::end(kFeatures),
                                     [&, n = std::string_view(name)](const FeatureText& f) { return f.name == n; });
    if (found == std::end(kFeatures)) {
      return invalid_argument("no ranking feature is named '" + name + "'; GET /v1/ranking-features lists them");
    }
    if (!std::isfinite(weight)) return invalid_argument("the weight of '" + name + "' is not finite");
    ranking.weights_[static_cast<std::size_t>(found - kFeatures)] = weight;
  }
  return ranking;
}

std::string_view LinearStage::name(RankingFeature feature) noexcept {
  return kFeatures[static_cast<std::size_t>(feature)].name;
}

void LinearStage::score(const RankingContext& context, const PlaceIndex& index, const PlaceSignals& signals,
                        std::span<const PlaceIndex::Near> candidates, std::vector<float>* scores) const {
  const Scorer scorer(context, index, signals);
  scores->resize(candidates.size());
  auto visited = context.user->visited.begin();
  const auto end = context.user->visited.end();
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    while (visited != end && visited->row < candidates[i].row) ++visited;
    const bool is_visited = visited != end && visited->row == candidates[i].row;
    const FeatureValues values = scorer.features(candidates[i], is_visited ? &*visited : nullptr);
    double score = 0.0;
    for (std::size_t f = 0; f < kRankingFeatures; ++f) score += weights_[f] * values[f];
    (*scores)[i] = static_cast<float>(score);
  }
}

std::vector<FeatureValues> LinearStage::explain(const RankingContext& context, const PlaceIndex& index,
                                                const PlaceSignals& signals,
                                                std::span<const PlaceIndex::Near> candidates) const {
  const Scorer scorer(context, index, signals);
  std::vector<FeatureValues> values;
  values.reserve(candidates.size());
  for (const PlaceIndex::Near& near : candidates) {
    values.push_back(scorer.features(near, context.user->find_row(near.row)));
  }
  return values;
}

std::vector<RankingFeatureInfo> ranking_features() {
  std::vector<RankingFeatureInfo> infos;
  for (const auto& feature : kFeatures) {
    infos.push_back({std::string(feature.name), std::string(feature.meaning), feature.default_weight});
  }
  return infos;
}

}  // namespace cairn::ranking

#include "engine/ranking/score/ranking_features.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

#include "engine/ranking/explain/phrases.h"

namespace cairn::ranking {

namespace {

/// Which candidates have a feature. It is 0 for all others, and then not computed.
enum class Of : std::uint8_t {
  kAny,
  kVisited,    ///< the user has been there: CandidateFacts::visited is set
  kUnvisited,  ///< the user has not been there
};

/// All that a ranking feature is. `meaning` is one sentence with formula and unit: its numbers are part of what the
/// feature means. What is fitted to data, such as its weight, is in a RankerModel instead.
struct Declaration {
  std::string_view name;
  std::string_view meaning;
  Of of;
  VariesBy varies;
  double (*value)(const CandidateFacts&);
  std::string (*reason)(const CandidateFacts&);            ///< asked only where the value is not 0
  std::optional<Clause> (*clause)(const CandidateFacts&);  ///< likewise; null, or nothing: no sentence says it
  DistanceForm (*form)(const QuestionFacts&) = nullptr;    ///< with kDistance: what the value is of the distance
};

// ---- pieces of values ---------------------------------------------------------------------------------------------

/// ln(1 + 100 * part / total), a little smoothed, so that the first visits do not make a share of 1.
double share(double part, double total) { return std::log1p(100.0 * part / (total + 0.3)); }

/// Negative where the question is about a moment before the visit.
double hours_since_visit(const CandidateFacts& c) {
  return static_cast<double>(to_ms(c.question.situation.time) - c.visited->newest_ms) / 3.6e6;
}

/// A place has at most PlaceSignals::kTilesKept tiles, so a walk is as quick as a search.
double visits_of_last_day(const CandidateFacts& c) {
  double visits = 0.0;
  for (const auto& [tile, count] : c.place.tiles) {
    if (tile > c.question.tile - 24 && tile <= c.question.tile) visits += count;
  }
  return visits;
}

/// ln of the user's share of the category over everyone's. The user's own share is pulled towards everyone's as if by
/// 2 visits, everyone's towards equal shares as if by 1 visit a category.
double category_affinity(const CandidateFacts& c) {
  const auto categories = c.question.signals.categories();
  if (!c.category_is_known) return 0.0;
  const auto kinds = static_cast<double>(categories.size() + 1);  // places without a category are a kind of their own
  const double everyones =
      (static_cast<double>(categories[c.category].visits) + 1.0) / (c.question.visits_of_all + kinds);
  const UserProfile& user = c.question.user;
  const double own = (user.categories.of(c.category) + 2.0 * everyones) / (user.monthly_total + 2.0);
  return std::log(own / everyones);
}

DistanceForm near_form(const QuestionFacts& q) { return {DistanceForm::Of::kExponential, q.position_6h, 1.0}; }
DistanceForm distance_form(const QuestionFacts& q) { return {DistanceForm::Of::kLogarithm, 1.0, q.per_reach_km}; }
DistanceForm distance_new_form(const QuestionFacts& /*question*/) { return {DistanceForm::Of::kLogarithm, 1.0, 10.0}; }

// ---- sentences that several features share ------------------------------------------------------------------------

std::string hour_said(const CandidateFacts& c) {
  return hour_phrase(c.question.situation.time, c.question.situation.clock_ahead);
}
std::string visited_times(const CandidateFacts& c) { return "visited " + times_phrase(c.visited->visits); }
std::string last_visited(const CandidateFacts& c) { return "last visited " + ago_phrase(hours_since_visit(c)); }
std::string often_visited(const CandidateFacts& c) { return "often visited around " + hour_said(c); }
std::string usual_hour(const CandidateFacts& c) { return "how usual the place is around " + hour_said(c); }
std::string how_far(const CandidateFacts& c) { return distance_phrase(static_cast<double>(c.near.meters)); }

// Sentences say what was seen and not how it counts: the sign of a contribution is the weight's business. Clauses are
// of a sentence to the user, and say the same, or nothing where a number bears out no plain words.

/// By the newest of the place's hours that are kept.
bool visited_lately(const CandidateFacts& c) {
  constexpr std::int32_t kFourWeeks = 28 * 24;
  return !c.place.tiles.empty() && c.place.tiles.back().first > c.question.tile - kFourWeeks;
}

std::optional<Clause> visited_clause(const CandidateFacts& c) {
  if (c.visited->visits == 1) return Clause{.say = Say::kVisitedOnce};
  return Clause{.say = Say::kVisited, .count = c.visited->visits};
}
std::optional<Clause> last_visited_clause(const CandidateFacts& c) {
  const double hours = hours_since_visit(c);
  if (hours < 0.0) return std::nullopt;
  return Clause{.say = Say::kLastVisited, .number = hours};
}
/// The sums of kernels over visits: half of one at exactly that time.
constexpr double kAboutOneVisit = 0.5;
std::optional<Clause> time_of_day_clause(const CandidateFacts& c) {
  if (c.visited->same_hour < kAboutOneVisit) return std::nullopt;
  return Clause{.say = Say::kSameTimeOfDay};
}
std::optional<Clause> time_of_week_clause(const CandidateFacts& c) {
  if (c.visited->same_week_hour < kAboutOneVisit) return std::nullopt;
  return Clause{.say = Say::kSameTimeOfWeek, .time = c.question.situation.time};
}
std::optional<Clause> visits_clause(const CandidateFacts& c) {
  if (c.place.visits == 1) return Clause{.say = Say::kVisitsOne};
  return Clause{.say = Say::kVisits, .count = c.place.visits};
}
std::optional<Clause> busy_clause(const CandidateFacts& c) {
  return Clause{.say = c.hour_popularity > 0.0 ? Say::kBusier : Say::kQuieter, .time = c.question.situation.time};
}
std::optional<Clause> distance_clause(const CandidateFacts& c) {
  return Clause{.say = Say::kDistance, .number = static_cast<double>(c.near.meters)};
}
std::optional<Clause> rated_clause(const CandidateFacts& c) {
  const double mean = static_cast<double>(c.place.rating_micros) / 1e6 / static_cast<double>(c.place.ratings);
  if (c.place.ratings == 1) return Clause{.say = Say::kRatedOnce, .number = mean};
  return Clause{.say = Say::kRated, .count = c.place.ratings, .number = mean};
}
std::optional<Clause> kind_clause(const CandidateFacts& c) {
  const UserProfile& user = c.question.user;
  const std::string_view category = c.question.index.place(c.near.row).category;
  if (user.by_session) {
    if (!user.categories.contains(c.category)) return std::nullopt;
    return Clause{.say = Say::kKindLookedAt, .text = category};
  }
  return Clause{.say = category_affinity(c) > 0.0 ? Say::kLikesKind : Say::kLikesKindLess, .text = category};
}
std::optional<Clause> model_clause(const CandidateFacts& c) {
  const AskedModel* asked = c.question.model;
  if (asked == nullptr) return std::nullopt;
  if (asked->history.items.empty()) {
    return asked->segment ? std::optional(Clause{.say = Say::kGoesWithOthers}) : std::nullopt;
  }
  return Clause{.say = c.question.user.visits.empty() ? Say::kGoesWithSession : Say::kGoesWithVisits};
}

/// `asked` is null where no model is.
std::string_view model_reason(const AskedModel* asked) {
  if (asked == nullptr || !asked->history.items.empty()) return "goes with where the user has been";
  return asked->segment ? "goes with where others like to go" : "many have been there";
}

// ---- the features -------------------------------------------------------------------------------------------------

constexpr Declaration kFeatures[] = {
    // What the user did at the place.
    {.name = "habit",
     .meaning =
         "ln(1 + sum over the user's visits to the place of a kernel of age, hour, kind of day and preceding step)",
     .of = Of::kVisited,
     .varies = VariesBy::kUserAndPlace,
     .value = [](const CandidateFacts& c) { return std::log1p(c.visited->habit); },
     .reason = visited_times,
     .clause = visited_clause},
    {.name = "visits",
     .meaning = "ln(1 + the user's visits to the place)",
     .of = Of::kVisited,
     .varies = VariesBy::kUserAndPlace,
     .value = [](const CandidateFacts& c) { return std::log1p(static_cast<double>(c.visited->visits)); },
     .reason = visited_times,
     .clause = visited_clause},
    {.name = "visited",
     .meaning = "1 when the user has visited the place",
     .of = Of::kVisited,
     .varies = VariesBy::kUserAndPlace,
     .value = [](const CandidateFacts&) { return 1.0; },
     .reason = visited_times,
     .clause = visited_clause},
    {.name = "visited_once",
     .meaning = "1 when the user has visited the place exactly once",
     .of = Of::kVisited,
     .varies = VariesBy::kUserAndPlace,
     .value = [](const CandidateFacts& c) { return c.visited->visits == 1 ? 1.0 : 0.0; },
     .reason = visited_times,
     .clause = visited_clause},
    {.name = "just_visited",
     .meaning = "2.72^(-hours since the user's last visit to the place / 12)",
     .of = Of::kVisited,
     .varies = VariesBy::kUserAndPlace,
     .value = [](const CandidateFacts& c) { return std::exp(-std::max(0.0, hours_since_visit(c)) / 12.0); },
     .reason = last_visited,
     .clause = last_visited_clause},
    {.name = "still_here",
     .meaning = "2.72^(-hours since the user's last visit / 6) when that was to the place",
     .of = Of::kVisited,
     .varies = VariesBy::kUserAndPlace,
     .value =
         [](const CandidateFacts& c) {
           return c.question.user.last_place == c.visited->place ? c.question.fresh_6h : 0.0;
         },
     .reason = last_visited,
     .clause = last_visited_clause},
    {.name = "recent_share",
     .meaning = "ln(1 + 100 * the place's share of the user's visits, half-life 7 days)",
     .of = Of::kVisited,
     .varies = VariesBy::kUserAndPlace,
     .value = [](const CandidateFacts& c) { return share(c.visited->recent, c.question.user.recent_total); },
     .reason = visited_times,
     .clause = visited_clause},
    {.name = "hour_share",
     .meaning = "ln(1 + 100 * the place's share of the user's visits near this hour of day, half-life 30 days)",
     .of = Of::kVisited,
     .varies = VariesBy::kUserAndPlace,
     .value = [](const CandidateFacts& c) { return share(c.visited->same_hour, c.question.user.same_hour_total); },
     .reason = often_visited,
     .clause = time_of_day_clause},
    {.name = "week_hour_share",
     .meaning = "ln(1 + 100 * the place's share of the user's visits near this hour of week)",
     .of = Of::kVisited,
     .varies = VariesBy::kUserAndPlace,
     .value =
         [](const CandidateFacts& c) { return share(c.visited->same_week_hour, c.question.user.same_week_hour_total); },
     .reason = often_visited,
     .clause = time_of_week_clause},

    // What everyone did at the place.
    {.name = "popularity",
     .meaning = "ln(1 + all visits to the place)",
     .of = Of::kAny,
     .varies = VariesBy::kPlace,
     .value = [](const CandidateFacts& c) { return std::log1p(static_cast<double>(c.place.visits)); },
     .reason = [](const CandidateFacts& c) { return counted_phrase(c.place.visits, "visit") + " by everyone"; },
     .clause = visits_clause},
    {.name = "popularity_day",
     .meaning = "ln(1 + 3 * visits to the place in the last 24 hours, by hourly tiles)",
     .of = Of::kAny,
     .varies = VariesBy::kPlace,
     .value =
         [](const CandidateFacts& c) {
           const double visits = visits_of_last_day(c);  // mostly none: spares the logarithm
           return visits > 0.0 ? std::log1p(3.0 * visits) : 0.0;
         },
     .reason = [](const CandidateFacts&) { return std::string("visited in the last 24 h"); },
     .clause = [](const CandidateFacts&) { return std::optional(Clause{.say = Say::kToday}); }},
    {.name = "popularity_month",
     .meaning = "ln(1 + visits to the place, half-life 30 days, as of the beginning of the hour)",
     .of = Of::kAny,
     .varies = VariesBy::kPlace,
     .value =
         [](const CandidateFacts& c) {
           const PlaceSignal& place = c.place;
           if (!(place.visits_30d.mantissa > 0.0)) return 0.0;
           // By the hour, so that what is known of the place alone stands still for an hour: 0.1 % of decay.
           const double half_lives = static_cast<double>(place.visits_30d.exponent) - c.question.month;
           // The row keeps mantissa * 2^exponent against a fixed landmark; decay to now is a shift of the exponent.
           // No visit counts more than once, as it would where the question is about a moment before it.
           return std::log1p(
               std::min(place.visits_30d.mantissa * std::exp2(half_lives), static_cast<double>(place.visits)));
         },
     .reason =
         [](const CandidateFacts& c) {
           return std::string(visited_lately(c) ? "visited in recent weeks" : "visited longer ago");
         },
     .clause =
         [](const CandidateFacts& c) {
           return visited_lately(c) ? std::optional(Clause{.say = Say::kLately}) : std::nullopt;
         }},
    {.name = "hour_popularity",
     .meaning = "ln(visits to the place near this hour of week, over what any place gets then)",
     .of = Of::kAny,
     .varies = VariesBy::kHourOfPlace,
     .value = [](const CandidateFacts& c) { return c.hour_popularity; },
     .reason = usual_hour,
     .clause = busy_clause},
    {.name = "hour_popularity_new",
     .meaning = "hour_popularity where the user has not been",
     .of = Of::kUnvisited,
     .varies = VariesBy::kHourOfPlace,
     .value = [](const CandidateFacts& c) { return c.hour_popularity; },
     .reason = usual_hour,
     .clause = busy_clause},
    {.name = "category_hour",
     .meaning = "ln(visits to the place's category near this hour of week, over what any gets then)",
     .of = Of::kAny,
     .varies = VariesBy::kCategory,
     .value =
         [](const CandidateFacts& c) {
           if (!c.category_is_known || c.expected_hour_share == 0.0) return 0.0;
           return std::log(c.expected_hour_share / c.question.hour_share_of_all);
         },
     .reason = [](const CandidateFacts& c) { return "how usual its category is around " + hour_said(c); },
     .clause =
         [](const CandidateFacts& c) {
           const bool busy = c.expected_hour_share > c.question.hour_share_of_all;
           return std::optional(
               Clause{.say = busy ? Say::kKindBusier : Say::kKindQuieter, .time = c.question.situation.time});
         }},

    // Where the place is.
    {.name = "near",
     .meaning = "2.72^(-km) * 2.72^(-hours since the position / 6)",
     .of = Of::kAny,
     .varies = VariesBy::kDistance,
     .value = [](const CandidateFacts& c) { return near_form(c.question).at(c.km); },
     .reason = how_far,
     .clause = distance_clause,
     .form = near_form},
    {.name = "distance",
     .meaning = "ln(1 + km / (0.3 + 4 * hours since the position, at most 24))",
     .of = Of::kAny,
     .varies = VariesBy::kDistance,
     .value = [](const CandidateFacts& c) { return distance_form(c.question).at(c.km); },
     .reason = how_far,
     .clause = distance_clause,
     .form = distance_form},
    {.name = "distance_new",
     .meaning = "ln(1 + 10 * km) where the user has not been",
     .of = Of::kUnvisited,
     .varies = VariesBy::kDistance,
     .value = [](const CandidateFacts& c) { return distance_new_form(c.question).at(c.km); },
     .reason = how_far,
     .clause = distance_clause,
     .form = distance_new_form},

    // What the user likes, at this place and elsewhere.
    {.name = "category_affinity_new",
     .meaning = "ln(the user's share of the category, over everyone's), half-life 30 days, where the user has not been",
     .of = Of::kUnvisited,
     .varies = VariesBy::kCategory,
     .value = category_affinity,
     .reason =
         [](const CandidateFacts& c) {
           const std::string& category = c.question.index.place(c.near.row).category;
           return (c.question.user.by_session ? "how many places of this visit were " : "how much the user likes ") +
                  category;
         },
     .clause = kind_clause},
    {.name = "category_repeated",
     .meaning = "2.72^(-hours since the last visit) when that was to a place of the same category",
     .of = Of::kAny,
     .varies = VariesBy::kCategory,
     .value =
         [](const CandidateFacts& c) {
           // Two places without a category have none in common.
           const bool same = c.category != PlaceIndex::kNoCategory && c.category == c.question.last_category;
           return same ? c.question.fresh_1h : 0.0;
         },
     .reason = [](const CandidateFacts&) { return std::string("same category as the last visit"); },
     .clause = [](const CandidateFacts&) { return std::optional(Clause{.say = Say::kSameKind}); }},
    {.name = "cell_affinity_new",
     .meaning = "ln(1 + 100 * the cell's share of the user's visits), half-life 30 days, where the user has not been",
     .of = Of::kUnvisited,
     .varies = VariesBy::kCell,
     .value =
         [](const CandidateFacts& c) {
           const UserProfile& user = c.question.user;
           return share(user.cells.of(c.question.index.cell(c.near.row)), user.cells_total);
         },
     .reason =
         [](const CandidateFacts& c) {
           return std::string(c.question.user.by_session ? "in a part of town that was looked at in this visit"
                                                         : "in a part of town the user goes to");
         },
     .clause =
         [](const CandidateFacts& c) {
           return std::optional(Clause{.say = c.question.user.by_session ? Say::kNearLookedAt : Say::kPartOfTown});
         }},
    {.name = "interest",
     .meaning = "ln(1 + views, clicks and saves of the place by the user, half-life 14 days)",
     .of = Of::kAny,
     .varies = VariesBy::kUserAndPlace,
     .value =
         [](const CandidateFacts& c) {
           return std::log1p(c.question.user.interest.of(c.question.index.place_id(c.near.row)));
         },
     .reason = [](const CandidateFacts&) { return std::string("viewed, clicked or saved by the user"); },
     .clause = [](const CandidateFacts&) { return std::optional(Clause{.say = Say::kLookedAt}); }},
    {.name = "dismissed",
     .meaning = "ln(1 + dismissals of the place by the user, half-life 90 days)",
     .of = Of::kAny,
     .varies = VariesBy::kUserAndPlace,
     .value =
         [](const CandidateFacts& c) {
           return std::log1p(c.question.user.dismissed.of(c.question.index.place_id(c.near.row)));
         },
     .reason = [](const CandidateFacts&) { return std::string("dismissed by the user"); },
     .clause = [](const CandidateFacts&) { return std::optional(Clause{.say = Say::kDismissed}); }},
    {.name = "rating",
     .meaning = "mean rating of the place less 3, pulled to 0 as if by 5 ratings of 3; 10 at most, -10 at least",
     .of = Of::kAny,
     .varies = VariesBy::kPlace,
     .value =
         [](const CandidateFacts& c) {
           if (c.place.ratings <= 0) return 0.0;
           const auto count = static_cast<double>(c.place.ratings);
           const double pulled = (static_cast<double>(c.place.rating_micros) / 1e6 - 3.0 * count) / (count + 5.0);
           // Ratings are of 1 to 5 or 1 to 10. What somebody sends as one beyond that must not outweigh everything.
           return std::clamp(pulled, -10.0, 10.0);
         },
     .reason = [](const CandidateFacts& c) { return counted_phrase(c.place.ratings, "rating"); },
     .clause = rated_clause},

    // What was learned of the user's history and everyone's.
    {.name = "model",
     .meaning = "the score that the model in force gives the place for the user's history, or where it knows none of "
                "that, for segments of users or everybody; 0 without a model, and for places that it does not know",
     .of = Of::kAny,
     .varies = VariesBy::kModel,
     .value = [](const CandidateFacts& c) { return c.model_score; },
     .reason = [](const CandidateFacts& c) { return std::string(model_reason(c.question.model)); },
     .clause = model_clause},
};

constexpr std::size_t kCount = std::size(kFeatures);
using Values = std::array<double, kCount>;

constexpr bool names_differ() {
  for (std::size_t i = 0; i < kCount; ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (kFeatures[i].name == kFeatures[j].name) return false;
    }
  }
  return true;
}
static_assert(names_differ(), "two ranking features have one name");

constexpr bool all_are_complete() {
  for (const Declaration& feature : kFeatures) {
    if (feature.name.empty() || feature.meaning.empty() || !feature.value || !feature.reason) return false;
  }
  return true;
}
static_assert(all_are_complete(), "a ranking feature lacks its name, meaning, value or reason");

/// A scan scores only places that the user has nothing to do with.
constexpr bool user_and_place_means_a_history() {
  for (const Declaration& feature : kFeatures) {
    if (feature.of == Of::kVisited && feature.varies != VariesBy::kUserAndPlace) return false;
    if ((feature.varies == VariesBy::kDistance) != (feature.form != nullptr)) return false;
  }
  return true;
}
static_assert(user_and_place_means_a_history(), "a ranking feature does not say rightly what it varies by");

// ---- computing them -----------------------------------------------------------------------------------------------

/// Computes the features of one group. The index is known when this is compiled, so that the calls through the table
/// become plain code: a scan runs this for every candidate.
template <Of group, std::size_t... i>
void compute(const CandidateFacts& candidate, Values* values, std::index_sequence<i...> /*features*/) {
  const auto one = [&](auto feature) {
    if constexpr (kFeatures[feature].of == group) (*values)[feature] = kFeatures[feature].value(candidate);
  };
  (one(std::integral_constant<std::size_t, i>{}), ...);
}

Values compute(const CandidateFacts& candidate) {
  constexpr auto kAll = std::make_index_sequence<kCount>{};
  // A candidate is visited or not: one of the two groups stays 0, and what it would cost is spared.
  Values values{};
  compute<Of::kAny>(candidate, &values, kAll);
  if (candidate.visited != nullptr) {
    compute<Of::kVisited>(candidate, &values, kAll);
  } else {
    compute<Of::kUnvisited>(candidate, &values, kAll);
  }
  return values;
}

}  // namespace

std::size_t ranking_feature_count() noexcept { return kCount; }

std::string_view ranking_feature_name(std::size_t feature) noexcept { return kFeatures[feature].name; }

std::optional<std::size_t> find_ranking_feature(std::string_view name) noexcept {
  const auto* found = std::find_if(std::begin(kFeatures), std::end(kFeatures),
                                   [&](const Declaration& feature) { return feature.name == name; });
  if (found == std::end(kFeatures)) return std::nullopt;
  return static_cast<std::size_t>(found - std::begin(kFeatures));
}

std::string_view ranking_feature_meaning(std::size_t feature) noexcept { return kFeatures[feature].meaning; }

double weighted_sum(const CandidateFacts& candidate, std::span<const double> weights, std::span<float> shown) noexcept {
  const Values values = compute(candidate);
  for (std::size_t i = 0; i < shown.size(); ++i) shown[i] = static_cast<float>(values[i]);
  // In order, in double: a score's last bits must not depend on how a compiler would like to add.
  double sum = 0.0;
  for (std::size_t i = 0; i < kCount; ++i) sum += weights[i] * values[i];
  return sum;
}

std::size_t model_feature() noexcept {
  static_assert(kFeatures[kCount - 1].varies == VariesBy::kModel);
  return kCount - 1;
}

VariesBy ranking_feature_varies_by(std::size_t feature) noexcept { return kFeatures[feature].varies; }

DistanceForm ranking_feature_form(std::size_t feature, const QuestionFacts& question) noexcept {
  return kFeatures[feature].form(question);
}

namespace {

template <VariesBy by, std::size_t... i>
double sum_of(const CandidateFacts& candidate, std::span<const double> weights,
              std::index_sequence<i...> /*features*/) {
  double sum = 0.0;
  const auto one = [&](auto feature) {
    constexpr const Declaration& declared = kFeatures[feature];
    if constexpr (declared.varies == by && declared.of != Of::kVisited) {
      if (weights[feature] != 0.0) sum += weights[feature] * declared.value(candidate);
    }
  };
  (one(std::integral_constant<std::size_t, i>{}), ...);
  return sum;
}

}  // namespace

template <VariesBy by>
double weighted_part(const CandidateFacts& candidate, std::span<const double> weights) noexcept {
  return sum_of<by>(candidate, weights, std::make_index_sequence<kCount>{});
}
template double weighted_part<VariesBy::kPlace>(const CandidateFacts&, std::span<const double>) noexcept;
template double weighted_part<VariesBy::kCategory>(const CandidateFacts&, std::span<const double>) noexcept;
template double weighted_part<VariesBy::kCell>(const CandidateFacts&, std::span<const double>) noexcept;

std::vector<double> ranking_feature_values(const CandidateFacts& candidate) {
  const Values values = compute(candidate);
  return {values.begin(), values.end()};
}

std::size_t ranking_feature_says(std::size_t feature) noexcept {
  static const std::array<std::size_t, kCount> kFirst = [] {
    std::array<std::size_t, kCount> first{};
    for (std::size_t i = 0; i < kCount; ++i) {
      while (kFeatures[first[i]].reason != kFeatures[i].reason) ++first[i];
    }
    return first;
  }();
  return kFirst[feature];
}

std::optional<Clause> ranking_feature_clause(std::size_t feature, const CandidateFacts& candidate) {
  return kFeatures[feature].clause == nullptr ? std::nullopt : kFeatures[feature].clause(candidate);
}

std::string ranking_feature_reason(std::size_t feature, const CandidateFacts& candidate) {
  return kFeatures[feature].reason(candidate);
}

}  // namespace cairn::ranking

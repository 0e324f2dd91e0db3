#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <unordered_set>

#include "engine/learning/datasets/city_model.h"

namespace cairn::datasets::city {
namespace {

constexpr std::int64_t kSecond = 1'000;
constexpr std::int64_t kMinute = 60 * kSecond;
constexpr std::int64_t kHour = 60 * kMinute;
constexpr std::int64_t kDay = 24 * kHour;
constexpr std::int64_t kLocalOffset = kHour;  // UTC+1 all year

constexpr TypeIndex kView{0}, kClick{1}, kVisit{2}, kRate{3}, kSave{4}, kDismiss{5};

constexpr std::size_t kHoursOfWeek = 7 * 24;
constexpr std::size_t kExploredAtOnce = 12;  // places somebody weighs against each other before a new one is chosen
constexpr std::size_t kReturnAttempts = 4;
constexpr std::uint64_t kUsersStream = 1;
constexpr std::uint64_t kFirstUserStream = 2;

struct LocalTime {
  std::size_t hour_of_week;  ///< 0 is Monday, midnight to one
  bool at_work;              ///< a working hour of a working day
};

LocalTime to_local(std::int64_t ms) {
  // The epoch was a Thursday.
  const std::int64_t hours = (ms + kLocalOffset) / kHour + 3 * 24;
  const auto hour = static_cast<std::size_t>(hours % static_cast<std::int64_t>(kHoursOfWeek));
  return {hour, hour / 24 < 5 && hour % 24 >= 8 && hour % 24 < 18};
}

double profile(const Category& category, std::size_t hour_of_week) {
  const std::string_view& day = hour_of_week / 24 < 5 ? category.weekday : category.weekend;
  return day[hour_of_week % 24] - '0';
}

/// When things happen in the whole city.
class Rhythm {
 public:
  Rhythm() {
    for (std::size_t hour = 0; hour < kHoursOfWeek; ++hour) {
      for (const Category& category : categories()) share_[hour] += category.rate * profile(category, hour);
    }
    const double busiest = *std::max_element(share_.begin(), share_.end());
    for (double& share : share_) share /= busiest;
  }

  /// A time in [end - days, end). Rejection over whole days keeps the proportions of the hours in any span.
  [[nodiscard]] std::int64_t draw(const CityOptions& options, Random& random) const {
    const std::int64_t start = to_ms(options.end) - static_cast<std::int64_t>(options.days) * kDay;
    for (;;) {
      const std::int64_t day = start + static_cast<std::int64_t>(random.below(options.days)) * kDay;
      const std::int64_t time = day + static_cast<std::int64_t>(random.uniform() * static_cast<double>(kDay));
      if (random.chance(share_[to_local(time).hour_of_week])) return time;
    }
  }

 private:
  std::array<double, kHoursOfWeek> share_{};  ///< of the busiest hour; never zero, since stations never close
};

/// One interaction of an occasion: somebody views a place, goes there, rates it.
struct Step {
  TypeIndex type;
  bool same_place;  ///< as the step before
};

/// One user: where they live and work, what they like, where they have been.
class Citizen {
 public:
  Citizen(const CityOptions& options, const CityPlan& plan, std::size_t index, const Rhythm& rhythm)
      : options_(options),
        plan_(plan),
        random_(options.seed, kFirstUserStream + index),
        id_("u" + std::to_string(index + 1)),
        sends_event_ids_(random_.chance(0.6)),
        generosity_(0.4 * random_.bell()),
        rhythm_(rhythm) {
    home_ = draw_anchor(DistrictKind::kResidential);
    work_ = draw_anchor(random_.chance(0.25) ? DistrictKind::kWorks : DistrictKind::kCentre);
    draw_tastes();
  }

  /// Appends `events` interactions, in no particular order of time.
  void live(std::size_t events, std::vector<Interaction>* interactions) {
    std::vector<std::vector<Step>> occasions;
    for (std::size_t planned = 0; planned < events;) {
      occasions.push_back(plan_occasion());
      if (planned + occasions.back().size() > events) occasions.back().resize(events - planned);
      planned += occasions.back().size();
    }
    std::vector<std::int64_t> times(occasions.size());
    for (std::int64_t& time : times) time = rhythm_.draw(options_, random_);
    std::sort(times.begin(), times.end());
    for (std::size_t i = 0; i < occasions.size(); ++i) act(occasions[i], times[i], interactions);
  }

 private:
  Spot draw_anchor(DistrictKind kind) {
    std::vector<double> weights = zipf_weights(plan_.districts.size(), 3.0);
    for (std::size_t i = 0; i < weights.size(); ++i) {
      if (plan_.districts[i].kind != kind) weights[i] *= 0.1;
    }
    const District& district = plan_.districts[Weighted(weights).draw(random_)];
    return scatter(district.squares[random_.below(district.squares.size())], 300.0, random_);
  }

  void draw_tastes() {
    for (const Category& category : categories()) tastes_.push_back(category.rate * random_.between(0.3, 1.0));
    for (int i = 0; i < 3; ++i) tastes_[random_.below(tastes_.size())] *= 4.0;
    for (std::size_t i = 0; i < tastes_.size(); ++i) {
      if (plan_.by_category[i].places.empty()) tastes_[i] = 0.0;
    }
  }

  std::vector<Step> plan_occasion() {
    if (random_.chance(0.45)) return plan_browsing();
    std::vector<Step> steps;
    if (random_.chance(0.4)) {
      steps.push_back({kView, false});
      if (random_.chance(0.5)) steps.push_back({kClick, true});
    }
    steps.push_back({kVisit, !steps.empty()});
    if (random_.chance(0.14)) steps.push_back({kRate, true});
    if (random_.chance(0.06)) steps.push_back({kSave, true});
    return steps;
  }

  std::vector<Step> plan_browsing() {
    std::vector<Step> steps;
    const std::size_t views = 1 + random_.below(3);
    for (std::size_t i = 0; i < views; ++i) {
      steps.push_back({kView, false});
      if (random_.chance(0.3)) steps.push_back({kClick, true});
      const double verdict = random_.uniform();
      if (verdict < 0.06) steps.push_back({kSave, true});
      if (verdict > 0.92) steps.push_back({kDismiss, true});
    }
    return steps;
  }

  void act(const std::vector<Step>& steps, std::int64_t time, std::vector<Interaction>* interactions) {
    const LocalTime local = to_local(time);
    const Spot here = local.at_work ? work_ : home_;
    const std::size_t category = draw_category(local.hour_of_week);
    const bool visiting = std::any_of(steps.begin(), steps.end(), [](const Step& s) { return s.type == kVisit; });
    std::size_t place = 0;
    for (const Step& step : steps) {
      if (!step.same_place) place = visiting ? choose(category, local.hour_of_week, here) : explore(category, here);
      interactions->push_back(make_event(step.type, place, here, &time));
      if (step.type == kVisit) remember(place);
    }
  }

  std::size_t draw_category(std::size_t hour_of_week) {
    std::vector<double> weights(tastes_);
    double sum = 0.0;
    for (std::size_t i = 0; i < weights.size(); ++i) sum += weights[i] *= profile(categories()[i], hour_of_week);
    return Weighted(sum > 0.0 ? weights : tastes_).draw(random_);
  }

  /// Somewhere new with probability 0.6 S^-1/4, else where the user has been, the more often the likelier: a place of
  /// the category if one comes to mind, or else one that is busy at this hour.
  std::size_t choose(std::size_t category, std::size_t hour_of_week, Spot here) {
    const double distinct = static_cast<double>(been_.size());
    if (been_.empty() || random_.chance(0.6 / std::sqrt(std::sqrt(distinct)))) return explore(category, here);
    std::optional<std::size_t> busy;
    for (std::size_t attempt = 0; attempt < kReturnAttempts; ++attempt) {
      const std::size_t place = visits_[random_.below(visits_.size())];
      if (plan_.places[place].category == category) return place;
      if (profile(categories()[plan_.places[place].category], hour_of_week) >= 3.0) busy = place;
    }
    return busy ? *busy : explore(category, here);
  }

  /// A place of the category: popular ones are thought of, the nearest of those is chosen most often.
  std::size_t explore(std::size_t category, Spot here) {
    const CityPlan::Popularity& popularity = plan_.by_category[category];
    std::array<std::size_t, kExploredAtOnce> thought_of;
    std::array<double, kExploredAtOnce> weights;
    for (std::size_t i = 0; i < kExploredAtOnce; ++i) {
      thought_of[i] = popularity.places[popularity.weights.draw(random_)];
      const double away = 300.0 + distance(here, plan_.places[thought_of[i]].spot);
      weights[i] = 1e6 / (away * away);
    }
    return thought_of[Weighted(weights).draw(random_)];
  }

  void remember(std::size_t place) {
    visits_.push_back(place);
    been_.insert(place);
  }

  /// Makes the event at `*time` and moves the time on to when the next step of the occasion may follow.
  Interaction make_event(TypeIndex type, std::size_t place, Spot here, std::int64_t* time) {
    const CityPlace& at = plan_.places[place];
    Interaction event{.user = id_,
                      .place = plan_.catalogue[place].id,
                      .type = type,
                      .time = event_time_from_ms(std::min(*time, to_ms(options_.end) - 1)),
                      .value = std::nullopt,
                      .position = std::nullopt,
                      .event_id = {}};
    if (type == kVisit) {
      const double minutes = categories()[at.category].dwell_minutes * random_.between(0.5, 1.5);
      event.value = std::round(minutes * 60.0);
      event.position = to_position(scatter(at.spot, 12.0, random_));
      *time += static_cast<std::int64_t>(*event.value) * kSecond;
    } else {
      if (type == kRate)
        event.value = std::clamp(std::round(at.quality + generosity_ + 0.5 * random_.bell()), 1.0, 5.0);
      if (random_.chance(0.7)) event.position = to_position(scatter(here, 60.0, random_));
      *time += static_cast<std::int64_t>(random_.between(5.0, type == kClick ? 2'400.0 : 90.0) * kSecond);
    }
    if (sends_event_ids_) event.event_id = id_.str() + "-" + std::to_string(++sent_);
    return event;
  }

  const CityOptions& options_;
  const CityPlan& plan_;
  Random random_;
  UserId id_;
  bool sends_event_ids_;
  double generosity_;  ///< added to every rating
  const Rhythm& rhythm_;
  Spot home_;
  Spot work_;
  std::vector<double> tastes_;  ///< weight by category
  std::vector<std::size_t> visits_;
  std::unordered_set<std::size_t> been_;
  std::size_t sent_ = 0;
};

/// Shares `events` among the users by a Zipf-Mandelbrot law, a different user at every rank for every seed.
std::vector<std::size_t> events_per_user(const CityOptions& options) {
  Random random(options.seed, kUsersStream);
  const double q = std::max(2.0, static_cast<double>(options.users) / 50.0);
  const std::vector<double> weights = zipf_weights(options.users, q);
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  const std::vector<std::size_t> user_of_rank = shuffled(options.users, random);
  std::vector<std::size_t> counts(options.users);
  double cumulative = 0.0;
  std::size_t given = 0;
  for (std::size_t rank = 0; rank < options.users; ++rank) {
    cumulative += weights[rank];
    const bool last = rank + 1 == options.users;
    const auto due = static_cast<std::size_t>(cumulative / sum * static_cast<double>(options.events));
    const std::size_t upto = last ? options.events : std::min(due, options.events);
    counts[user_of_rank[rank]] = upto - given;
    given = upto;
  }
  return counts;
}

}  // namespace

std::vector<Interaction> live_city(const CityOptions& options, const CityPlan& plan) {
  const Rhythm rhythm;
  const std::vector<std::size_t> counts = events_per_user(options);
  std::vector<Interaction> interactions;
  interactions.reserve(options.events);
  for (std::size_t user = 0; user < options.users; ++user) {
    if (counts[user] > 0) Citizen(options, plan, user, rhythm).live(counts[user], &interactions);
  }
  sort_by_time(&interactions);
  return interactions;
}

}  // namespace cairn::datasets::city

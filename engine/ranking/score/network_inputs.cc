#include "engine/ranking/score/network_inputs.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "engine/ranking/score/ranking_features.h"
#include "features/calendar.h"
#include "gpu/elementary.h"

namespace cairn::ranking {

namespace {

constexpr std::array<std::string_view, 28> kVisitInputs = {
    "log_age",             // ln(1 + days since the visit)
    "hour_close",          // bells over hours of day between the visit and now
    "hour_wide",           //
    "hour",                //
    "hour_fresh",          // the bell times fresh
    "same_day",            // of the week
    "same_kind",           // of day
    "hour_same_kind",      // the bell, on the same kind of day
    "same_gap",            // likeness of the gap before the visit and the one since the last visit
    "near_start",          // how near the place before it is to the last place
    "near_start_fresh",    //
    "same_start",          // the place before it is the last place
    "same_start_fresh",    //
    "same_start_and_gap",  //
    "same_second",         // and so are the places before those
    "log_km",              // ln(1 + 3 km from the position to the visit's place)
    "fresh",               // exp(-hours since the last visit)
    "log_gap",             // ln(0.1 + hours since the last visit)
    "weekend",             // now
    "log_history",         // ln(visits that are kept)
    "log_later",           // ln(1 + visits that came after this one)
    "last_place",          // it went where the last visit went
    "same_week_hour",      // a bell over hours of the week between the visit and now
    "log_gap_before",      // ln(0.1 + hours since the visit before it)
    "log_stay",            // ln(0.1 + hours to the visit after it, or to now)
    "same_start_hour",     // same_start times the bell over hours of day
    "near_start_hour",     //
    "start_category",      // the place before it has the category of the last place
};

/// Place inputs that are no ranking features.
constexpr std::array<std::string_view, 15> kOtherInputs = {
    "log_since_visit",   // ln(1 + hours since the user's last visit to the place), 0 without one
    "log_period",        // ln(0.1 + mean hours between the user's visits to the place), with two or more
    "log_overdue",       // ln of the hours since the last over those, in the same way
    "same_category",     // as the last place
    "category_share",    // ln(1 + 100 * the category's share of what the user likes)
    "cell_share",        // ln(1 + 100 * the cell's)
    "score_below_best",  // the linear score, less that of the best candidate
    "log_rank",          // ln(1 + candidates that are better by the linear score)
    "log_gap",           // the rest is the same for every candidate: hours since the last visit,
    "log_position_age",  // and since the position was fixed
    "log_history",       // visits that are kept
    "log_known_places",  // different places among them
    "hour_sine",         // the hour of the day, on a circle
    "hour_cosine",       //
    "weekend",           //
};

/// What is the same for all visits and candidates of a question.
struct Context {
  double fresh = 0.0;
  double log_gap = 0.0;
  double log_history = 0.0;
  double log_known_places = 0.0;
  double hour_sine = 0.0;
  double hour_cosine = 0.0;
  double weekend = 0.0;
  double categories_total = 0.0;  ///< of what the user likes

  explicit Context(const QuestionFacts& question) {
    const UserProfile& user = question.user;
    // Who has been nowhere is as one who has not been seen for a year.
    const double gap = user.last_place ? user.hours_since_last : 365.0 * 24.0;
    fresh = question.fresh_1h;
    log_gap = std::log(0.1 + gap);
    log_history = std::log1p(static_cast<double>(user.visits.size()));
    log_known_places = std::log1p(static_cast<double>(user.visited.size()));
    const int week_hour = features::hour_of_week(question.situation.time);
    const double angle = 2.0 * std::numbers::pi / 24.0 * (week_hour % 24);
    hour_sine = std::sin(angle);
    hour_cosine = std::cos(angle);
    weekend = week_hour >= 5 * 24 ? 1.0 : 0.0;
    for (const auto& [category, value] : user.categories) categories_total += value;
  }
};

/// Writes the numbers of one row, one after another.
class Row {
 public:
  explicit Row(std::span<float> to) : to_(to) {}
  ~Row() { CAIRN_CHECK(at_ == to_.size()); }
  Row(const Row&) = delete;
  Row& operator=(const Row&) = delete;

  void add(double value) { to_[at_++] = static_cast<float>(value); }

 private:
  const std::span<float> to_;
  std::size_t at_ = 0;
};

/// Two places without a category have none in common.
bool has_category(const QuestionFacts& question, std::uint32_t row, std::uint32_t category) {
  return category != PlaceIndex::kNoCategory && row != gpu::kNoRow && question.index.category(row) == category;
}

double hours_between(std::int64_t from_ms, std::int64_t to_ms) { return static_cast<double>(to_ms - from_ms) / 3.6e6; }

/// 0 for a place that is not in the catalogue.
double km_to(const PlaceIndex& index, std::uint32_t row, const gpu::FixedPoint& from) {
  if (row == gpu::kNoRow) return 0.0;
  return std::sqrt(squared_angle(index.point(row), from)) * kEarthRadiusMeters / 1000.0;
}

/// What visits have a logarithm of, which are made all at once.
struct VisitLogs {
  std::vector<double> values;
  std::span<double> km;       ///< 1 + 3 km from the position to the place
  std::span<double> later;    ///< 1 + visits that came after
  std::span<double> before;   ///< 0.1 + hours since the visit before
  std::span<double> to_next;  ///< 0.1 + hours to the visit after, or to now

  explicit VisitLogs(std::size_t visits) : values(4 * visits) {
    const std::span<double> all = values;
    km = all.first(visits);
    later = all.subspan(visits, visits);
    before = all.subspan(2 * visits, visits);
    to_next = all.subspan(3 * visits, visits);
  }
};

VisitLogs visit_logs(const QuestionFacts& question, std::span<const std::uint32_t> numbers) {
  const std::vector<Visit>& visits = question.user.visits;
  const GeoPoint& position = question.situation.position;
  const gpu::FixedPoint here = gpu::fixed_point(position.lat, position.lon);
  const std::int64_t now_ms = to_ms(question.situation.time);
  VisitLogs logs(numbers.size());
  for (std::size_t n = 0; n < numbers.size(); ++n) {
    const std::size_t i = numbers[n];
    const bool last = i + 1 == visits.size();
    logs.km[n] = 1.0 + 3.0 * km_to(question.index, visits[i].row, here);
    logs.later[n] = static_cast<double>(visits.size() - i);
    logs.before[n] = i == 0 ? 1.0 : 0.1 + hours_between(visits[i - 1].ms, visits[i].ms);
    const std::int64_t next_ms = last ? std::max(now_ms, visits[i].ms) : visits[i + 1].ms;
    logs.to_next[n] = 0.1 + hours_between(visits[i].ms, next_ms);
  }
  gpu::ln_each(logs.values);
  return logs;
}

/// The same for candidates.
struct PlaceLogs {
  std::vector<double> values;
  std::span<double> category;  ///< 1 + 100 * the category's share of what the user likes
  std::span<double> cell;      ///< 1 + 100 * the cell's
  std::span<double> rank;      ///< 1 + candidates that are better

  explicit PlaceLogs(std::size_t candidates) : values(3 * candidates) {
    const std::span<double> all = values;
    category = all.first(candidates);
    cell = all.subspan(candidates, candidates);
    rank = all.subspan(2 * candidates, candidates);
  }
};

double one_and_percent(double part, double total) { return total > 0.0 ? 1.0 + 100.0 * part / total : 1.0; }

PlaceLogs place_logs(const QuestionFacts& question, std::span<const PlaceIndex::Near> candidates,
                     double categories_total) {
  PlaceLogs logs(candidates.size());
  const UserProfile& user = question.user;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const std::uint32_t row = candidates[i].row;
    const std::uint32_t category = question.index.category(row);
    const bool known = category != PlaceIndex::kNoCategory;
    logs.category[i] = known ? one_and_percent(user.categories.of(category), categories_total) : 1.0;
    logs.cell[i] = one_and_percent(user.cells.of(question.index.cell(row)), user.cells_total);
    logs.rank[i] = static_cast<double>(i + 1);
  }
  gpu::ln_each(logs.values);
  return logs;
}

}  // namespace

std::span<const std::string_view> visit_input_names() noexcept { return kVisitInputs; }

const std::vector<std::string_view>& place_input_names() {
  static const std::vector<std::string_view> kNames = [] {
    std::vector<std::string_view> names;
    for (std::size_t i = 0; i < ranking_feature_count(); ++i) names.push_back(ranking_feature_name(i));
    names.insert(names.end(), kOtherInputs.begin(), kOtherInputs.end());
    return names;
  }();
  return kNames;
}

CandidateVisits visits_to(std::span<const PlaceIndex::Near> candidates, const UserProfile& user) {
  CandidateVisits found;
  if (user.visits.empty()) return found;
  constexpr std::uint32_t kNone = 0xFFFFFFFF;
  std::vector<std::uint32_t> candidate_of(user.visited.size(), kNone);  // by visited place
  for (std::uint32_t i = 0; i < candidates.size(); ++i) {
    const VisitedPlace* visited = user.find_row(candidates[i].row);
    if (visited != nullptr) candidate_of[static_cast<std::size_t>(visited - user.visited.data())] = i;
  }
  for (std::uint32_t i = 0; i < user.visits.size(); ++i) {
    const std::uint32_t candidate = candidate_of[user.place_of_visit[i]];
    if (candidate == kNone) continue;
    found.visits.push_back(i);
    found.candidates.push_back(candidate);
  }
  return found;
}

void fill_visit_inputs(const QuestionFacts& question, std::span<const std::uint32_t> visits, std::span<float> inputs) {
  CAIRN_CHECK(inputs.size() == visits.size() * kVisitInputs.size());
  const UserProfile& user = question.user;
  const VisitWeights& by = user.visit_weights;
  const Context context(question);
  const VisitLogs logs = visit_logs(question, visits);
  for (std::size_t n = 0; n < visits.size(); ++n) {
    const std::size_t i = visits[n];
    const double same_gap = i == 0 ? 0.0 : by.same_gap[i];  // nothing came before the oldest
    Row row(inputs.subspan(n * kVisitInputs.size(), kVisitInputs.size()));
    row.add(by.log_age[i]);
    row.add(by.hour_close[i]);
    row.add(by.hour_wide[i]);
    row.add(by.hour[i]);
    row.add(by.hour[i] * context.fresh);
    row.add(by.same_day[i]);
    row.add(by.same_kind[i]);
    row.add(by.hour[i] * by.same_kind[i]);
    row.add(same_gap);
    row.add(by.near_start[i]);
    row.add(by.near_start[i] * context.fresh);
    row.add(by.same_start[i]);
    row.add(by.same_start[i] * context.fresh);
    row.add(by.same_start[i] * same_gap);
    row.add(by.same_second[i]);
    row.add(logs.km[n]);
    row.add(context.fresh);
    row.add(context.log_gap);
    row.add(context.weekend);
    row.add(context.log_history);
    row.add(logs.later[n]);
    row.add(user.visits[i].place == user.visits.back().place ? 1.0 : 0.0);
    row.add(by.same_week_hour[i]);
    row.add(logs.before[n]);
    row.add(logs.to_next[n]);
    row.add(by.same_start[i] * by.hour[i]);
    row.add(by.near_start[i] * by.hour[i]);
    row.add(i > 0 && has_category(question, user.visits[i - 1].row, question.last_category) ? 1.0 : 0.0);
  }
}

std::vector<float> candidate_features(const QuestionFacts& question, std::span<const PlaceIndex::Near> candidates) {
  std::vector<float> model_scores(candidates.size());
  if (question.model != nullptr) model_scores = question.model->score(candidates);
  std::vector<float> features;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const VisitedPlace* visited = question.user.find_row(candidates[i].row);
    const CandidateFacts facts(question, candidates[i], visited, model_scores[i]);
    for (const double value : ranking_feature_values(facts)) features.push_back(static_cast<float>(value));
  }
  return features;
}

void fill_place_inputs(const QuestionFacts& question, std::span<const PlaceIndex::Near> candidates,
                       std::span<const float> scores, std::span<const float> features, std::span<float> inputs) {
  const std::size_t width = place_input_names().size();
  const std::size_t shared = ranking_feature_count();
  CAIRN_CHECK(inputs.size() == candidates.size() * width && features.size() == candidates.size() * shared);
  const Context context(question);
  const PlaceLogs logs = place_logs(question, candidates, context.categories_total);
  const double log_position_age = std::log(0.1 + question.situation.position_age_hours);
  const auto now_ms = static_cast<double>(to_ms(question.situation.time));
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    std::copy_n(features.data() + i * shared, shared, inputs.data() + i * width);
    Row row(inputs.subspan(i * width + shared, width - shared));
    const VisitedPlace* visited = question.user.find_row(candidates[i].row);
    const bool returns = visited != nullptr && visited->visits > 1;
    double since = 0.0;   // hours
    double period = 0.0;  // hours
    if (visited != nullptr) since = std::max(0.0, now_ms - static_cast<double>(visited->newest_ms)) / 3.6e6;
    if (returns) {
      period = hours_between(visited->oldest_ms, visited->newest_ms) / static_cast<double>(visited->visits - 1);
    }
    row.add(visited == nullptr ? 0.0 : std::log1p(since));
    row.add(returns ? std::log(0.1 + period) : 0.0);
    row.add(returns ? std::log((0.1 + since) / (0.1 + period)) : 0.0);
    row.add(has_category(question, candidates[i].row, question.last_category) ? 1.0 : 0.0);
    row.add(logs.category[i]);
    row.add(logs.cell[i]);
    row.add(static_cast<double>(scores[i]) - static_cast<double>(scores[0]));
    row.add(logs.rank[i]);
    row.add(context.log_gap);
    row.add(log_position_age);
    row.add(context.log_history);
    row.add(context.log_known_places);
    row.add(context.hour_sine);
    row.add(context.hour_cosine);
    row.add(context.weekend);
  }
}

}  // namespace cairn::ranking

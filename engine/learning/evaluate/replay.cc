#include "engine/learning/evaluate/replay.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "cairn/rfc3339.h"
#include "engine/learning/evaluate/replay_engine.h"
#include "gpu/random.h"

namespace cairn::learning {

namespace {

constexpr double kEverywhereMeters = 30'000'000.0;  // more than half the Earth's girth
constexpr double kNearbyMeters = 2'000.0;
constexpr std::size_t kWarmUpBatch = 5'000;

/// Collects the expected ranks of one method, by user.
class Tally {
 public:
  explicit Tally(std::string method) { metrics_.method = std::move(method); }

  /// `user`: counted from 0 in the order in which users were first asked about.
  void add(std::size_t user, double rank) {
    ++questions_;
    metrics_.acc_at_1 += rank <= 1.0;
    metrics_.acc_at_5 += rank <= 5.0;
    metrics_.acc_at_10 += rank <= 10.0;
    metrics_.recall_at_20 += rank <= 20.0;
    metrics_.mrr += 1.0 / rank;
    if (users_.size() <= user) users_.resize(user + 1);
    users_[user].questions += 1.0;
    users_[user].hits += rank <= 1.0;
    users_[user].reciprocals += 1.0 / rank;
  }

  [[nodiscard]] bool empty() const noexcept { return questions_ == 0; }
  [[nodiscard]] NextPlaceMetrics mean() const {
    NextPlaceMetrics mean = metrics_;
    for (double* sum : {&mean.acc_at_1, &mean.acc_at_5, &mean.acc_at_10, &mean.recall_at_20, &mean.mrr}) {
      *sum /= static_cast<double>(questions_);
    }
    draw_intervals(&mean);
    return mean;
  }

 private:
  struct OfUser {
    double questions = 0.0;
    double hits = 0.0;
    double reciprocals = 0.0;
  };

  void draw_intervals(NextPlaceMetrics* metrics) const {
    constexpr std::size_t kSamples = 1'000;
    std::vector<double> hits;
    std::vector<double> reciprocals;
    std::uint64_t random = 1;
    for (std::size_t sample = 0; sample < kSamples; ++sample) {
      OfUser sum;
      for (std::size_t i = 0; i < users_.size(); ++i) {
        const OfUser& drawn = users_[gpu::next_bits(&random) % users_.size()];
        sum.questions += drawn.questions;
        sum.hits += drawn.hits;
        sum.reciprocals += drawn.reciprocals;
      }
      hits.push_back(sum.hits / std::max(1.0, sum.questions));
      reciprocals.push_back(sum.reciprocals / std::max(1.0, sum.questions));
    }
    metrics->acc_at_1_interval = middle_of(&hits);
    metrics->mrr_interval = middle_of(&reciprocals);
  }

  static Interval middle_of(std::vector<double>* means) {
    std::sort(means->begin(), means->end());
    const auto at = [&](double share) {
      return (*means)[static_cast<std::size_t>(share * static_cast<double>(means->size() - 1) + 0.5)];
    };
    return {at(0.025), at(0.975)};
  }

  NextPlaceMetrics metrics_;  ///< sums
  std::size_t questions_ = 0;
  std::vector<OfUser> users_;
};

/// Rank of `truth` by falling score; among equals the mean of their ranks.
double expected_rank(std::span<const float> scores, std::size_t truth) {
  std::size_t better = 0;
  std::size_t equal = 0;
  for (const float score : scores) {
    better += score > scores[truth];
    equal += score == scores[truth];
  }
  return 1.0 + static_cast<double>(better) + static_cast<double>(equal - 1) / 2.0;
}

class Replay {
 public:
  Replay(const datasets::Dataset& dataset, const ReplayOptions& options) : dataset_(dataset), options_(options) {}

  Result<ReplayReport> run();

 private:
  Status warm_up(std::size_t end);
  Status learn(std::span<const Interaction> interactions);
  Status ask(const Interaction& truth, const ReplayEngine::Previous& previous);
  /// What the baselines know: kept here in plain counts, apart from the engine's features.
  void remember(const Interaction& one);
  /// Whether this is a question, whoever it is of.
  [[nodiscard]] bool may_ask(const Interaction& one) const;

  const datasets::Dataset& dataset_;
  const ReplayOptions& options_;
  std::unique_ptr<ReplayEngine> engine_;
  std::unordered_map<std::string, std::unordered_map<std::uint32_t, float>> own_visits_;  ///< by user, by row
  std::vector<float> visits_;                                                             ///< by row
  std::unordered_map<std::string, std::unordered_set<std::uint32_t>> been_;               ///< rows by user; with kNew
  std::unordered_map<std::string, std::size_t> users_;  ///< those that were asked about, in the order of that
  Tally cairn_{"cairn"};
  Tally linear_{"linear"};
  Tally items_{"item_model"};
  Tally popular_{"popular_nearby"};
  Tally nearest_{"nearest"};
  Tally own_{"own_history"};
  std::vector<float> scores_;
  std::size_t questions_ = 0;
};

void Replay::remember(const Interaction& one) {
  const std::uint32_t row = engine_->row_of(one.place);
  if (row == gpu::kNoRow) return;
  ++own_visits_[one.user.str()][row];
  ++visits_[row];
  if (options_.objective == Objective::kNew && is_visit(one, dataset_.types)) been_[one.user.str()].insert(row);
}

bool Replay::may_ask(const Interaction& one) const {
  if (options_.objective == Objective::kNext) return true;
  const std::uint32_t row = engine_->row_of(one.place);
  if (row == gpu::kNoRow || !is_visit(one, dataset_.types)) return false;
  const auto been = been_.find(one.user.str());
  return been == been_.end() || !been->second.contains(row);
}

Status Replay::learn(std::span<const Interaction> interactions) {
  for (const Interaction& one : interactions) remember(one);
  return engine_->learn(interactions);
}

Status Replay::warm_up(std::size_t end) {
  const std::span<const Interaction> all(dataset_.interactions);
  for (std::size_t begin = 0; begin < end; begin += kWarmUpBatch) {
    CAIRN_RETURN_IF_ERROR(learn(all.subspan(begin, std::min(kWarmUpBatch, end - begin))));
    if (options_.progress) options_.progress(begin, all.size());
  }
  return ok_status();
}

Status Replay::ask(const Interaction& truth, const ReplayEngine::Previous& previous) {
  const std::uint32_t truth_row = engine_->row_of(truth.place);
  if (truth_row == gpu::kNoRow) return ok_status();
  const ranking::Recommender& recommender = engine_->recommender();
  const GeoPoint here = recommender.index()->position(previous.row);
  const double hours = hours_between(previous.time, truth.time);
  const bool only_new = options_.objective == Objective::kNew;
  CAIRN_ASSIGN_OR_RETURN(const auto scored,
                         recommender.score(truth.user, here, truth.time, hours, kEverywhereMeters, only_new));
  const auto found =
      std::lower_bound(scored.candidates.begin(), scored.candidates.end(), truth_row,
                       [](const ranking::PlaceIndex::Near& near, std::uint32_t row) { return near.row < row; });
  // Every place that is asked about is a candidate: one in a user's row was visited, and visits are remembered.
  CAIRN_CHECK(found != scored.candidates.end() && found->row == truth_row);
  const auto truth_at = static_cast<std::size_t>(found - scored.candidates.begin());
  const double rank = expected_rank(scored.scores, truth_at);
  const std::size_t user = users_.try_emplace(truth.user.str(), users_.size()).first->second;
  cairn_.add(user, rank);
  if (!scored.linear.empty()) linear_.add(user, expected_rank(scored.linear, truth_at));
  if (!scored.model.empty()) items_.add(user, expected_rank(scored.model, truth_at));
  if (options_.answered) CAIRN_RETURN_IF_ERROR(options_.answered({truth, rank, scored.scores[truth_at]}));

  scores_.resize(scored.candidates.size());
  for (std::size_t i = 0; i < scores_.size(); ++i) scores_[i] = -scored.candidates[i].meters;
  nearest_.add(user, expected_rank(scores_, truth_at));
  for (std::size_t i = 0; i < scores_.size(); ++i) {
    const bool nearby = static_cast<double>(scored.candidates[i].meters) <= kNearbyMeters;
    scores_[i] = nearby ? visits_[scored.candidates[i].row] + 1.0F : 0.0F;
  }
  popular_.add(user, expected_rank(scores_, truth_at));
  ++questions_;
  if (only_new) return ok_status();  // own_history has nothing to say
  std::fill(scores_.begin(), scores_.end(), 0.0F);
  // All places are candidates, so that a candidate's number is its row.
  CAIRN_CHECK(scored.candidates.size() == scored.index->size());
  for (const auto& [row, visits] : own_visits_[truth.user.str()]) scores_[row] = visits;
  own_.add(user, expected_rank(scores_, truth_at));
  return ok_status();
}

Result<ReplayReport> Replay::run() {
  const auto started = std::chrono::steady_clock::now();
  const std::span<const Interaction> all(dataset_.interactions);
  const std::size_t first = first_asked(dataset_, options_);
  CAIRN_ASSIGN_OR_RETURN(engine_,
                         ReplayEngine::open(dataset_.places, options_.ranking, options_.ranker, dataset_.types));
  engine_->serve_model(options_.items);
  visits_.resize(engine_->recommender().index()->size());
  CAIRN_RETURN_IF_ERROR(warm_up(std::min(first, all.size())));
  std::size_t turn = 0;
  for (std::size_t i = first; i < all.size(); ++i) {
    const ReplayEngine::Previous* previous = engine_->previous(all[i].user);
    const bool asks = previous != nullptr && may_ask(all[i]);
    if (asks && turn++ % options_.ask_every == 0) CAIRN_RETURN_IF_ERROR(ask(all[i], *previous));
    CAIRN_RETURN_IF_ERROR(learn(all.subspan(i, 1)));
    if (options_.progress && i % 200 == 0) options_.progress(i, all.size());
  }
  if (questions_ == 0) return invalid_argument("nothing to ask: no interaction after the warm-up has a predecessor");
  ReplayReport report;
  report.dataset = dataset_.name;
  report.interactions = all.size();
  report.warm_up = first;
  report.questions = questions_;
  report.places = dataset_.places.size();
  report.metrics = {cairn_.mean()};
  for (const Tally* other : {&linear_, &items_, &popular_, &nearest_, &own_}) {
    if (!other->empty()) report.metrics.push_back(other->mean());
  }
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  return report;
}

}  // namespace

Status set_ask_from(const std::string& text, ReplayOptions* options) {
  double share = 0.0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), share);
  if (error == std::errc() && end == text.data() + text.size()) {
    if (!(share >= 0.0 && share < 1.0)) return invalid_argument("a share of warm-up must be at least 0 and below 1");
    options->ask_from_fraction = share;
    return ok_status();
  }
  const std::optional<EventTime> time = parse_rfc3339(text);
  if (!time) {
    return invalid_argument("'" + text + "' is neither a share such as 0.8 nor a time such as 2012-06-01T00:00:00Z");
  }
  options->ask_from_time = *time;
  return ok_status();
}

std::size_t first_asked(const datasets::Dataset& dataset, const ReplayOptions& options) {
  const std::span<const Interaction> all(dataset.interactions);
  if (!options.ask_from_time) {
    return static_cast<std::size_t>(options.ask_from_fraction * static_cast<double>(all.size()));
  }
  const auto first = std::partition_point(all.begin(), all.end(),
                                          [&](const Interaction& one) { return one.time < *options.ask_from_time; });
  return static_cast<std::size_t>(first - all.begin());
}

Result<ReplayReport> replay(const datasets::Dataset& dataset, const ReplayOptions& options) {
  if (dataset.interactions.empty()) return invalid_argument("the dataset has no interactions");
  if (options.ask_every == 0) return invalid_argument("ask_every must be at least 1");
  return Replay(dataset, options).run();
}

}  // namespace cairn::learning

#include "engine/learning/evaluate/replay.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>

#include "cairn/rfc3339.h"
#include "engine/ranking/builtin_views.h"
#include "engine/ranking/recommender.h"
#include "engine/state/feature_state.h"
#include "features/row.h"
#include "storage/state_store.h"

namespace cairn::learning {

namespace {

using ranking::PlaceIndex;
using ranking::Recommender;

constexpr double kEverywhereMeters = 30'000'000.0;  // more than half the Earth's girth
constexpr double kNearbyMeters = 2'000.0;
constexpr std::size_t kWarmUpBatch = 5'000;

/// Collects the expected ranks of one method.
class Tally {
 public:
  explicit Tally(std::string method) { metrics_.method = std::move(method); }

  void add(double rank) {
    ++questions_;
    metrics_.acc_at_1 += rank <= 1.0;
    metrics_.acc_at_5 += rank <= 5.0;
    metrics_.acc_at_10 += rank <= 10.0;
    metrics_.recall_at_20 += rank <= 20.0;
    metrics_.mrr += 1.0 / rank;
  }

  [[nodiscard]] NextPlaceMetrics mean() const {
    NextPlaceMetrics mean = metrics_;
    for (double* sum : {&mean.acc_at_1, &mean.acc_at_5, &mean.acc_at_10, &mean.recall_at_20, &mean.mrr}) {
      *sum /= static_cast<double>(questions_);
    }
    return mean;
  }

 private:
  NextPlaceMetrics metrics_;  ///< sums
  std::size_t questions_ = 0;
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

struct Previous {
  std::uint32_t row = gpu::kNoRow;
  EventTime time;
};

class Replay {
 public:
  Replay(const datasets::Dataset& dataset, const ReplayOptions& options) : dataset_(dataset), options_(options) {}

  Result<ReplayReport> run();

 private:
  Status open();
  Status warm_up(std::size_t end);
  Status learn(std::span<const Interaction> interactions);
  Status ask(const Interaction& truth, const Previous& previous);
  /// What the baselines know: kept here in plain counts, apart from the engine's features.
  void remember(const Interaction& one);
  [[nodiscard]] std::uint32_t row_of(const PlaceId& place) const;

  const datasets::Dataset& dataset_;
  const ReplayOptions& options_;
  std::unique_ptr<storage::StateStore> store_;
  std::unique_ptr<state::FeatureState> state_;
  std::unique_ptr<Recommender> recommender_;
  std::unordered_map<std::string, std::uint32_t> rows_;
  std::unordered_map<std::string, Previous> previous_;
  std::unordered_map<std::string, std::unordered_map<std::uint32_t, float>> own_visits_;  ///< by user, by row
  std::vector<float> visits_;                                                             ///< by row
  Tally cairn_{"cairn"};
  Tally popular_{"popular_nearby"};
  Tally nearest_{"nearest"};
  Tally own_{"own_history"};
  std::vector<float> scores_;
  std::size_t questions_ = 0;
};

Status Replay::open() {
  store_ = storage::open_memory_store(features::merge_encoded_rows);
  CAIRN_ASSIGN_OR_RETURN(state_, state::FeatureState::open(*store_, {.views = ranking::builtin_views(), .sync = false},
                                                           InteractionTypes()));
  CAIRN_RETURN_IF_ERROR(state_->catalog().upsert(dataset_.places));
  CAIRN_ASSIGN_OR_RETURN(recommender_, Recommender::create(*state_, options_.ranking));
  const auto index = recommender_->index();
  for (std::uint32_t row = 0; row < index->size(); ++row) rows_.emplace(index->place(row).id.str(), row);
  visits_.resize(index->size());
  return ok_status();
}

std::uint32_t Replay::row_of(const PlaceId& place) const {
  const auto found = rows_.find(place.str());
  return found == rows_.end() ? gpu::kNoRow : found->second;
}

void Replay::remember(const Interaction& one) {
  const std::uint32_t row = row_of(one.place);
  if (row == gpu::kNoRow) return;
  previous_[one.user.str()] = {row, one.time};
  ++own_visits_[one.user.str()][row];
  ++visits_[row];
}

Status Replay::learn(std::span<const Interaction> interactions) {
  for (const Interaction& one : interactions) remember(one);
  return state_->apply({"replay", interactions, {}, 0});
}

Status Replay::warm_up(std::size_t end) {
  const std::span<const Interaction> all(dataset_.interactions);
  for (std::size_t begin = 0; begin < end; begin += kWarmUpBatch) {
    CAIRN_RETURN_IF_ERROR(learn(all.subspan(begin, std::min(kWarmUpBatch, end - begin))));
    if (options_.progress) options_.progress(begin, all.size());
  }
  return ok_status();
}

Status Replay::ask(const Interaction& truth, const Previous& previous) {
  const std::uint32_t truth_row = row_of(truth.place);
  if (truth_row == gpu::kNoRow) return ok_status();
  const GeoPoint here = recommender_->index()->position(previous.row);
  const double hours = std::max(0.0, static_cast<double>((truth.time - previous.time).count()) / 3.6e6);
  CAIRN_ASSIGN_OR_RETURN(const auto scored,
                         recommender_->score(truth.user, here, truth.time, hours, kEverywhereMeters));
  // Every place is a candidate, ascending by row, so a candidate's index is its row.
  CAIRN_CHECK(scored.candidates.size() == scored.index->size());
  const double rank = expected_rank(scored.scores, truth_row);
  cairn_.add(rank);
  if (options_.answered) CAIRN_RETURN_IF_ERROR(options_.answered({truth, rank}));

  scores_.resize(scored.candidates.size());
  for (std::size_t i = 0; i < scores_.size(); ++i) scores_[i] = -scored.candidates[i].meters;
  nearest_.add(expected_rank(scores_, truth_row));
  for (std::size_t i = 0; i < scores_.size(); ++i) {
    const bool nearby = static_cast<double>(scored.candidates[i].meters) <= kNearbyMeters;
    scores_[i] = nearby ? visits_[i] + 1.0F : 0.0F;
  }
  popular_.add(expected_rank(scores_, truth_row));
  std::fill(scores_.begin(), scores_.end(), 0.0F);
  for (const auto& [row, visits] : own_visits_[truth.user.str()]) scores_[row] = visits;
  own_.add(expected_rank(scores_, truth_row));
  ++questions_;
  return ok_status();
}

Result<ReplayReport> Replay::run() {
  const auto started = std::chrono::steady_clock::now();
  const std::span<const Interaction> all(dataset_.interactions);
  std::size_t first = static_cast<std::size_t>(options_.ask_from_fraction * static_cast<double>(all.size()));
  if (options_.ask_from_time) {
    first = static_cast<std::size_t>(
        std::partition_point(all.begin(), all.end(),
                             [&](const Interaction& one) { return one.time < *options_.ask_from_time; }) -
        all.begin());
  }
  CAIRN_RETURN_IF_ERROR(open());
  CAIRN_RETURN_IF_ERROR(warm_up(std::min(first, all.size())));
  std::size_t turn = 0;
  for (std::size_t i = first; i < all.size(); ++i) {
    const auto previous = previous_.find(all[i].user.str());
    if (previous != previous_.end() && turn++ % options_.ask_every == 0) {
      CAIRN_RETURN_IF_ERROR(ask(all[i], previous->second));
    }
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
  report.metrics = {cairn_.mean(), popular_.mean(), nearest_.mean(), own_.mean()};
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

Result<ReplayReport> replay(const datasets::Dataset& dataset, const ReplayOptions& options) {
  if (dataset.interactions.empty()) return invalid_argument("the dataset has no interactions");
  if (options.ask_every == 0) return invalid_argument("ask_every must be at least 1");
  return Replay(dataset, options).run();
}

}  // namespace cairn::learning

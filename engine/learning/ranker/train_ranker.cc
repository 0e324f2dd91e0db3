#include "engine/learning/ranker/train_ranker.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <string_view>
#include <utility>

#include "engine/learning/ranker/fit_linear.h"
#include "engine/learning/ranker/item_model.h"
#include "engine/ranking/score/ranking_features.h"
#include "gpu/backend.h"

namespace cairn::learning {

namespace {

constexpr std::size_t kMostLinear = 30'000;  ///< as many as a few dozen numbers need

constexpr const char* kItemsFolder = "items";  ///< in a ranker's directory
constexpr std::string_view kNoItems = "none";

/// The whole work, in its order: two models of items, two replays and two fits.
enum Part : std::uint8_t { kItemsBefore, kLinearQuestions, kLinearFit, kNetworkQuestions, kNetworkFit, kAllItems };
/// Shares of it, for the progress.
constexpr double kParts[] = {0.0, 0.2, 0.05, 0.45, 0.3, 0.0};
constexpr double kPartsWithItems[] = {0.1, 0.15, 0.05, 0.35, 0.2, 0.15};

std::string number_text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4f", value);
  return text;
}

std::string kind_of_items(const RankerTrainOptions& options) {
  if (!options.item_model.empty()) return options.item_model;
  return options.objective == Objective::kNew ? "ease" : std::string(kNoItems);
}

class Training {
 public:
  Training(std::span<const Stream> streams, const RankerTrainOptions& options)
      : streams_(streams), options_(options), item_kind_(kind_of_items(options)) {
    const float silent = has_items() ? std::max(options.warm_up, options.item_model_share) : options.warm_up;
    for (const Stream& stream : streams) {
      first_.push_back(share_of(stream, silent));
      measured_from_.push_back(share_of(stream, 1.0F - options.measured));
      learnable_ += measured_from_.back() - std::min(first_.back(), measured_from_.back());
    }
  }

  Result<TrainedRanker> run(const ranking::RankerModel& start);

 private:
  /// The questions of all streams: those that are learned from, then those that measure.
  struct Log {
    QuestionLog questions = {};
    std::size_t measured = 0;  ///< the first of these
  };

  [[nodiscard]] bool has_items() const noexcept { return item_kind_ != kNoItems; }
  static std::size_t share_of(const Stream& stream, float share) {
    return static_cast<std::size_t>(static_cast<double>(share) * static_cast<double>(stream.interactions.size()));
  }

  [[nodiscard]] Result<model::Model> train_items(std::span<const std::span<const Interaction>> streams, Part part,
                                                 std::size_t done, std::size_t total) const;
  /// Models of what comes before the questions, one a stream.
  Status prepare_items();
  Status train_all_items(TrainedRanker* trained) const;
  Result<Log> ask(const ranking::RankerModel& ranker, const CandidatePlan& candidates, std::size_t questions_max,
                  Part part);
  Status fit_the_linear_stage(TrainedRanker* trained);
  Status fit_the_network(TrainedRanker* trained);
  /// A progress for one part of the work.
  [[nodiscard]] bool report(Part part, double done) const {
    const auto& parts = has_items() ? kPartsWithItems : kParts;
    double before = 0.0;
    for (std::size_t i = 0; i < part; ++i) before += parts[i];
    return !options_.progress || options_.progress(std::min(1.0, before + parts[part] * done));
  }
  [[nodiscard]] auto progress_of(Part part) const {
    return [this, part](std::size_t done, std::size_t total) {
      return report(part, static_cast<double>(done) / static_cast<double>(std::max<std::size_t>(1, total)));
    };
  }
  void remark(const std::string& text) const {
    if (options_.remark) options_.remark(text);
  }

  const std::span<const Stream> streams_;
  const RankerTrainOptions& options_;
  const std::string item_kind_;
  std::vector<std::shared_ptr<const model::ServedModel>> items_;  ///< by stream; empty: none takes part
  std::vector<std::size_t> first_;                                ///< by stream
  std::vector<std::size_t> measured_from_;                        ///< by stream
  std::size_t learnable_ = 0;  ///< interactions that may be asked about and learned from
};

void append(const QuestionLog& from, std::size_t begin, std::size_t end, QuestionLog* to) {
  if (begin == end) return;
  const std::size_t candidates = from.candidates_before(begin);
  const std::size_t visits = from.visits_before(begin);
  for (std::size_t q = begin; q < end; ++q) {
    QuestionLog::Question moved = from.questions[q];
    moved.first_candidate += to->scores.size() - candidates;
    moved.first_visit += to->candidate_of.size() - visits;
    to->questions.push_back(moved);
  }
  const auto add = [&](const auto& source, auto* target, std::size_t first, std::size_t last, std::size_t width) {
    target->insert(target->end(), source.begin() + static_cast<std::ptrdiff_t>(first * width),
                   source.begin() + static_cast<std::ptrdiff_t>(last * width));
  };
  const std::size_t last_candidate = from.candidates_before(end);
  const std::size_t last_visit = from.visits_before(end);
  const std::size_t place_width = from.place_inputs.size() / std::max<std::size_t>(1, from.scores.size());
  const std::size_t visit_width = from.visit_inputs.size() / std::max<std::size_t>(1, from.candidate_of.size());
  add(from.place_inputs, &to->place_inputs, candidates, last_candidate, place_width);
  add(from.scores, &to->scores, candidates, last_candidate, 1);
  add(from.log_weights, &to->log_weights, candidates, last_candidate, 1);
  add(from.visit_inputs, &to->visit_inputs, visits, last_visit, visit_width);
  add(from.candidate_of, &to->candidate_of, visits, last_visit, 1);
}

Result<model::Model> Training::train_items(std::span<const std::span<const Interaction>> streams, Part part,
                                           std::size_t done, std::size_t total) const {
  const auto progress = [&](double fraction) {
    return report(part, (static_cast<double>(done) + fraction) / static_cast<double>(total));
  };
  return train_item_model(streams, {.kind = item_kind_,
                                    .parameters = options_.item_parameters,
                                    .seed = options_.seed,
                                    .threads = options_.threads,
                                    .progress = progress,
                                    .remark = options_.remark,
                                    .types = streams_.empty() ? InteractionTypes() : streams_.front().types});
}

Status Training::prepare_items() {
  if (!has_items()) return ok_status();
  CAIRN_ASSIGN_OR_RETURN(const auto backend, gpu::make_cpu_backend({.threads = 1}));
  for (std::size_t i = 0; i < streams_.size(); ++i) {
    // No answer may be in what the model learns from: it would be an answer that it remembers, and does not foresee.
    const auto before = streams_[i].interactions.first(first_[i]);
    CAIRN_ASSIGN_OR_RETURN(model::Model items, train_items({&before, 1}, kItemsBefore, i, streams_.size()));
    remark("model of items (" + item_kind_ + "): " + std::to_string(items.interactions) + " pairs of " +
           std::to_string(items.users) + " users with " + std::to_string(items.items.size()) +
           " places, before the first question");
    CAIRN_ASSIGN_OR_RETURN(auto served, model::ServedModel::create(std::move(items), *backend, EventTime{}));
    items_.push_back(std::move(served));
  }
  return ok_status();
}

Status Training::train_all_items(TrainedRanker* trained) const {
  if (!has_items()) return ok_status();
  std::vector<std::span<const Interaction>> all;
  for (const Stream& stream : streams_) all.push_back(stream.interactions);
  CAIRN_ASSIGN_OR_RETURN(trained->items, train_items(all, kAllItems, 0, 1));
  trained->ranker.items = kItemsFolder;
  return ok_status();
}

Result<Training::Log> Training::ask(const ranking::RankerModel& ranker, const CandidatePlan& candidates,
                                    std::size_t questions_max, Part part) {
  std::vector<QuestionLog> logs;
  std::vector<std::size_t> measured;
  std::size_t total = 0;
  for (const Stream& stream : streams_) total += stream.interactions.size();
  std::size_t before = 0;
  Log all;
  for (std::size_t i = 0; i < streams_.size(); ++i) {
    const Stream& stream = streams_[i];
    CAIRN_ASSIGN_OR_RETURN(const auto engine, ReplayEngine::open(stream.places, {}, ranker, stream.types));
    if (has_items()) engine->serve_model(items_[i]);
    const double share = static_cast<double>(questions_max) / static_cast<double>(std::max<std::size_t>(1, learnable_));
    QuestionPlan plan{.objective = options_.objective,
                      .first = first_[i],
                      .end = stream.interactions.size(),
                      .share = std::min(1.0, share),
                      .candidates = candidates,
                      .measure_from = measured_from_[i],
                      .seed = options_.seed + i};
    std::size_t learned = 0;
    CAIRN_ASSIGN_OR_RETURN(QuestionLog log,
                           log_questions(
                               *engine, stream.interactions, plan,
                               [&](std::size_t done) {
                                 return report(part, static_cast<double>(before + done) / static_cast<double>(total));
                               },
                               &learned));
    before += stream.interactions.size();
    all.questions.missed += log.missed;
    logs.push_back(std::move(log));
    measured.push_back(learned);
  }
  if (logs.size() == 1) {
    all.measured = measured.front();
    all.questions = std::move(logs.front());
  } else {
    for (std::size_t i = 0; i < logs.size(); ++i) append(logs[i], 0, measured[i], &all.questions);
    all.measured = all.questions.questions.size();
    for (std::size_t i = 0; i < logs.size(); ++i) {
      append(logs[i], measured[i], logs[i].questions.size(), &all.questions);
      logs[i] = {};
    }
  }
  if (all.measured == 0 || all.measured == all.questions.questions.size()) {
    return invalid_argument(
        "too few questions can be asked of the stream: it needs users who went to two or more places that are known "
        "with their positions, both before and after the point from which a training is measured");
  }
  return all;
}

Status Training::fit_the_linear_stage(TrainedRanker* trained) {
  CAIRN_ASSIGN_OR_RETURN(const Log log, ask(trained->ranker, {.best = 32, .middle = 16, .rest = 32},
                                            std::min(kMostLinear, options_.questions_max), kLinearQuestions));
  CAIRN_ASSIGN_OR_RETURN(
      LinearFit fit,
      fit_linear(log.questions, log.measured, trained->ranker,
                 {.seed = options_.seed, .threads = options_.threads, .progress = progress_of(kLinearFit)}));
  trained->linear_loss_before = fit.loss_before;
  trained->linear_loss_after = fit.loss_after;
  trained->ranker.weights = std::move(fit.ranker.weights);
  trained->ranker.habit = fit.ranker.habit;
  remark("linear stage: loss " + number_text(fit.loss_before) + " before, " + number_text(fit.loss_after) +
         " after, on " + std::to_string(log.questions.questions.size() - log.measured) + " questions");
  return ok_status();
}

Status Training::fit_the_network(TrainedRanker* trained) {
  CAIRN_ASSIGN_OR_RETURN(const Log log, ask(trained->ranker, {}, options_.questions_max, kNetworkQuestions));
  trained->questions = log.measured;
  trained->measured = log.questions.questions.size() - log.measured;
  NetworkFitOptions network = options_.network;
  network.seed = options_.seed;
  network.threads = options_.threads;
  network.progress = progress_of(kNetworkFit);
  network.measured = [&](std::size_t epoch, const Foresight& foresight) {
    remark("network: epoch " + std::to_string(epoch) + " loss " + number_text(foresight.loss) + ", Acc@1 " +
           number_text(foresight.acc_at_1) + ", MRR " + number_text(foresight.mrr));
  };
  remark("questions: " + std::to_string(trained->questions) + " to learn from, " + std::to_string(trained->measured) +
         " to measure with, " + std::to_string(log.questions.missed) + " whose place was beyond the best, " +
         std::to_string(log.questions.bytes() >> 20) + " MiB");
  CAIRN_ASSIGN_OR_RETURN(trained->network, fit_network(log.questions, log.measured, network));
  remark("network: before it loss " + number_text(trained->network.before.loss) + ", Acc@1 " +
         number_text(trained->network.before.acc_at_1) + ", MRR " + number_text(trained->network.before.mrr));
  if (trained->network.epochs > 0) trained->ranker.network = std::move(trained->network.network);
  return ok_status();
}

Result<TrainedRanker> Training::run(const ranking::RankerModel& start) {
  TrainedRanker trained{.ranker = start};
  trained.ranker.network.reset();
  trained.ranker.items.clear();
  // What weighs nothing is not asked, and its weight would stay 0.
  double& model_weight = trained.ranker.weights[ranking::model_feature()];
  if (has_items() && model_weight == 0.0) model_weight = 1.0;
  EventTime last{};
  for (const Stream& stream : streams_) {
    if (!stream.interactions.empty()) last = std::max(last, stream.interactions.back().time);
  }
  trained.ranker.version = static_cast<std::uint64_t>(std::max<std::int64_t>(0, to_ms(last) / 1000));
  CAIRN_RETURN_IF_ERROR(prepare_items());
  if (options_.fit_linear) CAIRN_RETURN_IF_ERROR(fit_the_linear_stage(&trained));
  if (options_.network.epochs > 0) CAIRN_RETURN_IF_ERROR(fit_the_network(&trained));
  items_.clear();
  CAIRN_RETURN_IF_ERROR(train_all_items(&trained));
  return trained;
}

Status check(const RankerTrainOptions& options) {
  const NetworkFitOptions& network = options.network;
  const auto between = [](std::size_t value, std::size_t low, std::size_t high) {
    return value >= low && value <= high;
  };
  if (!(options.warm_up >= 0.0F && options.measured > 0.0F && options.warm_up + options.measured < 1.0F)) {
    return invalid_argument("warm_up must be 0 or more, measured above 0, and both together below 1");
  }
  const bool has_items = kind_of_items(options) != kNoItems;
  if (has_items && !(options.item_model_share > 0.0F && options.item_model_share + options.measured < 1.0F)) {
    return invalid_argument("item_model_share must be above 0, and together with measured below 1");
  }
  if (options.questions_max == 0) return invalid_argument("questions_max must be at least 1");
  if (!between(network.hidden, 1, 4096) || !between(network.visit_hidden, 1, 4096)) {
    return invalid_argument("hidden and visit_hidden must be 1 to 4096");
  }
  if (!between(network.heads, 1, 64)) return invalid_argument("heads must be 1 to 64");
  if (!between(network.members, 1, ranking::RankerNetwork::kMembersMax)) {
    return invalid_argument("members must be 1 to 16");
  }
  if (network.epochs > 1'000) return invalid_argument("epochs must be at most 1000");
  if (!(network.rate > 0.0F && network.rate <= 1.0F) || !(network.decay >= 0.0F && network.decay <= 1.0F)) {
    return invalid_argument("rate must be above 0, decay 0 or more, and both at most 1");
  }
  return ok_status();
}

}  // namespace

Result<TrainedRanker> train_ranker(std::span<const Stream> streams, const ranking::RankerModel& start,
                                   const RankerTrainOptions& options) {
  CAIRN_RETURN_IF_ERROR(check(options));
  return Training(streams, options).run(start);
}

Result<TrainedRanker> train_ranker(std::span<const Stream> streams, const RankerTrainOptions& options) {
  return train_ranker(streams, ranking::default_ranker(), options);
}

Result<RankerWithItems> load_ranker(const std::string& directory) {
  RankerWithItems loaded;
  CAIRN_ASSIGN_OR_RETURN(loaded.ranker, ranking::read_ranker(directory));
  if (loaded.ranker.items.empty()) return loaded;
  CAIRN_ASSIGN_OR_RETURN(const auto backend, gpu::make_cpu_backend({.threads = 1}));
  const std::string folder = (std::filesystem::path(directory) / loaded.ranker.items).string();
  CAIRN_ASSIGN_OR_RETURN(loaded.items, model::ServedModel::load(folder, *backend, EventTime{}));
  return loaded;
}

Result<RankerWithItems> serve_ranker(TrainedRanker trained) {
  RankerWithItems served{.ranker = std::move(trained.ranker)};
  if (!trained.items) return served;
  CAIRN_ASSIGN_OR_RETURN(const auto backend, gpu::make_cpu_backend({.threads = 1}));
  CAIRN_ASSIGN_OR_RETURN(served.items, model::ServedModel::create(*std::move(trained.items), *backend, EventTime{}));
  return served;
}

Status save_ranker(const std::string& directory, const TrainedRanker& trained) {
  // The ranker that names the model comes last: who finds it finds the model as well.
  if (trained.items) CAIRN_RETURN_IF_ERROR(model::save_model(*trained.items, items_directory(directory)));
  return ranking::write_ranker(directory, trained.ranker);
}

std::string items_directory(const std::string& directory) {
  return (std::filesystem::path(directory) / kItemsFolder).string();
}

}  // namespace cairn::learning

#include "engine/learning/ranker/item_model.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "engine/learning/evaluate/replay_engine.h"
#include "engine/learning/interactions.h"
#include "engine/learning/train.h"
#include "engine/model/item_ranker.h"

namespace cairn::learning {

namespace {

constexpr std::size_t kUsersAsked = 256;  ///< their mean is within a few percent of that of all
constexpr std::size_t kRank = 20;

Interactions visits_of(std::span<const std::span<const Interaction>> streams, const InteractionTypes& types) {
  InteractionsBuilder builder;
  for (const auto& stream : streams) {
    for (const Interaction& one : stream) {
      if (is_visit(one, types)) builder.add(one.user.str(), one.place.str());
    }
  }
  return std::move(builder).finish();
}

/// What users' scores of items that they have not had are like.
struct Spread {
  double of_rank = 0.0;        ///< the kRank-th best, on the mean
  double by_popularity = 0.0;  ///< popularity times this foresees scores best, by least squares
};

/// Users are asked one after another, so that threads change nothing. Returns: what ItemRanker returns.
Result<Spread> spread_of(const model::Model& model, const Interactions& interactions, std::size_t threads) {
  CAIRN_ASSIGN_OR_RETURN(const auto backend, gpu::make_cpu_backend({.threads = threads}));
  CAIRN_ASSIGN_OR_RETURN(const auto ranker, model::ItemRanker::create(model, *backend, {.threads = threads}));
  const std::size_t users = interactions.users.size();
  const std::size_t step = 1 + (users - 1) / kUsersAsked;
  std::size_t asked = 0;
  double of_rank = 0.0;
  double products = 0.0;
  double squares = 0.0;
  std::vector<float> scores;
  for (std::size_t user = 0; user < users; user += step) {
    const auto own = interactions.view().columns_of(user);
    if (own.empty() || own.size() == interactions.items.size()) continue;
    const std::uint64_t offsets[] = {0, own.size()};
    CAIRN_RETURN_IF_ERROR(
        ranker->score({.offsets = offsets, .columns = own, .width = interactions.items.size()}, &scores));
    for (const std::uint32_t item : own) scores[item] = std::numeric_limits<float>::lowest();
    for (std::size_t item = 0; item < scores.size(); ++item) {
      if (scores[item] == std::numeric_limits<float>::lowest()) continue;
      const auto popularity = static_cast<double>(model.popularity[item]);
      products += static_cast<double>(scores[item]) * popularity;
      squares += popularity * popularity;
    }
    const std::size_t rank = std::min(kRank, scores.size() - own.size());
    const auto at = scores.begin() + static_cast<std::ptrdiff_t>(rank - 1);
    std::nth_element(scores.begin(), at, scores.end(), std::greater<>());
    of_rank += static_cast<double>(*at);
    ++asked;
  }
  if (asked == 0) return Spread{};
  return Spread{of_rank / static_cast<double>(asked), squares > 0.0 ? products / squares : 0.0};
}

bool divides(double value) { return std::isfinite(value) && value > 1e-20; }

/// Multiplies all scores, and apart from them those of somebody unknown.
void scale(double of_scores, double of_popularity, model::Model* model) {
  for (model::Component& one : model->components) {
    // Such a component scores by the popularity, which foresees it exactly: that is scaled alike.
    if (one.kind == model::ComponentKind::kPopularity) continue;
    one.weight = static_cast<float>(static_cast<double>(one.weight) * of_scores);
  }
  for (float& value : model->popularity) value = static_cast<float>(static_cast<double>(value) * of_popularity);
}

Status bring_to_unit(const Interactions& interactions, std::size_t threads, model::Model* model) {
  CAIRN_ASSIGN_OR_RETURN(const Spread spread, spread_of(*model, interactions, threads));
  // Scores that are nothing, or below nothing, have no such unit and stay as they are.
  const double unit = divides(spread.of_rank) ? spread.of_rank : 1.0;
  const double most = static_cast<double>(*std::max_element(model->popularity.begin(), model->popularity.end()));
  const double by_popularity = divides(spread.by_popularity) ? spread.by_popularity / unit : 1.0 / std::max(most, 1.0);
  scale(1.0 / unit, by_popularity, model);
  return model::check_model(*model);
}

}  // namespace

Result<model::Model> train_item_model(std::span<const std::span<const Interaction>> streams,
                                      const ItemModelOptions& options) {
  const Interactions interactions = visits_of(streams, options.types);
  const std::string what = "the model of items (" + options.kind + ")";
  if (interactions.columns.empty()) {
    return invalid_argument(what + ": there are no visits to train it on; item_model=none trains a ranker without one");
  }
  auto trained = train(options.kind, interactions,
                       {.parameters = options.parameters,
                        .seed = options.seed,
                        .threads = options.threads,
                        .progress = options.progress,
                        .remark = options.remark});
  if (!trained.ok()) {
    const bool too_large = trained.status().code() == StatusCode::kResourceExhausted;
    return std::move(trained).status().with_context(what + (too_large ? ", where item_model=ials needs less" : ""));
  }
  CAIRN_RETURN_IF_ERROR(bring_to_unit(interactions, options.threads, &*trained).with_context(what));
  return trained;
}

}  // namespace cairn::learning

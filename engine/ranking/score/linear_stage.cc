#include "engine/ranking/score/linear_stage.h"

#include <algorithm>
#include <cmath>

#include "cairn/options.h"
#include "engine/ranking/score/ranking_features.h"

namespace cairn::ranking {

Result<LinearStage> LinearStage::create(std::vector<double> weights, const std::map<std::string, double>& named,
                                        bool defaults) {
  CAIRN_CHECK(weights.size() == ranking_feature_count());
  std::vector<double> trained = weights;
  if (!defaults) weights.assign(weights.size(), 0.0);
  for (const auto& [name, weight] : named) {
    const auto feature = find_ranking_feature(name);
    if (!feature) {
      return invalid_argument("no ranking feature is named '" + name + "'; GET /v1/ranking-features lists them");
    }
    if (!(std::abs(weight) <= kRankingWeightMax)) {
      return invalid_argument("the weight of '" + name + "' must be from -1e6 to 1e6");
    }
    weights[*feature] = weight;
  }
  return LinearStage(std::move(weights), std::move(trained));
}

namespace {

/// Asks the processor for what a candidate some steps ahead will read. Rows are neighbours on the map, but their
/// signals stand by dictionary id, anywhere in memory: without this a scan waits for memory more than it computes.
void fetch_ahead(const QuestionFacts& question, std::span<const PlaceIndex::Near> candidates, std::size_t i) {
  constexpr std::size_t kSignal = 12;  // steps ahead: first the signal itself,
  constexpr std::size_t kLists = 6;    // then, when it has come, the lists that it points to
  const auto signal_of = [&](std::size_t at) -> const PlaceSignal& {
    return question.signals.of(question.index.place_id(candidates[at].row));
  };
  if (i + kSignal < candidates.size()) __builtin_prefetch(&signal_of(i + kSignal));
  if (i + kLists < candidates.size()) {
    const PlaceSignal& signal = signal_of(i + kLists);
    __builtin_prefetch(signal.week.data());
    __builtin_prefetch(signal.tiles.data());
  }
}

}  // namespace

void LinearStage::ask_model(const QuestionFacts& question, std::span<const PlaceIndex::Near> candidates,
                            std::vector<float>* scores) const {
  if (question.model == nullptr || weights_[model_feature()] == 0.0) return;
  *scores = question.model->score(candidates);
}

Status LinearStage::score(const QuestionFacts& question, std::span<const PlaceIndex::Near> candidates,
                          const std::function<Status()>& go_on, std::vector<float>* scores,
                          std::vector<float>* features) const {
  scores->clear();
  scores->reserve(candidates.size());
  if (features != nullptr) features->resize(candidates.size() * weights_.size());
  // Candidates and visited places both ascend by row, so one walk over both finds who has been where.
  auto visited = question.user.visited.begin();
  const auto end = question.user.visited.end();
  const OwnFeatures& own = question.signals.own();
  std::vector<float> model_scores;
  while (scores->size() < candidates.size()) {
    CAIRN_RETURN_IF_ERROR(go_on());  // not for every candidate: reading the clock costs something too
    const std::size_t slice_begin = scores->size();
    const std::size_t slice_end = std::min(candidates.size(), slice_begin + kSlice);
    ask_model(question, candidates.subspan(slice_begin, slice_end - slice_begin), &model_scores);
    for (std::size_t i = scores->size(); i < slice_end; ++i) {
      fetch_ahead(question, candidates, i);
      const PlaceIndex::Near& near = candidates[i];
      while (visited != end && visited->row < near.row) ++visited;
      const bool is_visited = visited != end && visited->row == near.row;
      const float model_score = model_scores.empty() ? 0.0F : model_scores[i - slice_begin];
      const CandidateFacts candidate(question, near, is_visited ? &*visited : nullptr, model_score);
      const std::span<float> values =
          features == nullptr ? std::span<float>() : std::span(*features).subspan(i * weights_.size(), weights_.size());
      double sum = weighted_sum(candidate, weights_, values);
      if (!own.empty()) sum += own.weighted_sum(candidate);
      scores->push_back(static_cast<float>(sum));
    }
  }
  return ok_status();
}

}  // namespace cairn::ranking

#include "engine/ranking/score/linear_stage.h"

#include <algorithm>
#include <cmath>

#include "cairn/options.h"
#include "cairn/prefetch.h"
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

/// Asks the processor for what candidates some steps ahead will read, so that scoring need not wait for memory: it
/// would wait longer than it computes. Of few candidates among many places, hardly two share a line of any column.
class Ahead {
 public:
  /// Steps before a candidate is scored in which something is asked for.
  static constexpr std::size_t kSteps = 24;

  Ahead(const QuestionFacts& question, std::span<const PlaceIndex::Near> candidates)
      : question_(question), candidates_(candidates) {}

  /// The candidate `step` - kSteps is scored next.
  void fetch(std::size_t step) const {
    if (step < candidates_.size()) question_.index.prefetch(candidates_[step].row);
    if (step >= kSignal && step - kSignal < candidates_.size()) {
      const char* signal = reinterpret_cast<const char*>(&signal_of(step - kSignal));
      cairn::prefetch(signal);
      cairn::prefetch(signal + sizeof(PlaceSignal) - 1);
    }
    if (step >= kLists && step - kLists < candidates_.size()) {
      const PlaceSignal& signal = signal_of(step - kLists);
      fetch_all(signal.week);
      fetch_all(signal.tiles);
      const std::uint32_t category = question_.index.category(candidates_[step - kLists].row);
      const auto categories = question_.signals.categories();
      if (category < categories.size()) cairn::prefetch(&categories[category].visits);
    }
  }

 private:
  static constexpr std::size_t kSignal = 8;  ///< steps after the columns of the index,
  static constexpr std::size_t kLists = 16;  ///< and after that, when it has come, the lists that the signal points to

  [[nodiscard]] const PlaceSignal& signal_of(std::size_t at) const {
    return question_.signals.of(question_.index.place_id(candidates_[at].row));
  }
  template <typename List>
  static void fetch_all(const List& list) {
    constexpr std::size_t kLine = 64 / sizeof(list[0]);
    for (std::size_t i = 0; i < list.size(); i += kLine) cairn::prefetch(list.data() + i);
  }

  const QuestionFacts& question_;
  const std::span<const PlaceIndex::Near> candidates_;
};

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
  const Ahead ahead(question, candidates);
  for (std::size_t step = 0; step < Ahead::kSteps; ++step) ahead.fetch(step);
  while (scores->size() < candidates.size()) {
    CAIRN_RETURN_IF_ERROR(go_on());  // not for every candidate: reading the clock costs something too
    const std::size_t slice_begin = scores->size();
    const std::size_t slice_end = std::min(candidates.size(), slice_begin + kSlice);
    ask_model(question, candidates.subspan(slice_begin, slice_end - slice_begin), &model_scores);
    for (std::size_t i = scores->size(); i < slice_end; ++i) {
      ahead.fetch(i + Ahead::kSteps);
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

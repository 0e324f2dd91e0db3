#include "engine/learning/ranker/question_log.h"

#include <algorithm>
#include <cmath>
#include <unordered_set>

#include "engine/ranking/score/network_inputs.h"
#include "gpu/half.h"
#include "gpu/random.h"

namespace cairn::learning {

namespace {

using ranking::PlaceIndex;
using ranking::Recommender;

constexpr std::size_t kLearnAtOnce = 5'000;  ///< interactions, where nothing is asked between them

double uniform(std::uint64_t* random) { return static_cast<double>(gpu::next_bits(random) >> 11) * 0x1p-53; }

/// Candidates of one question: which of all that were looked at, how many each stands for, and which came true.
struct Choice {
  std::vector<std::uint32_t> of_best = {};  ///< numbers among the best, ascending
  std::vector<PlaceIndex::Near> others = {};
  std::vector<float> log_weights = {};  ///< of both, in this order
  std::uint32_t truth = 0;
  bool has_truth = false;
};

class Logger {
 public:
  Logger(const QuestionPlan& plan, QuestionLog* log) : plan_(plan), log_(*log), random_(plan.seed) {}

  [[nodiscard]] bool asks() { return plan_.share >= 1.0 || uniform(&random_) < plan_.share; }

  void add(const Recommender::Study& study, std::uint32_t truth_row, bool measures) {
    const std::size_t place_width = ranking::place_input_names().size();
    const Choice choice = choose(study, truth_row, measures);
    if (!choice.has_truth) {
      ++log_.missed;
      return;
    }
    std::vector<float> inputs(study.best.size() * place_width);
    ranking::fill_place_inputs(study.facts, study.best, study.scores, study.features, inputs);
    QuestionLog::Question question{.first_candidate = log_.scores.size(),
                                   .first_visit = log_.candidate_of.size(),
                                   .candidates = static_cast<std::uint32_t>(choice.log_weights.size()),
                                   .truth = choice.truth};
    std::vector<PlaceIndex::Near> candidates;
    for (const std::uint32_t i : choice.of_best) {
      candidates.push_back(study.best[i]);
      add_halves(std::span(inputs).subspan(i * place_width, place_width), &log_.place_inputs);
      log_.scores.push_back(study.scores[i]);
    }
    if (!choice.others.empty()) {
      candidates.insert(candidates.end(), choice.others.begin(), choice.others.end());
      inputs.resize(choice.others.size() * place_width);
      const std::vector<float> unknown(choice.others.size());  // what is fitted with them computes scores itself
      ranking::fill_place_inputs(study.facts, choice.others, unknown,
                                 ranking::candidate_features(study.facts, choice.others), inputs);
      add_halves(inputs, &log_.place_inputs);
      log_.scores.resize(log_.scores.size() + choice.others.size());
    }
    log_.log_weights.insert(log_.log_weights.end(), choice.log_weights.begin(), choice.log_weights.end());
    question.visits = add_visits(study.facts, candidates);
    log_.questions.push_back(question);
  }

 private:
  Choice choose(const Recommender::Study& study, std::uint32_t truth_row, bool measures) {
    const auto found = std::find_if(study.best.begin(), study.best.end(),
                                    [&](const PlaceIndex::Near& near) { return near.row == truth_row; });
    const auto truth = static_cast<std::size_t>(found - study.best.begin());  // all of them: is not among them
    const auto count = std::min(study.best.size(), Recommender::kSecondStage);
    const std::size_t best = measures ? count : std::min(plan_.candidates.best, count);
    Choice choice;
    const auto take = [&](std::size_t i, double stands_for) {
      if (i == truth) {
        choice.truth = static_cast<std::uint32_t>(choice.of_best.size());
        choice.has_truth = true;
      }
      choice.of_best.push_back(static_cast<std::uint32_t>(i));
      choice.log_weights.push_back(static_cast<float>(std::log(stands_for)));
    };
    for (std::size_t i = 0; i < best; ++i) take(i, 1.0);
    const bool truth_in_middle = truth >= best && truth < count;
    take_middle(best, count, truth_in_middle ? truth : count, take);
    if (!measures && plan_.candidates.rest > 0) take_rest(study, truth_row, truth >= count, &choice);
    return choice;
  }

  /// Draws from [begin, end) without `truth`, which is taken as well when it is one of them.
  template <class Take>
  void take_middle(std::size_t begin, std::size_t end, std::size_t truth, const Take& take) {
    const std::size_t population = end - begin - (truth < end ? 1 : 0);
    std::size_t wanted = std::min(plan_.candidates.middle, population);
    const double stands_for = wanted == 0 ? 1.0 : static_cast<double>(population) / static_cast<double>(wanted);
    std::size_t left = population;
    for (std::size_t i = begin; i < end; ++i) {  // selection sampling (Knuth, volume 2, 3.4.2, algorithm S)
      if (i == truth) {
        take(i, 1.0);
        continue;
      }
      if (uniform(&random_) * static_cast<double>(left--) < static_cast<double>(wanted)) {
        take(i, stands_for);
        --wanted;
      }
    }
  }

  void take_rest(const Recommender::Study& study, std::uint32_t truth_row, bool truth_is_one, Choice* choice) {
    const PlaceIndex& index = study.facts.index;
    std::unordered_set<std::uint32_t> taken;
    for (const PlaceIndex::Near& near : study.best) taken.insert(near.row);
    taken.insert(truth_row);
    if (plan_.objective == Objective::kNew) {  // the user's own places are no candidates
      for (const ranking::VisitedPlace& own : study.facts.user.visited) {
        if (own.row != gpu::kNoRow) taken.insert(own.row);
      }
    }
    const auto take = [&](std::uint32_t row, double stands_for) {
      const double meters = distance_meters(study.facts.situation.position, index.position(row));
      choice->others.push_back({row, static_cast<float>(meters)});
      choice->log_weights.push_back(static_cast<float>(std::log(stands_for)));
    };
    if (truth_is_one) {
      choice->truth = static_cast<std::uint32_t>(choice->of_best.size());
      choice->has_truth = true;
      take(truth_row, 1.0);
    }
    const std::size_t population = index.size() - std::min<std::size_t>(index.size(), taken.size());
    const std::size_t wanted = std::min(plan_.candidates.rest, population / 2);  // so that drawing ends soon
    for (std::size_t i = 0; i < wanted;) {
      const auto row = static_cast<std::uint32_t>(gpu::next_bits(&random_) % index.size());
      if (!taken.insert(row).second) continue;
      take(row, static_cast<double>(population) / static_cast<double>(wanted));
      ++i;
    }
  }

  std::uint32_t add_visits(const ranking::QuestionFacts& facts, std::span<const PlaceIndex::Near> candidates) {
    const ranking::CandidateVisits visits = ranking::visits_to(candidates, facts.user);
    std::vector<float> inputs(visits.visits.size() * ranking::visit_input_names().size());
    ranking::fill_visit_inputs(facts, visits.visits, inputs);
    add_halves(inputs, &log_.visit_inputs);
    for (const std::uint32_t candidate : visits.candidates) {
      log_.candidate_of.push_back(static_cast<std::uint16_t>(candidate));
    }
    return static_cast<std::uint32_t>(visits.visits.size());
  }

  static void add_halves(std::span<const float> values, std::vector<std::uint16_t>* halves) {
    for (const float value : values) halves->push_back(gpu::half_of_float(value));
  }

  const QuestionPlan& plan_;
  QuestionLog& log_;
  std::uint64_t random_;
};

}  // namespace

std::size_t QuestionLog::bytes() const noexcept {
  return questions.capacity() * sizeof(Question) + (scores.capacity() + log_weights.capacity()) * sizeof(float) +
         (place_inputs.capacity() + visit_inputs.capacity() + candidate_of.capacity()) * sizeof(std::uint16_t);
}

Result<QuestionLog> log_questions(ReplayEngine& engine, std::span<const Interaction> interactions,
                                  const QuestionPlan& plan, const std::function<bool(std::size_t)>& progress,
                                  std::size_t* to_learn) {
  QuestionLog log;
  Logger logger(plan, &log);
  std::size_t learned = 0;
  const auto learn_until = [&](std::size_t end) {
    for (; learned < end; learned = std::min(end, learned + kLearnAtOnce)) {
      CAIRN_RETURN_IF_ERROR(engine.learn(interactions.subspan(learned, std::min(kLearnAtOnce, end - learned))));
    }
    return ok_status();
  };
  for (std::size_t i = 0; i < std::min(plan.end, interactions.size()); ++i) {
    if (i % 256 == 0 && progress && !progress(i)) return Status{StatusCode::kCancelled, "the training was given up"};
    if (i == plan.measure_from) *to_learn = log.questions.size();
    if (i < plan.first || !is_visit(interactions[i], engine.types())) continue;
    if (i < plan.measure_from && !logger.asks()) continue;
    CAIRN_RETURN_IF_ERROR(learn_until(i));
    const Interaction& truth = interactions[i];
    const ReplayEngine::Previous* previous = engine.last_visit(truth.user);
    const std::uint32_t row = engine.row_of(truth.place);
    if (previous == nullptr || row == gpu::kNoRow) continue;
    const GeoPoint here = engine.recommender().index()->position(previous->row);
    CAIRN_RETURN_IF_ERROR(engine.recommender().study(
        truth.user, here, truth.time, hours_between(previous->time, truth.time), plan.objective == Objective::kNew,
        Recommender::kSecondStage, [&](const Recommender::Study& study) {
          // With kNew a place that the user has been to answers another question.
          if (plan.objective == Objective::kNew && study.facts.user.find_row(row) != nullptr) return;
          logger.add(study, row, i >= plan.measure_from);
        }));
  }
  if (plan.measure_from >= std::min(plan.end, interactions.size())) *to_learn = log.questions.size();
  return log;
}

}  // namespace cairn::learning

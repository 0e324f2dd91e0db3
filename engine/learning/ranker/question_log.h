#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "cairn/interaction.h"
#include "cairn/place.h"
#include "cairn/status.h"
#include "engine/learning/evaluate/replay_engine.h"
#include "engine/learning/objective.h"

namespace cairn::learning {

/// Questions that a stream has answered: of each some candidates with all that a network reads of them
/// (ranking/score/network_inputs.h), and which of them came true. Numbers are kept as halves.
struct QuestionLog {
  struct Question {
    std::size_t first_candidate = 0;
    std::size_t first_visit = 0;
    std::uint32_t candidates = 0;
    std::uint32_t visits = 0;
    std::uint32_t truth = 0;  ///< which of the candidates came true
  };

  std::vector<Question> questions = {};  ///< in the order of time
  // By candidate.
  std::vector<std::uint16_t> place_inputs = {};
  std::vector<float> scores = {};       ///< by the linear stage
  std::vector<float> log_weights = {};  ///< ln of how many places each stands for
  // By visit to one of the question's candidates.
  std::vector<std::uint16_t> visit_inputs = {};
  std::vector<std::uint16_t> candidate_of = {};  ///< counted within the question

  std::size_t missed = 0;  ///< questions left out, as what came true was not among the candidates

  [[nodiscard]] std::size_t bytes() const noexcept;
  /// How many candidates, and visits, stand before those of a question; of all questions behind the last one.
  [[nodiscard]] std::size_t candidates_before(std::size_t question) const noexcept {
    return question < questions.size() ? questions[question].first_candidate : scores.size();
  }
  [[nodiscard]] std::size_t visits_before(std::size_t question) const noexcept {
    return question < questions.size() ? questions[question].first_visit : candidate_of.size();
  }
};

/// Which of the places become candidates: the best by the linear stage, and of the rest a sample, so that the sum over
/// all places is estimated without bias.
struct CandidatePlan {
  std::size_t best = 48;    ///< these, all of them
  std::size_t middle = 16;  ///< drawn from those behind them, up to ranking::Recommender::kSecondStage
  std::size_t rest = 0;     ///< drawn from all others; only with these can a truth beyond the second stage be kept
};

/// What is asked of a stream.
struct QuestionPlan {
  Objective objective = Objective::kNext;
  std::size_t first = 0;  ///< interactions before this one only warm up
  std::size_t end = 0;    ///< and those from this one on are not looked at
  double share = 1.0;     ///< of the others that is asked about, drawn; those that measure are all asked about
  CandidatePlan candidates = {};
  /// Interactions from this one on get all of the second stage as candidates: their questions measure.
  std::size_t measure_from = 0;
  std::uint64_t seed = 1;
};

/// Replays `interactions`, which ascend by time, through an engine, and writes down a question about each that is asked
/// for. `progress` gets how many are done, and may end the work by returning false. `*to_learn` receives how many of
/// the questions lie before plan.measure_from. Returns: CANCELLED; what the engine returns.
[[nodiscard]] Result<QuestionLog> log_questions(ReplayEngine& engine, std::span<const Interaction> interactions,
                                                const QuestionPlan& plan,
                                                const std::function<bool(std::size_t)>& progress,
                                                std::size_t* to_learn);

}  // namespace cairn::learning

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "engine/ranking/score/facts.h"

/// What a ranker's network reads (engine/ranking/format.md), before anything is scaled: numbers of a visit, and numbers
/// of a place as a candidate. Training writes them down, and answering computes them, by the same code. Each has a
/// name, which a ranker's file repeats, so that numbers which were fitted for other inputs are refused.
namespace cairn::ranking {

/// Names in order.
[[nodiscard]] std::span<const std::string_view> visit_input_names() noexcept;
/// Every ranking feature by its name, then what else is read.
[[nodiscard]] const std::vector<std::string_view>& place_input_names();

/// Which of a history's visits went to one of the candidates.
struct CandidateVisits {
  std::vector<std::uint32_t> visits;      ///< numbers in UserProfile::visits, ascending
  std::vector<std::uint32_t> candidates;  ///< which candidate each went to
};

/// Requires: candidates have different rows.
[[nodiscard]] CandidateVisits visits_to(std::span<const PlaceIndex::Near> candidates, const UserProfile& user);

/// Row i of `inputs` (visits × visit_input_names()) is of the visit with the number visits[i].
void fill_visit_inputs(const QuestionFacts& question, std::span<const std::uint32_t> visits, std::span<float> inputs);

/// The ranking features of candidates, a row a candidate, for who has not had them from LinearStage::score().
[[nodiscard]] std::vector<float> candidate_features(const QuestionFacts& question,
                                                    std::span<const PlaceIndex::Near> candidates);

/// Row i of `inputs` (candidates × place_input_names()) is of candidates[i].
/// `scores` are those of the linear stage; the first candidate is the best by them. `features` are the candidates'
/// ranking features, a row a candidate.
void fill_place_inputs(const QuestionFacts& question, std::span<const PlaceIndex::Near> candidates,
                       std::span<const float> scores, std::span<const float> features, std::span<float> inputs);

}  // namespace cairn::ranking

#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/ranking/explain/sentences.h"
#include "engine/ranking/score/facts.h"

/// The ranking features: named numbers of (user, place, position, time) whose weighted sum is a score. Each is declared
/// once, in ranking_features.cc, with its name, meaning, value and the sentence that explains it. Elsewhere a feature
/// is an index in the order of declaration, which is also the order in which a score is summed. Its weight is in a
/// RankerModel.
namespace cairn::ranking {

/// What a feature's value depends on, where the user has nothing to do with the place (no visit, interest or
/// dismissal). A scan makes its sums of these parts.
enum class VariesBy : std::uint8_t {
  kUserAndPlace,  ///< 0 for such places
  kPlace,         ///< and the hour
  kHourOfPlace,   ///< CandidateFacts::hour_popularity: the place, the hour, and everyone's visits by category
  kCategory,      ///< and the question
  kDistance,      ///< and the question: a DistanceForm
  kCell,          ///< and the question; 0 for cells that are not in the user's profile
  kModel,         ///< what the model in force gives the place for the user
};

/// A value as a function of the distance: scale * exp(-per_km * km), or scale * ln(1 + per_km * km).
struct DistanceForm {
  enum class Of : std::uint8_t { kExponential, kLogarithm };
  Of of = Of::kExponential;
  double scale = 0.0;
  double per_km = 0.0;

  [[nodiscard]] double at(double km) const noexcept {
    return scale * (of == Of::kExponential ? std::exp(-per_km * km) : std::log1p(per_km * km));
  }
};

/// What a reason calls what a ranker's network adds. No feature has this name.
inline constexpr std::string_view kNetworkReason = "network";

[[nodiscard]] std::size_t ranking_feature_count() noexcept;
[[nodiscard]] std::string_view ranking_feature_name(std::size_t feature) noexcept;
[[nodiscard]] std::string_view ranking_feature_meaning(std::size_t feature) noexcept;
/// Returns: the feature of that name, or nullopt.
[[nodiscard]] std::optional<std::size_t> find_ranking_feature(std::string_view name) noexcept;

/// The sum of weight * value over all features, in order. `weights` has one entry a feature, and so has `values`, which
/// gets the values, unless it is empty.
[[nodiscard]] double weighted_sum(const CandidateFacts& candidate, std::span<const double> weights,
                                  std::span<float> values = {}) noexcept;

/// The feature that varies by kModel: the score of the model in force.
[[nodiscard]] std::size_t model_feature() noexcept;
[[nodiscard]] VariesBy ranking_feature_varies_by(std::size_t feature) noexcept;
/// Requires: the feature varies by kDistance.
[[nodiscard]] DistanceForm ranking_feature_form(std::size_t feature, const QuestionFacts& question) noexcept;

/// The sum of weight * value over the features that vary by `by` alone, for a place that the user has nothing to do
/// with. For kPlace, kCategory and kCell.
template <VariesBy by>
[[nodiscard]] double weighted_part(const CandidateFacts& candidate, std::span<const double> weights) noexcept;

/// The value of each feature, as weighted_sum() uses it.
[[nodiscard]] std::vector<double> ranking_feature_values(const CandidateFacts& candidate);

/// Says for people what the feature saw in the candidate. Requires: its value for this candidate is not 0.
[[nodiscard]] std::string ranking_feature_reason(std::size_t feature, const CandidateFacts& candidate);
/// The first feature whose sentences are those of this one: of features that say the same they make one reason.
[[nodiscard]] std::size_t ranking_feature_says(std::size_t feature) noexcept;
/// What ranking_feature_reason() says, as a clause of a sentence; nullopt: there are no plain words for it. Requires:
/// as above.
[[nodiscard]] std::optional<Clause> ranking_feature_clause(std::size_t feature, const CandidateFacts& candidate);

}  // namespace cairn::ranking

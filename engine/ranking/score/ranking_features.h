#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/ranking/score/facts.h"

/// The ranking features: named numbers of (user, place, position, time) whose weighted sum is a score. Each is declared
/// once, in ranking_features.cc, with its name, meaning, value and the sentence that explains it. Elsewhere a feature
/// is an index in the order of declaration, which is also the order in which a score is summed. Its weight is in a
/// RankerModel.
namespace cairn::ranking {

[[nodiscard]] std::size_t ranking_feature_count() noexcept;
[[nodiscard]] std::string_view ranking_feature_name(std::size_t feature) noexcept;
[[nodiscard]] std::string_view ranking_feature_meaning(std::size_t feature) noexcept;
/// Returns: the feature of that name, or nullopt.
[[nodiscard]] std::optional<std::size_t> find_ranking_feature(std::string_view name) noexcept;

/// The sum of weight * value over all features, in order. `weights` has one entry a feature.
[[nodiscard]] double weighted_sum(const CandidateFacts& candidate, std::span<const double> weights) noexcept;

/// The value of each feature, as weighted_sum() uses it.
[[nodiscard]] std::vector<double> ranking_feature_values(const CandidateFacts& candidate);

/// Says for people what the feature saw in the candidate. Requires: its value for this candidate is not 0.
[[nodiscard]] std::string ranking_feature_reason(std::size_t feature, const CandidateFacts& candidate);

}  // namespace cairn::ranking

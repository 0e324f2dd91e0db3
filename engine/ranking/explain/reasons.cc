#include "engine/ranking/explain/reasons.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "engine/ranking/score/ranking_features.h"

namespace cairn::ranking {

std::vector<Reason> reasons_for(const CandidateFacts& candidate, std::span<const double> weights, float network) {
  constexpr std::size_t kReasonsMax = 5;
  struct Share {
    std::size_t feature;
    double contribution;
  };
  const std::vector<double> values = ranking_feature_values(candidate);
  std::vector<Share> shares;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double contribution = weights[i] * values[i];
    if (contribution != 0.0) shares.push_back({i, contribution});
  }
  const std::size_t by_network = values.size();  // stands behind the features
  if (network != 0.0F) shares.push_back({by_network, static_cast<double>(network)});
  // Stable: of equal contributions the feature declared first comes first, so that equal answers read the same.
  std::stable_sort(shares.begin(), shares.end(),
                   [](const Share& a, const Share& b) { return std::abs(a.contribution) > std::abs(b.contribution); });
  if (shares.size() > kReasonsMax) shares.resize(kReasonsMax);

  std::vector<Reason> reasons;  // sentences are written for those that are shown only
  for (const Share& share : shares) {
    if (share.feature == by_network) {
      reasons.push_back({"network", share.contribution, share.contribution, "learned from where users went next"});
      continue;
    }
    reasons.push_back({std::string(ranking_feature_name(share.feature)), values[share.feature], share.contribution,
                       ranking_feature_reason(share.feature, candidate)});
  }
  return reasons;
}

}  // namespace cairn::ranking

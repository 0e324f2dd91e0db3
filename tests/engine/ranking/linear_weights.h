#pragma once

#include <map>
#include <string>

#include "engine/ranking/ranker_model.h"
#include "engine/ranking/score/ranking_features.h"

namespace cairn::ranking::test {

/// The weights that ship, by name. Weights that are named are the whole score, so that no network takes part.
inline std::map<std::string, double> linear_weights() {
  std::map<std::string, double> weights;
  for (std::size_t i = 0; i < ranking_feature_count(); ++i) {
    weights.emplace(ranking_feature_name(i), default_ranker().weights[i]);
  }
  return weights;
}

}  // namespace cairn::ranking::test

#pragma once

#include "cairn/engine.h"
#include "engine/config/config.h"

namespace cairn::cli {

/// What a configuration may refer to, as this build of the engine has it.
[[nodiscard]] inline config::Vocabulary vocabulary() {
  config::Vocabulary words;
  for (const RankingFeatureInfo& feature : ranking_features()) words.ranking_features.push_back(feature.name);
  for (const FeatureViewSpec& view : builtin_feature_views()) words.builtin_views.push_back(view.name);
  words.check_ranker = check_ranker;
  words.check_model = check_model_directory;
  words.check_postgres_options = check_postgres_options;
  words.check_mapping_options = check_mapping_options;
  words.check_place_options = check_place_options;
  words.check_kafka_property = check_kafka_property;
  return words;
}

}  // namespace cairn::cli

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cairn/clock.h"
#include "cairn/feature_view.h"
#include "cairn/freshness.h"

namespace cairn {

/// Which features are asked for.
struct FeatureRequest {
  EntityKind entity = EntityKind::kUser;
  std::vector<std::string> keys;   ///< at most 1,024
  std::vector<std::string> views;  ///< empty: every view of the entity
  std::optional<EventTime> as_of;  ///< the instant that decay and TTL are computed for; default: the clock
};

/// The features of every entity asked for, in the order asked.
struct FeatureResponse {
  struct EntityFeatures {
    std::string key;
    std::vector<FeatureVector> vectors;  ///< in the order of FeatureResponse::views
  };
  std::vector<std::string> views;
  std::vector<EntityFeatures> entities;
  Freshness freshness;
};

}  // namespace cairn

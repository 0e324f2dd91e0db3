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
  /// The instant that decay and TTL are computed for, and after which events do not count; default: the clock, and
  /// every event counts, one that is ahead of the clock with age 0. State is kept as of now, so what later events have
  /// changed is not known as of then: FeatureStatus::kNewerThanAsOf.
  std::optional<EventTime> as_of;
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

#pragma once

#include "cairn/call_context.h"
#include "cairn/clock.h"
#include "cairn/features.h"
#include "engine/state/feature_state.h"

namespace cairn::state {

/// The most keys that one request may name.
inline constexpr std::size_t kFeatureKeysMax = 1024;

/// Answers Engine::get_features from the state; `now` is the instant where the request names none. The freshness is
/// taken before the first row is read, so the rows reflect at least that much.
/// Returns: see Engine::get_features.
[[nodiscard]] Result<FeatureResponse> read_features(const FeatureState& state, const CallContext& context,
                                                    const FeatureRequest& request, EventTime now);

}  // namespace cairn::state

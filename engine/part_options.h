#pragma once

#include <string>

#include "cairn/options.h"
#include "engine/ingest/consumer.h"
#include "engine/ranking/place_terms.h"
#include "engine/state/feature_state.h"
#include "engine/state/state_directory.h"
#include "storage/passing_store.h"
#include "storage/state_store.h"
#include "streaming/event_log.h"

/// What each part of an engine is told of EngineOptions.
namespace cairn {

[[nodiscard]] storage::StateStoreOptions store_options(const EngineOptions& options,
                                                       const state::StateDirectory& directory,
                                                       const state::Fading& fading);
/// `fading` must outlive the state.
[[nodiscard]] state::FeatureState::Options state_options(const EngineOptions& options, state::Fading* fading,
                                                         const ranking::PlaceTerms& terms);
/// Returns: INVALID_ARGUMENT, as check_place_options().
[[nodiscard]] Result<ranking::PlaceTerms> place_terms(const PlaceOptions& options);
[[nodiscard]] streaming::EventLogOptions log_options(const EngineOptions& options,
                                                     const state::StateDirectory& directory);
[[nodiscard]] storage::PassingStoreOptions answers_options(const EngineOptions& options,
                                                           const state::StateDirectory& directory);
[[nodiscard]] std::string dead_letter_path(const EngineOptions& options, const state::StateDirectory& directory);
[[nodiscard]] ingest::Consumer::Options feature_consumer_options(const EngineOptions& options);
[[nodiscard]] ingest::Consumer::Options sql_consumer_options(const EngineOptions& options);

}  // namespace cairn

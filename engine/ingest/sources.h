#pragma once

#include <vector>

#include "cairn/interaction.h"
#include "cairn/options.h"
#include "cairn/status.h"
#include "engine/ingest/consumer.h"
#include "streaming/event_log.h"

namespace cairn::ingest {

/// Checks that every source has a name of its own, since positions are stored under it.
/// Returns: INVALID_ARGUMENT.
[[nodiscard]] Status check_source_names(const EngineOptions& options);

/// How each source that the options name is made: the API's log first, then files, then Kafka. A factory is called
/// once for each consumer, and again for each new start of it. All references must outlive the sources and what they
/// make.
[[nodiscard]] std::vector<Consumer::ConfiguredSource> configured_sources(const EngineOptions& options,
                                                                         streaming::EventLog& log,
                                                                         const InteractionTypes& types);

}  // namespace cairn::ingest

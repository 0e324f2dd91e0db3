#pragma once

#include <string>

#include "bench/ingest/data.h"
#include "bench/ingest/measure.h"

namespace cairn::bench {

inline constexpr int kTopicPartitions = 12;

/// From opening an engine on the topic, which holds the events of `data`, to all of it being durable features.
[[nodiscard]] Cost run_topic(const std::string& brokers, const std::string& topic, const Data& data);

}  // namespace cairn::bench

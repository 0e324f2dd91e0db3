#pragma once

#include "bench/ingest/data.h"
#include "bench/ingest/measure.h"

namespace cairn::bench {

/// What one would write first: the same events, decoded the same way, with one RocksDB merge per event and counter
/// (uint64 addition, sorted nowhere, collapsed nowhere) in synced batches of 1,000, and the position beside them. It
/// keeps a fifth of what Cairn keeps: plain counts, five per event, no times, no bounds, no decay. Its counts of places
/// are checked against the known ones.
[[nodiscard]] Cost run_merge_peer(const Data& data);

}  // namespace cairn::bench

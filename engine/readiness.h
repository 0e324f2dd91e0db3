#pragma once

#include <string>
#include <vector>

#include "cairn/engine_status.h"
#include "storage/state_store.h"

namespace cairn {

/// What readiness is judged by: what the parts of an engine say of themselves.
struct ReadinessInput {
  bool closing = false;
  storage::StateStoreStats store;
  std::vector<ConsumerHealth> consumers;
  std::string sources_trouble;   ///< of the consumers that keep features; empty: none
  bool has_postgres = false;     ///< PostgreSQL is configured
  std::string postgres_trouble;  ///< of the server, else of the consumers that write to it; empty: none
};

/// Judges each part. The state is required, and that no required consumer is blocked: what somebody must mend is not to
/// go unseen. While a disk, a source or PostgreSQL is away for a time, the engine serves what it has.
[[nodiscard]] std::vector<ReadinessCheck> check_readiness(const ReadinessInput& input);

}  // namespace cairn

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
  std::string sources_trouble;       ///< of the consumers that keep features; empty: none
  std::string dead_letters_trouble;  ///< of the file of dead letters; empty: none
  bool has_postgres = false;         ///< PostgreSQL is configured
  std::string postgres_trouble;      ///< of the server, else of the consumers that write to it; empty: none
};

/// Judges each part. Only the state is required: without a disk, a source or PostgreSQL the engine serves what it has.
[[nodiscard]] std::vector<ReadinessCheck> check_readiness(const ReadinessInput& input);

}  // namespace cairn

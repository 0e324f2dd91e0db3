#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cairn/engine_status.h"
#include "storage/state_store.h"

namespace cairn {

/// What readiness is judged by: what the parts of an engine say of themselves.
struct ReadinessInput {
  bool closing = false;
  storage::StateStoreStats store;
  std::string log_trouble;         ///< of the API's log; empty: none
  std::uint64_t invalid_rows = 0;  ///< reads that met a stored row that makes no sense
  std::vector<ConsumerHealth> consumers;
  std::string sources_trouble;       ///< of the consumers that keep features; empty: none
  std::string dead_letters_trouble;  ///< of the file of dead letters; empty: none
  bool has_postgres = false;         ///< PostgreSQL is configured
  std::string postgres_trouble;      ///< of the server, else of the consumers that write to it; empty: none
  std::string postgres_remark;       ///< what is to be known of it while all is well
  std::string model_trouble;         ///< of the configured model; empty: none
  std::string model_remark;          ///< the model in force; both empty: there is none, and no check of it
};

/// Judges each part. The state and the API's log are required to be sound: an engine that has lost data, or cannot keep
/// what it takes, must not pass for one that is well. So is that no required consumer is blocked: what somebody must
/// mend is not to go unseen. While a disk, a source or PostgreSQL is away for a time, the engine serves what it has.
[[nodiscard]] std::vector<ReadinessCheck> check_readiness(const ReadinessInput& input);

}  // namespace cairn

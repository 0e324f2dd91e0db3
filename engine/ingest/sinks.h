#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <utility>

#include "cairn/clock.h"
#include "engine/ingest/consumer.h"
#include "engine/state/feature_state.h"
#include "sql/materializer.h"
#include "sql/upkeep.h"
#include "streaming/dead_letters.h"

namespace cairn::ingest {

/// Batches into features. What was refused goes to the dead letters first, so that its position is never stored
/// without it.
class FeatureSink final : public Sink {
 public:
  /// All must outlive the sink.
  FeatureSink(state::FeatureState& state, streaming::DeadLetters& dead_letters, const Clock& clock)
      : state_(state), clock_(clock), dead_letters_(dead_letters) {}

  [[nodiscard]] Result<std::vector<SourcePosition>> resume(const std::string& source) override {
    return state_.positions(source);
  }
  Status apply(const std::string& source, const DecodedBatch& batch) override;

 private:
  state::FeatureState& state_;
  const Clock& clock_;
  std::mutex mutex_;
  streaming::DeadLetters& dead_letters_;  ///< guarded by mutex_
};

/// Batches into PostgreSQL. What was refused is left to the features' consumer to report.
class SqlSink final : public Sink {
 public:
  /// `state_id`: FeatureState::id(). The API's log belongs to one state directory, so its positions are kept under a
  /// name of that directory's own: another directory's log begins anew.
  /// The roles, which are of one database, must outlive the sink.
  SqlSink(sql::Materializer& materializer, sql::Upkeep& upkeep, std::string state_id)
      : materializer_(materializer), upkeep_(upkeep), state_id_(std::move(state_id)) {}

  [[nodiscard]] Result<std::vector<SourcePosition>> resume(const std::string& source) override;
  Status apply(const std::string& source, const DecodedBatch& batch) override;

  [[nodiscard]] std::uint64_t rows() const noexcept { return rows_.load(std::memory_order_relaxed); }

 private:
  [[nodiscard]] std::string name_in_sql(const std::string& source) const;

  sql::Materializer& materializer_;
  sql::Upkeep& upkeep_;  ///< makes the schema before the first position is asked for
  const std::string state_id_;
  std::atomic<bool> migrated_{false};
  std::atomic<std::uint64_t> rows_{0};
};

}  // namespace cairn::ingest

#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cairn/clock.h"
#include "cairn/mutex.h"
#include "engine/ingest/sink.h"
#include "engine/state/feature_state.h"
#include "sql/materializer.h"
#include "sql/upkeep.h"
#include "streaming/dead_letters.h"

namespace cairn::ingest {

/// Applies batches to the features. Refused records are written to the dead letters before the batch is applied, so
/// that no position is stored without the letters that lie before it.
class FeatureSink final : public Sink {
 public:
  /// All must outlive the sink.
  FeatureSink(state::FeatureState& state, streaming::DeadLetters& dead_letters, const Clock& clock)
      : state_(state), clock_(clock), dead_letters_(dead_letters) {}

  [[nodiscard]] Result<std::vector<SourcePosition>> resume(const std::string& source,
                                                           std::span<const Partition> partitions) override;
  Status apply(const std::string& source, const DecodedBatch& batch) override;
  Status revoke(const std::string& source, std::span<const Partition> partitions) override;

  /// See DeadLetters::settle: to be called every second or so, and before the end.
  void settle_dead_letters() CAIRN_EXCLUDES(mutex_);
  [[nodiscard]] streaming::DeadLetterCounts dead_letter_counts() const CAIRN_EXCLUDES(mutex_);
  /// What is wrong with the file of dead letters; empty: nothing. Meanwhile sources wait that have some.
  [[nodiscard]] std::string dead_letter_trouble() const CAIRN_EXCLUDES(mutex_);

 private:
  Status bury(const std::string& source, const DecodedBatch& batch) CAIRN_EXCLUDES(mutex_);

  state::FeatureState& state_;
  const Clock& clock_;
  mutable Mutex mutex_;
  streaming::DeadLetters& dead_letters_ CAIRN_GUARDED_BY(mutex_);
  std::string append_trouble_ CAIRN_GUARDED_BY(mutex_);  ///< of the dead letters, while it lasts
  std::string settle_trouble_ CAIRN_GUARDED_BY(mutex_);
};

/// Applies batches to PostgreSQL. Refused records are passed over: the features' consumer meets the same ones and
/// reports them.
class SqlSink final : public Sink {
 public:
  /// `state_id`: FeatureState::id(). The API's log belongs to one state directory. Its positions are kept under the
  /// name of that directory, so that the log of another directory, whose offsets mean something else, begins anew.
  /// The roles, which are of one database, must outlive the sink.
  SqlSink(sql::Materializer& materializer, sql::Upkeep& upkeep, std::string state_id)
      : materializer_(materializer), upkeep_(upkeep), state_id_(std::move(state_id)) {}

  [[nodiscard]] Result<std::vector<SourcePosition>> resume(const std::string& source,
                                                           std::span<const Partition> partitions) override;
  Status apply(const std::string& source, const DecodedBatch& batch) override;
  Status revoke(const std::string& source, std::span<const Partition> partitions) override;

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

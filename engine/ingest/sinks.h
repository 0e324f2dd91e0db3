#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cairn/clock.h"
#include "cairn/log.h"
#include "cairn/mutex.h"
#include "engine/ingest/passage.h"
#include "engine/ingest/sink.h"
#include "engine/state/erased_users.h"
#include "engine/state/feature_state.h"
#include "sql/materializer.h"
#include "sql/upkeep.h"
#include "streaming/dead_letters.h"
#include "streaming/event_log.h"

namespace cairn::ingest {

/// Applies batches to the features. Refused records are written to the dead letters before the batch is applied, so
/// that no position is stored without the letters that lie before it; among them retractions that say something else
/// than the event that they name.
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
  /// See DeadLetters::erase and find.
  Result<std::uint64_t> erase_letters(const streaming::DeadLetters::Wanted& wanted) CAIRN_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    return dead_letters_.erase(wanted);
  }
  Status find_letters(const streaming::DeadLetters::Wanted& wanted,
                      const std::function<void(std::string_view line)>& see) const CAIRN_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    return dead_letters_.find(wanted, see);
  }
  /// What is wrong with the file of dead letters; empty: nothing. Meanwhile sources wait that have some.
  [[nodiscard]] std::string dead_letter_trouble() const CAIRN_EXCLUDES(mutex_);

 private:
  Status bury(const std::string& source, std::span<const Refused> refused) CAIRN_EXCLUDES(mutex_);
  Status refuse(const std::string& source, const DecodedBatch& batch, std::span<const Interaction* const> mismatched)
      CAIRN_EXCLUDES(mutex_);

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
  /// `log`: which log the API's is, and `log_end`, where it ended when it was opened. Its positions are kept under the
  /// log's id, since offsets of another log mean something else. A copy begins where its original stood in PostgreSQL,
  /// but not behind what both have: events that only the original had are in the tables, and stay there.
  /// `erased`: whose events are passed over; null: nobody's.
  /// The roles, which are of one database, must outlive the sink.
  SqlSink(sql::Materializer& materializer, sql::Upkeep& upkeep, streaming::LogIdentity log, Offset log_end,
          Logger logger, const state::ErasedUsers* erased = nullptr)
      : materializer_(materializer),
        upkeep_(upkeep),
        log_(std::move(log)),
        log_end_(log_end),
        logger_(std::move(logger)),
        erased_(erased) {}

  [[nodiscard]] Result<std::vector<SourcePosition>> resume(const std::string& source,
                                                           std::span<const Partition> partitions) override;
  Status apply(const std::string& source, const DecodedBatch& batch) override;
  Status revoke(const std::string& source, std::span<const Partition> partitions) override;

  /// How often the schema was made or found whole: more than once when something was missing in between.
  [[nodiscard]] std::uint64_t migrations() const noexcept { return migrations_.load(std::memory_order_relaxed); }

  /// Waits for the batches that are being written: they may hold events of a user who was erased just now.
  void wait_for_writers() { writers_.wait_for_those_inside(); }

  [[nodiscard]] std::uint64_t rows() const noexcept { return rows_.load(std::memory_order_relaxed); }
  /// What PostgreSQL holds that this state does not; empty: nothing that is known.
  [[nodiscard]] std::string remark() const CAIRN_EXCLUDES(mutex_);

 private:
  [[nodiscard]] std::string name_in_sql(const std::string& source) const;
  /// Makes the schema unless this process has seen it whole, and nothing has spoken against it since.
  Status migrate();
  /// What is missing may be the schema, dropped by somebody: it is made again before the next try.
  Status judged(Status answer);
  Result<std::vector<SourcePosition>> resume_api() CAIRN_EXCLUDES(mutex_);
  Result<std::optional<SourcePosition>> original_in_sql() CAIRN_EXCLUDES(mutex_);
  void set_remark(std::string remark) CAIRN_EXCLUDES(mutex_);

  sql::Materializer& materializer_;
  sql::Upkeep& upkeep_;  ///< makes the schema before the first position is asked for
  const streaming::LogIdentity log_;
  const Offset log_end_;
  const Logger logger_;
  const state::ErasedUsers* const erased_;
  Passage writers_;
  std::atomic<bool> api_resumed_{false};
  mutable Mutex mutex_;
  std::string remark_ CAIRN_GUARDED_BY(mutex_);
  std::atomic<bool> migrated_{false};
  std::atomic<std::uint64_t> migrations_{0};
  std::atomic<std::uint64_t> rows_{0};
};

}  // namespace cairn::ingest

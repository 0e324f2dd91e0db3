#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cairn/call_context.h"
#include "cairn/clock.h"
#include "cairn/engine_status.h"
#include "cairn/interaction.h"
#include "cairn/options.h"
#include "engine/ingest/consumers.h"
#include "engine/ingest/sinks.h"
#include "engine/state/feature_state.h"
#include "engine/upkeep/place_sync.h"
#include "engine/upkeep/schedule.h"
#include "engine/upkeep/sql_upkeep.h"
#include "sql/database.h"
#include "streaming/event_log.h"

namespace cairn {

/// All that an engine has only when PostgreSQL is configured: the pool of connections, the consumers that write
/// interactions, and the chores that keep the schema and the places.
///
/// Threads: any, once it is open.
class SqlSide {
 public:
  /// Opens the pool and starts the consumers. A server that does not answer is no error: the consumers wait for it.
  /// All references must outlive it.
  /// Returns: INVALID_ARGUMENT for options that make no sense; FAILED_PRECONDITION for what a person must mend: see
  /// sql::Upkeep::migrate.
  [[nodiscard]] static Result<std::unique_ptr<SqlSide>> open(
      const EngineOptions& options, const InteractionTypes& types, state::FeatureState& state,
      const streaming::EventLog& log, std::span<const ingest::Consumer::ConfiguredSource> sources, const Clock& clock);

  void add_chores(std::vector<upkeep::Schedule::Chore>* chores);

  [[nodiscard]] const ingest::Consumers& consumers() const noexcept { return *consumers_; }
  /// See upkeep::PlaceSync; the chores must run while places are waited for.
  [[nodiscard]] const upkeep::PlaceSync& places() const noexcept { return places_; }
  /// What is wrong with the server, else with the consumers; empty: nothing.
  [[nodiscard]] std::string trouble() const;
  /// What the server holds that this state does not; empty: nothing.
  [[nodiscard]] std::string remark() const { return sink_.remark(); }
  /// See sql::UserRows::erase; what was being written meanwhile is erased too.
  Result<std::uint64_t> erase_user(const UserId& user, EventTime until, EventTime written) {
    sink_.wait_for_writers();
    return database_.users->erase(user, until, written);
  }
  [[nodiscard]] Result<std::vector<sql::UserRow>> rows_of(const UserId& user) { return database_.users->read(user); }
  [[nodiscard]] Result<std::optional<sql::EventRow>> find_event(const std::string& event_id) {
    return database_.users->find(event_id);
  }
  /// Interactions written by this process.
  [[nodiscard]] std::uint64_t rows() const noexcept { return sink_.rows(); }

  /// Stops the consumers after the batches under way, and wakes whoever waits. Idempotent.
  void stop() {
    places_.stop();
    consumers_->stop();
  }

 private:
  SqlSide(sql::Database database, const EngineOptions& options, state::FeatureState& state,
          const streaming::EventLog& log, const Clock& clock);

  sql::Database database_;
  ingest::SqlSink sink_;
  upkeep::SqlUpkeep upkeep_;
  upkeep::PlaceSync places_;
  std::uint64_t migrations_seen_ = 0;  ///< of the chores
  std::unique_ptr<ingest::Consumers> consumers_;
};

}  // namespace cairn

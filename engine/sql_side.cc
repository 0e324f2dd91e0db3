#include "engine/sql_side.h"

#include <unistd.h>

#include <string>
#include <utility>

#include "engine/part_options.h"

namespace cairn {

namespace {

sql::SchemaOwner owner_of(const EngineOptions& options, const state::FeatureState& state) {
  char host[256] = "";
  if (::gethostname(host, sizeof host - 1) != 0) host[0] = '\0';
  return {.id = state.id(), .place = std::string(host) + ":" + options.state_dir, .shared = options.sql.shared};
}

}  // namespace

SqlSide::SqlSide(sql::Database database, const EngineOptions& options, state::FeatureState& state,
                 const streaming::EventLog& log, const Clock& clock)
    : database_(std::move(database)),
      sink_(*database_.materializer, *database_.upkeep, log.identity(), log.end_offset(), options.log,
            &state.erased_users()),
      upkeep_(*database_.upkeep, clock, options.log),
      places_(state.catalog(), *database_.places, options.log) {}

Result<std::unique_ptr<SqlSide>> SqlSide::open(const EngineOptions& options, const InteractionTypes& types,
                                               state::FeatureState& state, const streaming::EventLog& log,
                                               std::span<const ingest::Consumer::ConfiguredSource> sources,
                                               const Clock& clock) {
  CAIRN_ASSIGN_OR_RETURN(auto database, sql::open_database(options.sql, types, options.decode.dedup_ids, options.log,
                                                           owner_of(options, state)));
  // A configuration that can never work is refused. A server that does not let us in, and tables that were altered,
  // keep nobody from answering: the consumers are blocked, and say why, until somebody has mended it.
  if (database.upkeep->ping().ok()) {
    Status migrated = database.upkeep->migrate();
    if (migrated.code() == StatusCode::kFailedPrecondition) return migrated;
  }
  std::unique_ptr<SqlSide> side(new SqlSide(std::move(database), options, state, log, clock));
  side->consumers_ =
      std::make_unique<ingest::Consumers>(sql_consumer_options(options), sources, side->sink_, types, clock);
  return side;
}

void SqlSide::add_chores(std::vector<upkeep::Schedule::Chore>* chores) {
  chores->emplace_back([this] { upkeep_.run(); });
  chores->emplace_back([this] {
    // Tables that were missing may have been made anew, and hold no place then.
    const std::uint64_t migrations = sink_.migrations();
    if (migrations != std::exchange(migrations_seen_, migrations)) places_.forget();
    if (upkeep_.trouble().empty()) places_.push();
  });
}

std::string SqlSide::trouble() const {
  std::string server = upkeep_.trouble();
  return server.empty() ? consumers_->trouble() : server;
}

}  // namespace cairn

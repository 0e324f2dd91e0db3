#pragma once

#include <cstdint>
#include <memory>

#include "cairn/interaction.h"
#include "cairn/log.h"
#include "cairn/options.h"
#include "cairn/status.h"
#include "sql/materializer.h"
#include "sql/place_mirror.h"
#include "sql/schema_owner.h"
#include "sql/upkeep.h"
#include "sql/user_rows.h"

namespace cairn::sql {

/// Cairn's schema in one PostgreSQL/PostGIS database, by role: who writes a stream is handed the materializer, who
/// mirrors the catalogue the place mirror, and neither sees the other's calls. The roles share one pool of connections,
/// which lives as long as any of them; they may be destroyed in any order.
struct Database {
  std::unique_ptr<Materializer> materializer;
  std::unique_ptr<PlaceMirror> places;
  std::unique_ptr<Upkeep> upkeep;
  std::unique_ptr<UserRows> users;
};

/// Checks the options and builds the pool; connects when a role is first used, so a server that is down is no error
/// here. `types` must outlive the roles. `dedup_ids`: see DecodeOptions. `owner`: for whom, see Upkeep::migrate.
/// Returns: INVALID_ARGUMENT.
[[nodiscard]] Result<Database> open_database(const SqlOptions& options, const InteractionTypes& types,
                                             std::uint64_t dedup_ids, Logger log, SchemaOwner owner = {});

}  // namespace cairn::sql

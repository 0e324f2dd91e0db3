#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "cairn/interaction.h"
#include "cairn/log.h"
#include "cairn/options.h"
#include "sql/materializer.h"
#include "sql/place_mirror.h"
#include "sql/postgres/connection_settings.h"
#include "sql/postgres/partitions.h"
#include "sql/postgres/pool.h"
#include "sql/schema_owner.h"
#include "sql/upkeep.h"
#include "sql/user_rows.h"

namespace cairn::sql {

/// What the roles of one database share. Threads: any; the parts synchronise themselves.
struct Backend {
  Backend(ConnectionSettings settings, const SqlOptions& options, Logger logger, SchemaOwner for_whom)
      : schema(settings.schema),
        owner(std::move(for_whom)),
        log(logger),
        pool(std::move(settings), options.pool_size, std::move(logger)),
        partitions(pool, options.partitions_max) {}

  const std::string schema;
  const SchemaOwner owner;
  const Logger log;
  Pool pool;
  Partitions partitions;  ///< the materializer makes months on demand, upkeep ahead of time
};

// The roles on a backend, each in a file of its own. `types` must outlive the role.
[[nodiscard]] std::unique_ptr<Materializer> make_materializer(std::shared_ptr<Backend> backend,
                                                              const InteractionTypes& types, std::uint64_t dedup_ids);
[[nodiscard]] std::unique_ptr<PlaceMirror> make_place_mirror(std::shared_ptr<Backend> backend);
[[nodiscard]] std::unique_ptr<UserRows> make_user_rows(std::shared_ptr<Backend> backend);
[[nodiscard]] std::unique_ptr<Upkeep> make_upkeep(std::shared_ptr<Backend> backend, int months_ahead);

}  // namespace cairn::sql

#include "sql/database.h"

#include <utility>

#include "sql/postgres/backend.h"

namespace cairn::sql {

Result<Database> open_database(const SqlOptions& options, const InteractionTypes& types, std::uint64_t dedup_ids,
                               Logger log, SchemaOwner owner) {
  CAIRN_ASSIGN_OR_RETURN(ConnectionSettings settings, connection_settings(options));
  const auto backend = std::make_shared<Backend>(std::move(settings), options, std::move(log), std::move(owner));
  return Database{.materializer = make_materializer(backend, types, dedup_ids),
                  .places = make_place_mirror(backend),
                  .upkeep = make_upkeep(backend, options.partitions_ahead_months),
                  .users = make_user_rows(backend)};
}

}  // namespace cairn::sql

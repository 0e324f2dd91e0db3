#pragma once

#include <string>

#include "cairn/log.h"
#include "cairn/status.h"
#include "sql/postgres/session.h"
#include "sql/schema_owner.h"

namespace cairn::sql {

/// Brings `schema` to the newest migration this program knows: all missing steps in one transaction, under an advisory
/// lock. Makes the schema and the extension postgis when they are missing and the role may.
/// Then looks whether all is there that is written, and claims the schema for `owner` (owners.h).
/// Returns: FAILED_PRECONDITION for a server that is too old or not UTF-8, no PostGIS, a schema that is newer than the
/// program, a step recorded with another content, a schema of somebody else; NOT_FOUND when something of a schema that
/// was made before is no more as it was made, or may no more be used. Throws what libpqxx throws.
[[nodiscard]] Status migrate_schema(Session& session, const std::string& schema, const SchemaOwner& owner,
                                    const Logger& log);

}  // namespace cairn::sql

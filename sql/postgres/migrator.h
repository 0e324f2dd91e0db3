#pragma once

#include "cairn/log.h"
#include "cairn/status.h"
#include "sql/postgres/session.h"

namespace cairn::sql {

/// Brings `schema` to the newest migration this program knows: all missing steps in one transaction, under an advisory
/// lock. Makes the schema and the extension postgis when they are missing and the role may.
/// Returns: FAILED_PRECONDITION for a server that is too old or not UTF-8, no PostGIS, a schema that is newer than the
/// program, a step recorded with another content. Throws what libpqxx throws.
[[nodiscard]] Status migrate_schema(Session& session, const std::string& schema, const Logger& log);

}  // namespace cairn::sql

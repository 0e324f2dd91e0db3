#pragma once

#include <pqxx/pqxx>
#include <string>

#include "cairn/status.h"
#include "sql/schema_owner.h"

namespace cairn::sql {

// Who may write the tables of a schema: one state directory, or several that all share it. All of them throw what
// libpqxx throws, and belong to the caller's transaction.

/// Makes `owner` an owner of the schema, which nobody owns yet, or who it is already, or that all its owners share.
/// Returns: FAILED_PRECONDITION that names both and the remedies.
[[nodiscard]] Status claim_schema(pqxx::transaction_base& transaction, const std::string& schema,
                                  const SchemaOwner& owner);

/// Whether it still is one: somebody else may have been given the schema since. Returns: FAILED_PRECONDITION.
[[nodiscard]] Status check_owner(pqxx::transaction_base& transaction, const std::string& schema,
                                 const SchemaOwner& owner);

/// Forgets all owners: the next one that claims the schema has it.
void forget_owners(pqxx::transaction_base& transaction);

}  // namespace cairn::sql

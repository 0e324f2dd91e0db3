#include "sql/postgres/owners.h"

namespace cairn::sql {
namespace {

std::string named(const std::string& place, const std::string& id) { return "'" + place + "' (" + id + ")"; }

Status refuse(const std::string& schema, const SchemaOwner& owner, const pqxx::row& other) {
  const bool both_share = owner.shared || other[2].as<bool>();
  return failed_precondition(
      "schema '" + schema + "' belongs to the state directory " +
      named(other[1].as<std::string>(), other[0].as<std::string>()) + " since " + other[3].as<std::string>() +
      ", and this is " + named(owner.place, owner.id) +
      (both_share ? "; only one of them has sql.shared = true, and both need it" : "") +
      "; name another sql.schema, set sql.shared = true for both, or take it over when the other is gone for good: "
      "cairn sql adopt");
}

}  // namespace

Status claim_schema(pqxx::transaction_base& transaction, const std::string& schema, const SchemaOwner& owner) {
  if (owner.id.empty()) return ok_status();
  // Two that start at once must see one another.
  transaction.exec("LOCK TABLE schema_owners IN SHARE ROW EXCLUSIVE MODE");
  const pqxx::result others = transaction.exec_params(
      "SELECT state_id, place, shared, to_char(since, 'YYYY-MM-DD') FROM schema_owners WHERE state_id <> $1 "
      "ORDER BY since",
      owner.id);
  for (const pqxx::row& other : others) {
    if (!owner.shared || !other[2].as<bool>()) return refuse(schema, owner, other);
  }
  transaction.exec_params(
      "INSERT INTO schema_owners (state_id, place, shared) VALUES ($1, $2, $3) "
      "ON CONFLICT (state_id) DO UPDATE SET place = excluded.place, shared = excluded.shared",
      owner.id, owner.place, owner.shared);
  return ok_status();
}

Status check_owner(pqxx::transaction_base& transaction, const std::string& schema, const SchemaOwner& owner) {
  if (owner.id.empty()) return ok_status();
  const pqxx::result mine = transaction.exec_params("SELECT FROM schema_owners WHERE state_id = $1", owner.id);
  if (!mine.empty()) return ok_status();
  return failed_precondition("schema '" + schema + "' was taken over from the state directory " +
                             named(owner.place, owner.id) +
                             " since it began to write; to have it back: cairn sql adopt, and start again");
}

void forget_owners(pqxx::transaction_base& transaction) { transaction.exec("DELETE FROM schema_owners"); }

}  // namespace cairn::sql

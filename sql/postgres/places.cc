#include "sql/postgres/places.h"

#include <algorithm>
#include <string>
#include <tuple>
#include <vector>

#include "sql/place_rows.h"
#include "sql/postgres/text.h"

namespace cairn::sql {
namespace {

constexpr std::size_t kPlacesPerStatement = 10'000;  // keeps a statement far below its timeout

void stage(pqxx::transaction_base& transaction, std::span<const Place* const> places) {
  static const std::vector<std::string> kColumns{"place_id", "name", "category", "location", "attributes"};
  // By COPY into a table of the session, and from there by one upsert: the same way as the aggregates.
  pqxx::stream_to rows(transaction, "cairn_staged_places", kColumns);
  for (const Place* place : places) {
    const std::string location = geography_text(place->position);
    // An unknown category is NULL, so that queries by category need not know about an empty one.
    const char* category = place->category.empty() ? nullptr : place->category.c_str();
    const std::string attributes = to_json(place->attributes);
    rows << std::make_tuple(place->id.str().c_str(), place->name.c_str(), category, location.c_str(),
                            attributes.c_str());
  }
  rows.complete();
}

void upsert_staged(pqxx::transaction_base& transaction, std::int64_t version) {
  transaction.exec_params(
      "INSERT INTO places AS old (place_id, name, category, location, attributes, version) "
      "SELECT place_id, name, category, location::geography, attributes::jsonb, $1::bigint FROM cairn_staged_places "
      "ORDER BY place_id "
      "ON CONFLICT (place_id) DO UPDATE SET name = excluded.name, category = excluded.category, "
      "location = excluded.location, attributes = excluded.attributes, version = excluded.version, updated_at = now(), "
      "deleted_at = NULL "
      "WHERE old.version <= excluded.version",
      version);
  transaction.exec("TRUNCATE cairn_staged_places");
}

}  // namespace

void write_places(pqxx::transaction_base& transaction, std::span<const Place> places, std::int64_t version) {
  transaction.exec(
      "CREATE TEMP TABLE IF NOT EXISTS cairn_staged_places (place_id text COLLATE \"C\", name text, category text, "
      "location text, attributes text) ON COMMIT DELETE ROWS");
  const std::vector<const Place*> sorted = last_of_each(places);
  for (std::size_t begin = 0; begin < sorted.size(); begin += kPlacesPerStatement) {
    const std::size_t count = std::min(kPlacesPerStatement, sorted.size() - begin);
    stage(transaction, std::span(sorted).subspan(begin, count));
    upsert_staged(transaction, version);
  }
  transaction.exec_params(
      "INSERT INTO sql_state AS old (key, value) VALUES ('places_version', $1::bigint) "
      "ON CONFLICT (key) DO UPDATE SET value = greatest(old.value, excluded.value)",
      version);
}

void mark_deleted(pqxx::transaction_base& transaction, const DeletedPlace& deleted, std::int64_t version) {
  const Place& place = deleted.place;
  const std::string& id = place.id.str();
  const std::string at = time_text(deleted.at);
  const pqxx::result done = transaction.exec_params(
      "SELECT FROM places WHERE place_id = $1 AND (deleted_at = $2::timestamptz OR version > $3::bigint)", id, at,
      version);
  transaction.exec_params(
      "INSERT INTO places AS old (place_id, name, category, location, version, deleted_at, attributes) "
      "VALUES ($1, $2, nullif($3, ''), $4::geography, $5::bigint, $6::timestamptz, $7::jsonb) "
      "ON CONFLICT (place_id) DO UPDATE SET version = excluded.version, updated_at = now(), "
      "deleted_at = excluded.deleted_at WHERE old.version <= excluded.version",
      id, place.name, place.category, geography_text(place.position), version, at, to_json(place.attributes));
  if (!deleted.history_erased || !done.empty()) return;
  // No batch is under way: what was written before is in the hours that go, and what comes is written later.
  transaction.exec_params("UPDATE places SET hours_from = clock_timestamp() WHERE place_id = $1", id);
  transaction.exec_params("SELECT FROM place_stats_hourly WHERE place_id = $1 ORDER BY place_id, hour, type FOR UPDATE",
                          id);
  transaction.exec_params("DELETE FROM place_stats_hourly WHERE place_id = $1", id);
}

std::int64_t read_places_version(pqxx::transaction_base& transaction) {
  const pqxx::result rows = transaction.exec("SELECT value FROM sql_state WHERE key = 'places_version'");
  return rows.empty() ? 0 : rows[0][0].as<std::int64_t>();
}

}  // namespace cairn::sql

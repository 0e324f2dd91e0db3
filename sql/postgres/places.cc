#include "sql/postgres/places.h"

#include <algorithm>
#include <string>
#include <tuple>
#include <vector>

#include "sql/postgres/text.h"

namespace cairn::sql {
namespace {

constexpr std::size_t kPlacesPerStatement = 10'000;  // keeps a statement far below its timeout

/// Sorted by id, each id once: the last given.
std::vector<const Place*> last_of_each(std::span<const Place> places) {
  std::vector<const Place*> sorted;
  sorted.reserve(places.size());
  for (const Place& place : places) sorted.push_back(&place);
  std::stable_sort(sorted.begin(), sorted.end(), [](const Place* a, const Place* b) { return a->id < b->id; });
  // unique() keeps the first of equal ones; seen from the end that is the last given.
  const auto first = std::unique(sorted.rbegin(), sorted.rend(), [](auto* a, auto* b) { return a->id == b->id; });
  sorted.erase(sorted.begin(), first.base());
  return sorted;
}

void stage(pqxx::transaction_base& transaction, std::span<const Place* const> places) {
  static const std::vector<std::string> kColumns{"place_id", "name", "category", "location"};
  pqxx::stream_to rows(transaction, "cairn_staged_places", kColumns);
  for (const Place* place : places) {
    const std::string location = geography_text(place->position);
    const char* category = place->category.empty() ? nullptr : place->category.c_str();
    rows << std::make_tuple(place->id.str().c_str(), place->name.c_str(), category, location.c_str());
  }
  rows.complete();
}

void upsert_staged(pqxx::transaction_base& transaction, std::int64_t version) {
  transaction.exec_params(
      "INSERT INTO places AS old (place_id, name, category, location, version) "
      "SELECT place_id, name, category, location::geography, $1::bigint FROM cairn_staged_places ORDER BY place_id "
      "ON CONFLICT (place_id) DO UPDATE SET name = excluded.name, category = excluded.category, "
      "location = excluded.location, version = excluded.version, updated_at = now() "
      "WHERE old.version <= excluded.version",
      version);
  transaction.exec("TRUNCATE cairn_staged_places");
}

}  // namespace

Status check_places(std::span<const Place> places) {
  for (std::size_t i = 0; i < places.size(); ++i) {
    const Place& place = places[i];
    const char* problem = nullptr;
    if (!valid_id(place.id.str())) problem = "its id must have 1 to 128 bytes and no NUL";
    if (!valid_position(place.position)) problem = "its position is not in [-90, 90] x [-180, 180]";
    if (place.name.find('\0') != std::string::npos) problem = "its name holds a NUL";
    if (place.category.find('\0') != std::string::npos) problem = "its category holds a NUL";
    if (problem != nullptr) {
      return invalid_argument("place " + std::to_string(i) + " ('" + place.id.str() + "'): " + problem);
    }
  }
  return ok_status();
}

void write_places(pqxx::transaction_base& transaction, std::span<const Place> places, std::int64_t version) {
  transaction.exec(
      "CREATE TEMP TABLE IF NOT EXISTS cairn_staged_places (place_id text COLLATE \"C\", name text, category text, "
      "location text) ON COMMIT DELETE ROWS");
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

std::int64_t read_places_version(pqxx::transaction_base& transaction) {
  const pqxx::result rows = transaction.exec("SELECT value FROM sql_state WHERE key = 'places_version'");
  return rows.empty() ? 0 : rows[0][0].as<std::int64_t>();
}

}  // namespace cairn::sql

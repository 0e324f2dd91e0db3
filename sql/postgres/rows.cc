#include "sql/postgres/rows.h"

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>
#include <vector>

#include "sql/postgres/text.h"

namespace cairn::sql {
namespace {

using Columns = std::vector<std::string>;

const char* or_null(const std::string& text) { return text.empty() ? nullptr : text.c_str(); }

void stream_row(pqxx::stream_to& rows, const Interaction& interaction, const std::string& type,
                const std::string& source) {
  const std::string time = time_text(interaction.time);
  const std::string value = interaction.value ? double_text(*interaction.value) : "";
  const std::string location = interaction.position ? geography_text(*interaction.position) : "";
  rows << std::make_tuple(time.c_str(), or_null(value), interaction.user.str().c_str(), interaction.place.str().c_str(),
                          type.c_str(), source.c_str(), or_null(interaction.event_id), or_null(location));
}

void stream_row(pqxx::stream_to& rows, const HourlyStat& stat) {
  const bool valued = stat.has_bounds;
  const std::string min = valued ? double_text(stat.value_min) : "";
  const std::string max = valued ? double_text(stat.value_max) : "";
  const std::string sum = micros_text(stat.value_sum_micros);
  const std::string hour = time_text(stat.hour);
  const std::string place(stat.place);
  const std::string type(stat.type);
  rows << std::make_tuple(place.c_str(), hour.c_str(), type.c_str(), stat.events, stat.value_count, sum.c_str(),
                          or_null(min), or_null(max));
}

}  // namespace

void write_interactions(pqxx::transaction_base& transaction, const std::string& source,
                        std::span<const Interaction> interactions, std::span<const std::size_t> included,
                        const InteractionTypes& types) {
  static const Columns kColumns{"occurred_at", "value",  "user_id",  "place_id",
                                "type",        "source", "event_id", "location"};
  if (included.empty()) return;
  pqxx::stream_to rows(transaction, "user_interactions", kColumns);
  for (const std::size_t index : included) {
    stream_row(rows, interactions[index], types.name(interactions[index].type), source);
  }
  rows.complete();
}

std::vector<Interaction> remove_interactions(pqxx::transaction_base& transaction,
                                             std::span<const Interaction> interactions,
                                             std::span<const std::size_t> undone, const InteractionTypes& types) {
  std::vector<Interaction> removed;
  for (const std::size_t index : undone) {
    Interaction event = interactions[index];
    // The time is that of one month's table, in which a ctid is unique. Of several rows of one id, which came further
    // apart than ids are remembered, one goes.
    const pqxx::result rows = transaction.exec_params(
        "DELETE FROM user_interactions WHERE occurred_at = $2::timestamptz AND user_id = $1 AND ctid = ("
        "SELECT ctid FROM user_interactions WHERE user_id = $1 AND occurred_at = $2::timestamptz AND event_id = $3 "
        "LIMIT 1) RETURNING place_id, type, value, written_at < (SELECT hours_from FROM places "
        "WHERE places.place_id = user_interactions.place_id)",
        event.user.str(), time_text(event.time), event.event_id);
    if (!rows.empty()) {
      const bool hours_are_gone = rows[0][3].as<bool>(false);  // with the place; NULL: it was never erased
      if (hours_are_gone) continue;
      // What was counted is what the row says, whatever the retraction says.
      const auto type = types.find(rows[0][1].c_str());
      if (type) event.type = *type;
      event.place = PlaceId(std::string(rows[0][0].c_str()));
      event.value = rows[0][2].is_null() ? std::nullopt : std::optional(rows[0][2].as<double>());
    }
    removed.push_back(std::move(event));
  }
  return removed;
}

void mend_stats(pqxx::transaction_base& transaction, std::span<const Interaction> taken_out,
                const InteractionTypes& types) {
  for (const Interaction& event : taken_out) {
    const std::string hour = time_text(std::chrono::floor<std::chrono::hours>(event.time));
    const std::string& type = types.name(event.type);
    transaction.exec_params(
        "DELETE FROM place_stats_hourly WHERE place_id = $1 AND hour = $2::timestamptz AND type = $3 AND events <= 0",
        event.place.str(), hour, type);
    if (!event.value) continue;
    // Only where the rows are those that the hour counts: rows of users who were erased are gone.
    transaction.exec_params(
        "UPDATE place_stats_hourly AS s SET value_min = left_over.low, value_max = left_over.high FROM ("
        "SELECT min(value) AS low, max(value) AS high, count(value) AS n FROM user_interactions "
        "WHERE place_id = $1 AND type = $3 AND occurred_at >= $2::timestamptz "
        "AND occurred_at < $2::timestamptz + interval '1 hour' AND (SELECT hours_from FROM places "
        "WHERE place_id = $1) > written_at IS NOT TRUE) AS left_over "
        "WHERE s.place_id = $1 AND s.hour = $2::timestamptz AND s.type = $3 AND s.value_count = left_over.n "
        "AND (s.value_min >= $4 OR s.value_max <= $4)",
        event.place.str(), hour, type, *event.value);
  }
}

void add_stats(pqxx::transaction_base& transaction, std::span<const HourlyStat> stats) {
  static const Columns kColumns{"place_id",    "hour",      "type",      "events",
                                "value_count", "value_sum", "value_min", "value_max"};
  if (stats.empty()) return;
  // COPY cannot upsert, so deltas are copied into a table of the session and go from there into the aggregates by one
  // statement.
  transaction.exec(
      "CREATE TEMP TABLE IF NOT EXISTS cairn_staged_stats (place_id text COLLATE \"C\", hour timestamptz, "
      "type text COLLATE \"C\", events bigint, value_count bigint, value_sum numeric, value_min float8, "
      "value_max float8) ON COMMIT DELETE ROWS");
  pqxx::stream_to rows(transaction, "cairn_staged_stats", kColumns);
  for (const HourlyStat& stat : stats) stream_row(rows, stat);
  rows.complete();
  transaction.exec(
      "INSERT INTO place_stats_hourly AS old "
      "(place_id, hour, type, events, value_count, value_sum, value_min, value_max) "
      "SELECT place_id, hour, type, events, value_count, value_sum, value_min, value_max FROM cairn_staged_stats "
      "ORDER BY place_id, hour, type "
      "ON CONFLICT (place_id, hour, type) DO UPDATE SET events = old.events + excluded.events, "
      "value_count = old.value_count + excluded.value_count, value_sum = old.value_sum + excluded.value_sum, "
      "value_min = least(old.value_min, excluded.value_min), value_max = greatest(old.value_max, excluded.value_max)");
}

}  // namespace cairn::sql

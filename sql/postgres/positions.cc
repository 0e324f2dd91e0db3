#include "sql/postgres/positions.h"

#include <algorithm>
#include <set>

#include "cairn/check.h"
#include "sql/migrations.h"
#include "sql/postgres/text.h"

namespace cairn::sql {
namespace {

std::string partitions_text(const std::set<Partition>& partitions) {
  std::vector<std::string> elements;
  for (const Partition partition : partitions) elements.push_back(std::to_string(partition.value));
  return array_text(elements);
}

/// Rows of partition, position, cursor, and of the mark the same two. What is missing stands at the start.
Result<std::vector<SourcePosition>> to_positions(const std::string& source, const pqxx::result& rows) {
  std::vector<SourcePosition> positions;
  for (const pqxx::row& row : rows) {
    const auto offset = row[1].as<std::int64_t>();
    const auto mark = row[3].as<std::int64_t>();
    positions.push_back({Partition{row[0].as<std::int32_t>()}, Offset{offset}, pqxx::binarystring(row[2]).str()});
    if (offset == mark && positions.back().cursor == pqxx::binarystring(row[4]).str()) continue;
    return failed_precondition(
        "source '" + source + "', partition " + row[0].as<std::string>() + ": consumer_positions says offset " +
        std::to_string(offset) + ", and the rows were written up to " + std::to_string(mark) +
        "; it was changed or emptied beside Cairn, and going on would write rows twice or leave some out. Stop cairnd "
        "and run: cairn sql restore-positions");
  }
  return positions;
}

}  // namespace

Result<Standing> lock_positions(pqxx::transaction_base& transaction, const Batch& batch) {
  // Rows that are not there cannot be locked; whoever makes them first makes the other wait here for his commit.
  transaction.exec_params(
      "INSERT INTO consumer_positions (source, partition, next_offset, cursor) "
      "SELECT $1, p, 0, '' FROM unnest($2::int[]) AS p ORDER BY p ON CONFLICT DO NOTHING",
      batch.source, partitions_text(partitions_of(batch.after)));
  std::set<Partition> all = partitions_of(batch.before);
  all.merge(partitions_of(batch.after));
  const std::string partitions = partitions_text(all);
  transaction.exec_params(
      "SELECT FROM consumer_positions WHERE source = $1 AND partition = ANY ($2::int[]) ORDER BY partition FOR UPDATE",
      batch.source, partitions);
  // Read by a statement of its own: one that waited for a lock sees the locked rows as they are then, and of the other
  // table what was there before it waited.
  CAIRN_ASSIGN_OR_RETURN(
      const auto positions,
      to_positions(batch.source,
                   transaction.exec_params(
                       "SELECT partition, coalesce(p.next_offset, 0), coalesce(p.cursor, ''), "
                       "coalesce(m.next_offset, 0), coalesce(m.cursor, '') "
                       "FROM (SELECT * FROM consumer_positions WHERE source = $1 AND partition = ANY ($2::int[])) p "
                       "FULL JOIN (SELECT * FROM position_marks WHERE source = $1 AND partition = ANY ($2::int[])) m "
                       "USING (partition) ORDER BY partition",
                       batch.source, partitions)));
  return standing_of(batch, positions);
}

void lock_all_positions(pqxx::transaction_base& transaction) {
  transaction.exec("SELECT FROM consumer_positions ORDER BY source, partition FOR UPDATE");
}

void store_positions(pqxx::transaction_base& transaction, const Batch& batch) {
  std::vector<std::string> partitions;
  std::vector<std::string> offsets;
  std::vector<std::string> cursors;
  for (const SourcePosition& position : batch.after) {
    partitions.push_back(std::to_string(position.partition.value));
    offsets.push_back(std::to_string(position.offset.value));
    cursors.push_back(bytea_text(position.cursor));
  }
  // One statement for all partitions: a topic may have hundreds.
  const pqxx::result stored = transaction.exec_params(
      "WITH v AS MATERIALIZED (SELECT * FROM unnest($2::int[], $3::bigint[], $4::bytea[]) "
      "AS v (partition, next_offset, cursor)), marked AS ("
      "INSERT INTO position_marks (source, partition, next_offset, cursor) "
      "SELECT $1, partition, next_offset, cursor FROM v "
      "ON CONFLICT (source, partition) DO UPDATE SET next_offset = excluded.next_offset, cursor = excluded.cursor) "
      "UPDATE consumer_positions AS p SET next_offset = v.next_offset, cursor = v.cursor, updated_at = now() "
      "FROM v WHERE p.source = $1 AND p.partition = v.partition",
      batch.source, array_text(partitions), array_text(offsets), array_text(cursors));
  CAIRN_CHECK(stored.affected_rows() == batch.after.size());
}

Result<std::vector<SourcePosition>> read_positions(pqxx::transaction_base& transaction, const std::string& source) {
  return to_positions(
      source, transaction.exec_params("SELECT partition, coalesce(p.next_offset, 0), coalesce(p.cursor, ''), "
                                      "coalesce(m.next_offset, 0), coalesce(m.cursor, '') "
                                      "FROM (SELECT * FROM consumer_positions WHERE source = $1) p "
                                      "FULL JOIN (SELECT * FROM position_marks WHERE source = $1) m USING (partition) "
                                      "ORDER BY partition",
                                      source));
}

void make_lost_positions_table(pqxx::transaction_base& transaction) {
  const bool lost =
      transaction
          .exec1("SELECT to_regclass('position_marks') IS NOT NULL AND to_regclass('consumer_positions') IS NULL")[0]
          .as<bool>();
  if (!lost) return;
  const auto step = std::find_if(migrations().begin(), migrations().end(),
                                 [](const Migration& one) { return one.name == "0004_consumer_positions"; });
  CAIRN_CHECK(step != migrations().end());
  transaction.exec(std::string(step->sql));
}

std::size_t agree_on_positions(pqxx::transaction_base& transaction) {
  transaction.exec("LOCK TABLE consumer_positions, position_marks IN EXCLUSIVE MODE");
  const pqxx::result differing = transaction.exec(
      "WITH both_of AS (SELECT source, partition, next_offset, cursor FROM consumer_positions "
      "UNION ALL SELECT source, partition, next_offset, cursor FROM position_marks), "
      "further AS (SELECT DISTINCT ON (source, partition) source, partition, next_offset, cursor FROM both_of "
      "ORDER BY source, partition, next_offset DESC), "
      "differing AS (SELECT f.* FROM further f LEFT JOIN consumer_positions p USING (source, partition) "
      "LEFT JOIN position_marks m USING (source, partition) WHERE (p.next_offset, p.cursor) IS DISTINCT FROM "
      "(m.next_offset, m.cursor)), "
      "marked AS (INSERT INTO position_marks (source, partition, next_offset, cursor) SELECT * FROM differing "
      "ON CONFLICT (source, partition) DO UPDATE SET next_offset = excluded.next_offset, cursor = excluded.cursor), "
      "placed AS (INSERT INTO consumer_positions (source, partition, next_offset, cursor) SELECT * FROM differing "
      "ON CONFLICT (source, partition) DO UPDATE SET next_offset = excluded.next_offset, cursor = excluded.cursor, "
      "updated_at = now()) SELECT count(*) FROM differing");
  return differing[0][0].as<std::size_t>();
}

}  // namespace cairn::sql

#include "sql/postgres/positions.h"

#include <set>

#include "cairn/check.h"
#include "sql/postgres/text.h"

namespace cairn::sql {
namespace {

std::string partitions_text(const std::set<Partition>& partitions) {
  std::vector<std::string> elements;
  for (const Partition partition : partitions) elements.push_back(std::to_string(partition.value));
  return array_text(elements);
}

std::vector<SourcePosition> to_positions(const pqxx::result& rows) {
  std::vector<SourcePosition> positions;
  for (const pqxx::row& row : rows) {
    positions.push_back(
        {Partition{row[0].as<std::int32_t>()}, Offset{row[1].as<std::int64_t>()}, pqxx::binarystring(row[2]).str()});
  }
  return positions;
}

}  // namespace

Standing lock_positions(pqxx::transaction_base& transaction, const Batch& batch) {
  // Rows that are not there cannot be locked; whoever makes them first makes the other wait here for his commit.
  transaction.exec_params(
      "INSERT INTO consumer_positions (source, partition, next_offset, cursor) "
      "SELECT $1, p, 0, '' FROM unnest($2::int[]) AS p ORDER BY p ON CONFLICT DO NOTHING",
      batch.source, partitions_text(partitions_of(batch.after)));
  std::set<Partition> all = partitions_of(batch.before);
  all.merge(partitions_of(batch.after));
  return standing_of(batch, to_positions(transaction.exec_params(
                                "SELECT partition, next_offset, cursor FROM consumer_positions "
                                "WHERE source = $1 AND partition = ANY ($2::int[]) ORDER BY partition FOR UPDATE",
                                batch.source, partitions_text(all))));
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
      "UPDATE consumer_positions AS p SET next_offset = v.next_offset, cursor = v.cursor, updated_at = now() "
      "FROM unnest($2::int[], $3::bigint[], $4::bytea[]) AS v (partition, next_offset, cursor) "
      "WHERE p.source = $1 AND p.partition = v.partition",
      batch.source, array_text(partitions), array_text(offsets), array_text(cursors));
  CAIRN_CHECK(stored.affected_rows() == batch.after.size());
}

std::vector<SourcePosition> read_positions(pqxx::transaction_base& transaction, const std::string& source) {
  return to_positions(transaction.exec_params(
      "SELECT partition, next_offset, cursor FROM consumer_positions WHERE source = $1 ORDER BY partition", source));
}

}  // namespace cairn::sql

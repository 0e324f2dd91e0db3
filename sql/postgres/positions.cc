#include "sql/postgres/positions.h"

#include <algorithm>
#include <map>
#include <set>

#include "cairn/check.h"
#include "sql/postgres/text.h"

namespace cairn::sql {
namespace {

constexpr std::size_t kCursorBytesMax = 4096;

using ByPartition = std::map<Partition, SourcePosition>;

ByPartition by_partition(std::span<const SourcePosition> positions) {
  ByPartition result;
  for (const SourcePosition& position : positions) result.emplace(position.partition, position);
  return result;
}

SourcePosition position_or_start(const ByPartition& positions, Partition partition) {
  const auto found = positions.find(partition);
  return found == positions.end() ? SourcePosition{partition, Offset{0}, ""} : found->second;
}

std::string partitions_text(const std::set<Partition>& partitions) {
  std::vector<std::string> elements;
  for (const Partition partition : partitions) elements.push_back(std::to_string(partition.value));
  return array_text(elements);
}

std::set<Partition> partitions_of(std::span<const SourcePosition> positions) {
  std::set<Partition> partitions;
  for (const SourcePosition& position : positions) partitions.insert(position.partition);
  return partitions;
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

Status check_positions(std::span<const SourcePosition> positions, std::string_view which) {
  std::set<Partition> seen;
  for (const SourcePosition& position : positions) {
    const std::string name = std::string(which) + " of partition " + std::to_string(position.partition.value);
    if (!seen.insert(position.partition).second) return invalid_argument(name + " is given twice");
    if (position.cursor.size() > kCursorBytesMax) return invalid_argument(name + " has a cursor of more than 4 KiB");
  }
  return ok_status();
}

bool moves(std::span<const SourcePosition> before, std::span<const SourcePosition> after) {
  const ByPartition old = by_partition(before);
  return std::any_of(after.begin(), after.end(), [&](const SourcePosition& position) {
    return position_or_start(old, position.partition) != position;
  });
}

Standing lock_positions(pqxx::transaction_base& transaction, const std::string& source,
                        std::span<const SourcePosition> before, std::span<const SourcePosition> after) {
  // Rows that are not there cannot be locked; whoever makes them first makes the other wait here for his commit.
  transaction.exec_params(
      "INSERT INTO consumer_positions (source, partition, next_offset, cursor) "
      "SELECT $1, p, 0, '' FROM unnest($2::int[]) AS p ORDER BY p ON CONFLICT DO NOTHING",
      source, partitions_text(partitions_of(after)));
  std::set<Partition> all = partitions_of(before);
  all.merge(partitions_of(after));
  const ByPartition stored = by_partition(to_positions(
      transaction.exec_params("SELECT partition, next_offset, cursor FROM consumer_positions "
                              "WHERE source = $1 AND partition = ANY ($2::int[]) ORDER BY partition FOR UPDATE",
                              source, partitions_text(all))));

  const ByPartition old = by_partition(before);
  if (std::all_of(all.begin(), all.end(),
                  [&](Partition p) { return position_or_start(stored, p) == position_or_start(old, p); })) {
    return Standing::kBefore;
  }
  return std::all_of(after.begin(), after.end(),
                     [&](const SourcePosition& p) { return position_or_start(stored, p.partition) == p; })
             ? Standing::kAfter
             : Standing::kElsewhere;
}

void store_positions(pqxx::transaction_base& transaction, const std::string& source,
                     std::span<const SourcePosition> after) {
  std::vector<std::string> partitions;
  std::vector<std::string> offsets;
  std::vector<std::string> cursors;
  for (const SourcePosition& position : after) {
    partitions.push_back(std::to_string(position.partition.value));
    offsets.push_back(std::to_string(position.offset.value));
    cursors.push_back(bytea_text(position.cursor));
  }
  const pqxx::result stored = transaction.exec_params(
      "UPDATE consumer_positions AS p SET next_offset = v.next_offset, cursor = v.cursor, updated_at = now() "
      "FROM unnest($2::int[], $3::bigint[], $4::bytea[]) AS v (partition, next_offset, cursor) "
      "WHERE p.source = $1 AND p.partition = v.partition",
      source, array_text(partitions), array_text(offsets), array_text(cursors));
  CAIRN_CHECK(stored.affected_rows() == after.size());
}

std::vector<SourcePosition> read_positions(pqxx::transaction_base& transaction, const std::string& source) {
  return to_positions(transaction.exec_params(
      "SELECT partition, next_offset, cursor FROM consumer_positions WHERE source = $1 ORDER BY partition", source));
}

}  // namespace cairn::sql

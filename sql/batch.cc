#include "sql/batch.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <string_view>

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

/// True when `after` holds a position that differs from what `before` has for the partition.
bool moves(std::span<const SourcePosition> before, std::span<const SourcePosition> after) {
  // A batch that moves nothing stands at "before" again after it was written, so a retry would write its rows twice.
  const ByPartition old = by_partition(before);
  return std::any_of(after.begin(), after.end(), [&](const SourcePosition& position) {
    return position_or_start(old, position.partition) != position;
  });
}

Status check_positions(std::span<const SourcePosition> positions, std::string_view which) {
  std::set<Partition> seen;
  for (const SourcePosition& position : positions) {
    const std::string name = std::string(which) + " of partition " + std::to_string(position.partition.value);
    if (!seen.insert(position.partition).second) return invalid_argument(name + " is given twice");
    if (position.cursor.size() > kCursorBytesMax) return invalid_argument(name + " has a cursor of more than 4 KiB");
  }
  return ok_status();
}

Status check_interactions(std::span<const Interaction> interactions, const InteractionTypes& types) {
  for (std::size_t i = 0; i < interactions.size(); ++i) {
    const Interaction& interaction = interactions[i];
    const char* problem = nullptr;
    if (!valid_id(interaction.user.str())) problem = "the user id must have 1 to 128 bytes and no NUL";
    if (!valid_id(interaction.place.str())) problem = "the place id must have 1 to 128 bytes and no NUL";
    if (interaction.type.value >= types.size()) problem = "the type is unknown";
    if (interaction.time < kTimeMin || interaction.time > kTimeMax) problem = "the time is outside years 1 to 9999";
    if (interaction.value && !std::isfinite(*interaction.value)) problem = "the value is not finite";
    if (interaction.position && !valid_position(*interaction.position)) problem = "the position is out of range";
    if (interaction.event_id.find('\0') != std::string::npos) problem = "the event id holds a NUL";
    if (problem != nullptr) return invalid_argument("interaction " + std::to_string(i) + ": " + problem);
  }
  return ok_status();
}

}  // namespace

Status check_batch(const Batch& batch, const InteractionTypes& types) {
  CAIRN_RETURN_IF_ERROR(check_positions(batch.before, "the position before"));
  CAIRN_RETURN_IF_ERROR(check_positions(batch.after, "the position after"));
  // The name is a key of consumer_positions.
  if (!valid_id(batch.source)) return invalid_argument("a source's name has 1 to 128 bytes, no NUL");
  if (!batch.interactions.empty() && !moves(batch.before, batch.after)) {
    return invalid_argument("interactions that move no position could not be told from a repeat");
  }
  return check_interactions(batch.interactions, types);
}

std::set<Partition> partitions_of(std::span<const SourcePosition> positions) {
  std::set<Partition> partitions;
  for (const SourcePosition& position : positions) partitions.insert(position.partition);
  return partitions;
}

Standing standing_of(const Batch& batch, std::span<const SourcePosition> stored) {
  const ByPartition now = by_partition(stored);
  const ByPartition old = by_partition(batch.before);
  std::set<Partition> all = partitions_of(batch.before);
  all.merge(partitions_of(batch.after));
  // "Before" first: a batch that moves nothing stands at both, and writing it again changes nothing.
  if (std::all_of(all.begin(), all.end(),
                  [&](Partition p) { return position_or_start(now, p) == position_or_start(old, p); })) {
    return Standing::kBefore;
  }
  return std::all_of(batch.after.begin(), batch.after.end(),
                     [&](const SourcePosition& p) { return position_or_start(now, p.partition) == p; })
             ? Standing::kAfter
             : Standing::kElsewhere;
}

Status aborted(const Batch& batch) {
  return {StatusCode::kAborted, "the stored positions of source '" + batch.source +
                                    "' are not those this batch was read from; reload them and go on from there"};
}

}  // namespace cairn::sql

#include "engine/state/recovery.h"

#include <cstdio>
#include <random>
#include <utility>

#include "engine/state/bytes.h"
#include "engine/state/keys.h"

namespace cairn::state {

using storage::Family;

namespace {

Result<features::Schema> recover_schema(storage::StateStore& store, const std::vector<FeatureViewSpec>& views,
                                        const InteractionTypes& types) {
  features::ViewRegistry registry;
  CAIRN_ASSIGN_OR_RETURN(const auto stored, store.get(Family::kMeta, kViewRegistryKey));
  if (stored) {
    CAIRN_ASSIGN_OR_RETURN(registry, features::ViewRegistry::decode(*stored));
  }
  CAIRN_ASSIGN_OR_RETURN(features::Schema schema, features::Schema::build(views, types, &registry));
  if (!stored || registry.encode() != *stored) {
    storage::WriteBatch batch;
    batch.put(Family::kMeta, kViewRegistryKey, registry.encode());
    CAIRN_RETURN_IF_ERROR(store.write(std::move(batch), storage::Durability::kSynced));
  }
  return schema;
}

Result<std::string> recover_id(storage::StateStore& store) {
  CAIRN_ASSIGN_OR_RETURN(const auto stored, store.get(Family::kMeta, kStateIdKey));
  if (stored) return *stored;
  std::random_device random;
  char text[17];
  std::snprintf(text, sizeof text, "%08x%08x", random(), random());
  storage::WriteBatch batch;
  batch.put(Family::kMeta, kStateIdKey, text);
  CAIRN_RETURN_IF_ERROR(store.write(std::move(batch), storage::Durability::kSynced));
  return std::string(text);
}

Status recover_types(storage::StateStore& store, const InteractionTypes& types) {
  std::string names;
  ByteWriter out(&names);
  for (std::size_t i = 0; i < types.size(); ++i) out.text(types.name(TypeIndex{static_cast<std::uint8_t>(i)}));
  CAIRN_ASSIGN_OR_RETURN(const auto stored, store.get(Family::kMeta, kTypesKey));
  if (stored == names) return ok_status();
  if (stored && !names.starts_with(*stored)) {
    return failed_precondition(
        "the declared interaction types do not begin with those this state directory was made with; keep their order "
        "and append new ones at the end");
  }
  storage::WriteBatch batch;
  batch.put(Family::kMeta, kTypesKey, names);
  return store.write(std::move(batch), storage::Durability::kSynced);
}

}  // namespace

Result<StoredIdentity> recover_identity(storage::StateStore& store, const std::vector<FeatureViewSpec>& views,
                                        const InteractionTypes& types) {
  StoredIdentity identity;
  CAIRN_ASSIGN_OR_RETURN(identity.schema, recover_schema(store, views, types));
  CAIRN_ASSIGN_OR_RETURN(identity.id, recover_id(store));
  CAIRN_RETURN_IF_ERROR(recover_types(store, types));
  return identity;
}

Status recover_ids(const storage::StateStore& store, features::Dictionary* places, features::Dictionary* categories) {
  bool readable = true;
  CAIRN_RETURN_IF_ERROR(store.scan(Family::kIds, "", [&](std::string_view key, std::string_view name) {
    if (key.starts_with(kPlaceIdPrefix)) readable = restore_id(key, name, places);
    if (key.starts_with(kCategoryIdPrefix)) readable = restore_id(key, name, categories);
    return readable;
  }));
  return readable ? ok_status() : data_loss("the stored dictionary cannot be read; restore a checkpoint");
}

Status recover_progress(const storage::StateStore& store, Progress* progress) {
  Status damaged;
  Positions positions;
  CAIRN_RETURN_IF_ERROR(store.scan(Family::kMeta, kPositionPrefix, [&](std::string_view key, std::string_view value) {
    std::string source;
    Partition partition{};
    if (!parse_position_key(key, &source, &partition)) return true;
    auto position = decode_position(partition, value);
    if (position.ok()) positions[{source, partition}] = *std::move(position);
    damaged = position.status();
    return damaged.ok();
  }));
  CAIRN_RETURN_IF_ERROR(std::move(damaged));
  Counters counters;
  CAIRN_ASSIGN_OR_RETURN(const auto stored, store.get(Family::kMeta, kCountersKey));
  if (stored) {
    CAIRN_ASSIGN_OR_RETURN(counters, Counters::decode(*stored));
  }
  CAIRN_ASSIGN_OR_RETURN(const auto corrections, store.get(Family::kMeta, kCorrectionsKey));
  if (corrections) {
    CAIRN_ASSIGN_OR_RETURN(counters.corrections, Corrections::decode(*corrections));
  }
  progress->restore(std::move(positions), counters);
  return ok_status();
}

}  // namespace cairn::state

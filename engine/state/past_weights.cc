#include "engine/state/past_weights.h"

#include <utility>

#include "engine/state/bytes.h"
#include "engine/state/keys.h"

namespace cairn::state {

using storage::Family;

namespace {

/// What types counted as, by name.
using Weights = std::map<std::string, CountsAs>;

bool same(const Weights& a, const Weights& b) {
  const auto alike = [](const auto& x, const auto& y) {
    return x.first == y.first && x.second.type == y.second.type && x.second.weight == y.second.weight;
  };
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), alike);
}

Weights weights_of(const InteractionTypes& types) {
  Weights weights;
  for (std::size_t i = 0; i < types.size(); ++i) {
    const TypeIndex type{static_cast<std::uint8_t>(i)};
    if (const auto counted = types.counts_as(type)) {
      weights[types.name(type)] = {types.name(counted->as), counted->weight};
    }
  }
  return weights;
}

/// The declared types, counting as then.
Result<InteractionTypes> types_with(const InteractionTypes& types, const Weights& weights) {
  std::vector<std::string> declared;
  for (std::size_t i = std::size(InteractionTypes::kBuiltIn); i < types.size(); ++i) {
    declared.push_back(types.name(TypeIndex{static_cast<std::uint8_t>(i)}));
  }
  return InteractionTypes::with_declared(declared, weights);
}

/// Every configuration with the last moment of it; that of the last one is not over yet, and 0.
using History = std::vector<std::pair<std::uint32_t, Weights>>;

std::string encode(const History& history) {
  std::string bytes;
  ByteWriter out(&bytes);
  for (const auto& [until, weights] : history) {
    out.integer(until);
    out.integer(static_cast<std::uint32_t>(weights.size()));
    for (const auto& [name, counts] : weights) {
      out.text(name);
      out.text(counts.type);
      out.integer(counts.weight);
    }
  }
  return bytes;
}

Result<History> decode(std::string_view bytes) {
  History history;
  ByteReader in(bytes);
  while (in.ok() && in.left() > 0) {
    auto& [until, weights] = history.emplace_back();
    until = in.integer<std::uint32_t>();
    const auto size = in.integer<std::uint32_t>();
    for (std::uint32_t i = 0; i < size && in.ok(); ++i) {
      const std::string name(in.text());
      CountsAs& counts = weights[name];
      counts.type = std::string(in.text());
      counts.weight = in.integer<std::uint32_t>();
    }
  }
  if (!in.complete()) return data_loss("what types counted as before cannot be read; restore a checkpoint");
  return history;
}

}  // namespace

Status PastWeights::recover(storage::StateStore& store, std::span<const FeatureViewSpec> views,
                            const InteractionTypes& types, std::uint32_t oldest, Catalog* catalog) {
  History history;
  CAIRN_ASSIGN_OR_RETURN(const auto stored, store.get(Family::kMeta, kWeightsKey));
  if (stored) {
    CAIRN_ASSIGN_OR_RETURN(history, decode(*stored));
  }
  const Weights now = weights_of(types);
  const bool first = history.empty();
  const bool changed = !first && !same(history.back().second, now);
  if (changed) history.back().first = catalog->moment();
  if (first || changed) history.emplace_back(0, now);
  std::erase_if(history, [&](const auto& one) { return one.first != 0 && one.first < oldest; });
  if (history.size() > kKeptMax) history.erase(history.begin());
  const std::string bytes = encode(history);
  if (bytes != stored) {
    storage::WriteBatch batch;
    batch.put(Family::kMeta, kWeightsKey, bytes);
    CAIRN_RETURN_IF_ERROR(changed ? catalog->end_moment(std::move(batch))
                                  : store.write(std::move(batch), storage::Durability::kSynced));
  }
  features::ViewRegistry registry;
  CAIRN_ASSIGN_OR_RETURN(const auto known, store.get(Family::kMeta, kViewRegistryKey));
  if (known) {
    CAIRN_ASSIGN_OR_RETURN(registry, features::ViewRegistry::decode(*known));
  }
  for (const auto& [until, weights] : history) {
    if (until == 0) continue;
    CAIRN_ASSIGN_OR_RETURN(const InteractionTypes then, types_with(types, weights));
    auto compiled = std::make_unique<Compiled>();
    CAIRN_ASSIGN_OR_RETURN(compiled->schema, features::Schema::build(views, then, &registry));
    compiled->changes = std::make_unique<features::EventChanges>(compiled->schema);
    until_[until] = std::move(compiled);
  }
  return ok_status();
}

const features::EventChanges* PastWeights::at(std::uint32_t moment) const {
  // Of an event of a state without moments nothing is known but what counts now.
  const auto found = moment == 0 ? until_.end() : until_.lower_bound(moment);
  return found == until_.end() ? nullptr : found->second->changes.get();
}

}  // namespace cairn::state

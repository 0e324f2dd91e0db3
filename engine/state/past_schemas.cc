#include "engine/state/past_schemas.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/state/bytes.h"
#include "engine/state/keys.h"

namespace cairn::state {

using storage::Family;

namespace {

/// In the number of types of a stored configuration: its views stand behind them. Releases that kept none wrote the
/// number alone.
constexpr std::uint32_t kWithViews = 1u << 31;

/// What types counted as, by name.
using Weights = std::map<std::string, CountsAs>;
using Views = std::vector<FeatureViewSpec>;

/// What decides how events count.
struct Configuration {
  std::uint32_t until = 0;  ///< its last moment; 0: it is the last one, and not over yet
  Weights weights;
  std::optional<Views> views;  ///< ascending by name; nullopt: not known
};
using History = std::vector<Configuration>;

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

Views by_name(std::span<const FeatureViewSpec> views) {
  Views sorted(views.begin(), views.end());
  std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return sorted;
}

/// The declared types, counting as then.
Result<InteractionTypes> types_with(const InteractionTypes& types, const Weights& weights) {
  std::vector<std::string> declared;
  for (std::size_t i = std::size(InteractionTypes::kBuiltIn); i < types.size(); ++i) {
    declared.push_back(types.name(TypeIndex{static_cast<std::uint8_t>(i)}));
  }
  return InteractionTypes::with_declared(declared, weights);
}

void write_view(const FeatureViewSpec& view, ByteWriter* out) {
  out->text(view.name);
  out->integer(static_cast<std::uint8_t>(view.entity));
  out->integer(static_cast<std::uint8_t>(view.dimension));
  out->integer(static_cast<std::uint8_t>(view.aggregate));
  out->integer(static_cast<std::uint64_t>(view.half_life.count()));
  out->integer(static_cast<std::uint64_t>(view.ttl.count()));
  out->integer(view.max_entries);
  out->integer(static_cast<std::uint32_t>(view.cell_precision));
  out->integer(static_cast<std::uint8_t>(view.counts_as ? 1 : 0));
  out->integer(static_cast<std::uint32_t>(view.events.size()));
  for (const EventWeight& event : view.events) {
    out->text(event.type);
    out->text(event.expression);
  }
}

FeatureViewSpec read_view(ByteReader* in) {
  FeatureViewSpec view;
  view.name = std::string(in->text());
  view.entity = static_cast<EntityKind>(in->integer<std::uint8_t>());
  view.dimension = static_cast<Dimension>(in->integer<std::uint8_t>());
  view.aggregate = static_cast<Aggregate>(in->integer<std::uint8_t>());
  view.half_life = std::chrono::seconds(static_cast<std::int64_t>(in->integer<std::uint64_t>()));
  view.ttl = std::chrono::seconds(static_cast<std::int64_t>(in->integer<std::uint64_t>()));
  view.max_entries = in->integer<std::uint32_t>();
  view.cell_precision = static_cast<int>(in->integer<std::uint32_t>());
  view.counts_as = in->integer<std::uint8_t>() == 1;
  const auto events = in->integer<std::uint32_t>();
  for (std::uint32_t i = 0; i < events && in->ok(); ++i) {
    EventWeight& event = view.events.emplace_back();
    event.type = std::string(in->text());
    event.expression = std::string(in->text());
  }
  return view;
}

std::string encode(const History& history) {
  std::string bytes;
  ByteWriter out(&bytes);
  for (const Configuration& one : history) {
    out.integer(one.until);
    out.integer(static_cast<std::uint32_t>(one.weights.size()) | (one.views ? kWithViews : 0));
    for (const auto& [name, counts] : one.weights) {
      out.text(name);
      out.text(counts.type);
      out.integer(counts.weight);
    }
    if (!one.views) continue;
    out.integer(static_cast<std::uint32_t>(one.views->size()));
    for (const FeatureViewSpec& view : *one.views) write_view(view, &out);
  }
  return bytes;
}

Result<History> decode(std::string_view bytes) {
  History history;
  ByteReader in(bytes);
  while (in.ok() && in.left() > 0) {
    Configuration& one = history.emplace_back();
    one.until = in.integer<std::uint32_t>();
    const auto size = in.integer<std::uint32_t>();
    for (std::uint32_t i = 0; i < (size & ~kWithViews) && in.ok(); ++i) {
      const std::string name(in.text());
      CountsAs& counts = one.weights[name];
      counts.type = std::string(in.text());
      counts.weight = in.integer<std::uint32_t>();
    }
    if ((size & kWithViews) == 0) continue;
    one.views.emplace();
    const auto views = in.integer<std::uint32_t>();
    for (std::uint32_t i = 0; i < views && in.ok(); ++i) one.views->push_back(read_view(&in));
  }
  if (!in.complete()) return data_loss("how events counted before cannot be read; restore a checkpoint");
  return history;
}

/// Whether an event adds the same by both. How much is kept of it, and how long, is another matter.
bool count_alike(const Configuration& a, const Configuration& b) {
  const auto what_counts = [](Configuration one) {
    one.until = 0;
    for (FeatureViewSpec& view : *one.views) {
      view.ttl = {};
      view.max_entries = 0;
    }
    return encode({std::move(one)});
  };
  return what_counts(a) == what_counts(b);
}

}  // namespace

Status PastSchemas::recover(storage::StateStore& store, std::span<const FeatureViewSpec> views,
                            const InteractionTypes& types, std::uint32_t oldest, Catalog* catalog) {
  History history;
  CAIRN_ASSIGN_OR_RETURN(const auto stored, store.get(Family::kMeta, kWeightsKey));
  if (stored) {
    CAIRN_ASSIGN_OR_RETURN(history, decode(*stored));
  }
  Configuration now{0, weights_of(types), by_name(views)};
  const bool first = history.empty();
  // A release that kept no views had those that are found now, as far as anybody can tell.
  if (!first && !history.back().views) history.back().views = now.views;
  const bool changed = !first && !count_alike(history.back(), now);
  if (changed) history.back().until = catalog->moment();
  if (first || changed) {
    history.push_back(std::move(now));
  } else {
    history.back() = std::move(now);
  }
  for (std::size_t i = history.size() - 1; i-- > 0;) {
    if (!history[i].views) history[i].views = history[i + 1].views;
  }
  std::erase_if(history, [&](const Configuration& one) { return one.until != 0 && one.until < oldest; });
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
  for (const Configuration& one : history) {
    if (one.until == 0) continue;
    CAIRN_ASSIGN_OR_RETURN(const InteractionTypes counted, types_with(types, one.weights));
    auto then = std::make_unique<Then>();
    CAIRN_ASSIGN_OR_RETURN(then->schema, features::Schema::build(*one.views, counted, &registry));
    then->changes = std::make_unique<features::EventChanges>(then->schema);
    until_[one.until] = std::move(then);
  }
  return ok_status();
}

const PastSchemas::Then* PastSchemas::at(std::uint32_t moment) const {
  // Of an event of a state without moments nothing is known but what counts now.
  const auto found = moment == 0 ? until_.end() : until_.lower_bound(moment);
  return found == until_.end() ? nullptr : found->second.get();
}

}  // namespace cairn::state

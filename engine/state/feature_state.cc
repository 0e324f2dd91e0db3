#include "engine/state/feature_state.h"

#include <algorithm>
#include <cstdio>
#include <random>
#include <unordered_map>

#include "engine/state/bytes.h"
#include "engine/state/keys.h"
#include "features/read.h"
#include "features/row.h"

namespace cairn::state {

using storage::Family;

FeatureState::FeatureState(storage::StateStore& store, const Options& options, InteractionTypes types)
    : store_(store),
      types_(std::move(types)),
      dedup_window_ms_(std::max<std::int64_t>(1, std::chrono::milliseconds(options.dedup_window).count())),
      durability_(options.sync ? storage::Durability::kSynced : storage::Durability::kBuffered),
      log_(options.log),
      catalog_(store, place_ids_, category_ids_),
      cache_(options.row_cache_bytes) {}

Result<std::unique_ptr<FeatureState>> FeatureState::open(storage::StateStore& store, const Options& options,
                                                         InteractionTypes types) {
  std::unique_ptr<FeatureState> state(new FeatureState(store, options, std::move(types)));
  CAIRN_RETURN_IF_ERROR(state->recover(options.views));
  return state;
}

// ---- recovery -----------------------------------------------------------------------------------------------------

Status FeatureState::recover(const std::vector<FeatureViewSpec>& views) {
  features::ViewRegistry registry;
  CAIRN_ASSIGN_OR_RETURN(const auto stored, store_.get(Family::kMeta, kViewRegistryKey));
  if (stored) {
    CAIRN_ASSIGN_OR_RETURN(registry, features::ViewRegistry::decode(*stored));
  }
  CAIRN_ASSIGN_OR_RETURN(schema_, features::Schema::build(views, types_, &registry));
  if (!stored || registry.encode() != *stored) {
    storage::WriteBatch batch;
    batch.put(Family::kMeta, kViewRegistryKey, registry.encode());
    CAIRN_RETURN_IF_ERROR(store_.write(batch, storage::Durability::kSynced));
  }
  CAIRN_RETURN_IF_ERROR(recover_id());
  CAIRN_RETURN_IF_ERROR(recover_types());
  CAIRN_RETURN_IF_ERROR(recover_ids());
  CAIRN_RETURN_IF_ERROR(catalog_.load());
  return recover_positions();
}

Status FeatureState::recover_id() {
  CAIRN_ASSIGN_OR_RETURN(const auto stored, store_.get(Family::kMeta, kStateIdKey));
  if (stored) {
    id_ = *stored;
    return ok_status();
  }
  std::random_device random;
  char text[17];
  std::snprintf(text, sizeof text, "%08x%08x", random(), random());
  id_ = text;
  storage::WriteBatch batch;
  batch.put(Family::kMeta, kStateIdKey, id_);
  return store_.write(batch, storage::Durability::kSynced);
}

Status FeatureState::recover_types() {
  std::string names;
  ByteWriter out(&names);
  for (std::size_t i = 0; i < types_.size(); ++i) out.text(types_.name(TypeIndex{static_cast<std::uint8_t>(i)}));
  CAIRN_ASSIGN_OR_RETURN(const auto stored, store_.get(Family::kMeta, kTypesKey));
  if (stored == names) return ok_status();
  if (stored && !names.starts_with(*stored)) {
    return failed_precondition(
        "the declared interaction types do not begin with those this state directory was made with; keep their order "
        "and append new ones at the end");
  }
  storage::WriteBatch batch;
  batch.put(Family::kMeta, kTypesKey, names);
  return store_.write(batch, storage::Durability::kSynced);
}

Status FeatureState::recover_ids() {
  bool readable = true;
  CAIRN_RETURN_IF_ERROR(store_.scan(Family::kIds, "", [&](std::string_view key, std::string_view value) {
    if (key.starts_with(kPlaceIdPrefix)) readable = restore_id(key.substr(1), value, &place_ids_);
    if (key.starts_with(kCategoryIdPrefix)) readable = restore_id(key.substr(1), value, &category_ids_);
    return readable;
  }));
  return readable ? ok_status() : data_loss("the stored dictionary cannot be read; restore a checkpoint");
}

Status FeatureState::recover_positions() {
  Status damaged;
  CAIRN_RETURN_IF_ERROR(store_.scan(Family::kMeta, kPositionPrefix, [&](std::string_view key, std::string_view value) {
    std::string source;
    Partition partition{};
    if (!parse_position_key(key, &source, &partition)) return true;
    auto position = decode_position(partition, value);
    if (!position.ok()) {
      damaged = std::move(position).status();
      return false;
    }
    positions_[{source, partition}] = *std::move(position);
    return true;
  }));
  CAIRN_RETURN_IF_ERROR(std::move(damaged));
  CAIRN_ASSIGN_OR_RETURN(const auto stored, store_.get(Family::kMeta, kCountersKey));
  if (stored) {
    CAIRN_ASSIGN_OR_RETURN(counters_, Counters::decode(*stored));
  }
  return ok_status();
}

// ---- writing ------------------------------------------------------------------------------------------------------

Status FeatureState::apply(const MicroBatch& micro) {
  const std::lock_guard one_at_a_time(apply_mutex_);
  storage::WriteBatch batch;
  CAIRN_ASSIGN_OR_RETURN(const std::vector<std::size_t> fresh, drop_repeats(micro.interactions, &batch));
  features::DeltaAccumulator accumulator(schema_);
  const Counters counters = accumulate(micro, fresh, &accumulator);
  const std::vector<features::EntityDelta> deltas = accumulator.take();

  std::string bytes;
  for (const features::EntityDelta& delta : deltas) {
    features::encode_row(delta.row, &bytes);
    batch.merge(Family::kState, delta.key, bytes);
  }
  const PendingIds place_ids(place_ids_, kPlaceIdPrefix, &batch);
  const PendingIds category_ids(category_ids_, kCategoryIdPrefix, &batch);
  for (const SourcePosition& position : micro.positions) {
    batch.put(Family::kMeta, position_key(micro.source, position.partition), encode_position(position));
  }
  batch.put(Family::kMeta, kCountersKey, counters.encode());

  cache_.begin_update(deltas);
  Status written = store_.write(batch, durability_);
  cache_.finish_update(deltas, written.ok());
  CAIRN_RETURN_IF_ERROR(std::move(written));
  place_ids.confirm();
  category_ids.confirm();
  publish(micro, deltas, counters);
  return ok_status();
}

Result<std::vector<std::size_t>> FeatureState::drop_repeats(std::span<const Interaction> interactions,
                                                            storage::WriteBatch* batch) {
  // A repeat lies within one window of the first, so in the first's bucket or one beside it.
  std::vector<std::string> keys;
  for (const Interaction& one : interactions) {
    if (one.event_id.empty()) continue;
    const std::int64_t bucket = dedup_bucket(one.time, dedup_window_ms_);
    for (std::int64_t near = bucket - 1; near <= bucket + 1; ++near) keys.push_back(dedup_key(near, one.event_id));
  }
  std::vector<std::optional<std::string>> stored;
  if (!keys.empty()) CAIRN_RETURN_IF_ERROR(store_.multi_get(Family::kDedup, keys, &stored));

  std::unordered_map<std::string_view, std::int64_t> seen_now;  // key to time, of this batch
  const auto repeats = [&](std::size_t first_key, std::int64_t ms) {
    for (std::size_t k = first_key; k < first_key + 3; ++k) {
      const auto now = seen_now.find(keys[k]);
      if (now != seen_now.end() && std::abs(now->second - ms) <= dedup_window_ms_) return true;
      if (!stored[k]) continue;
      const auto first_ms = static_cast<std::int64_t>(ByteReader(*stored[k]).integer<std::uint64_t>());
      if (std::abs(first_ms - ms) <= dedup_window_ms_) return true;
    }
    return false;
  };

  std::vector<std::size_t> fresh;
  fresh.reserve(interactions.size());
  std::size_t next_key = 0;
  for (std::size_t i = 0; i < interactions.size(); ++i) {
    if (interactions[i].event_id.empty()) {
      fresh.push_back(i);
      continue;
    }
    const std::size_t first_key = next_key;
    next_key += 3;
    const std::int64_t ms = to_ms(interactions[i].time);
    if (repeats(first_key, ms)) continue;
    std::string value;
    ByteWriter(&value).integer(static_cast<std::uint64_t>(ms));
    batch->put(Family::kDedup, keys[first_key + 1], value);
    seen_now.emplace(keys[first_key + 1], ms);
    fresh.push_back(i);
  }
  return fresh;
}

Counters FeatureState::accumulate(const MicroBatch& micro, std::span<const std::size_t> fresh,
                                  features::DeltaAccumulator* deltas) {
  Counters counters = this->counters();
  for (const std::size_t i : fresh) {
    const Interaction& one = micro.interactions[i];
    const std::uint64_t place = place_ids_.intern(one.place.str());
    features::ResolvedEvent event{&one, place, std::nullopt, std::nullopt};
    if (const auto facts = catalog_.facts(place)) {
      event.category = facts->category;
      event.place_position = facts->position;
    }
    deltas->add(event);
    counters.newest_event_ms = std::max(counters.newest_event_ms, to_ms(one.time));
  }
  counters.applied += fresh.size();
  counters.repeated += micro.interactions.size() - fresh.size();
  counters.rejected += micro.rejected;
  return counters;
}

void FeatureState::publish(const MicroBatch& micro, std::span<const features::EntityDelta> deltas,
                           const Counters& counters) {
  for (const auto& [kind, observer] : observers_) {
    const auto of_kind = [kind = kind](const features::EntityDelta& delta) {
      return static_cast<EntityKind>(delta.key[0]) == kind;
    };
    // Keys begin with the kind, so the deltas of one kind stand together.
    const auto begin = std::find_if(deltas.begin(), deltas.end(), of_kind);
    const auto end = std::find_if_not(begin, deltas.end(), of_kind);
    if (begin != end) observer({begin, end});
  }
  {
    const std::lock_guard lock(mutex_);
    for (const SourcePosition& position : micro.positions) {
      positions_[{std::string(micro.source), position.partition}] = position;
    }
    counters_ = counters;
  }
  advanced_.notify_all();
}

Status FeatureState::observe(EntityKind kind, Observer observer) {
  const std::lock_guard no_apply(apply_mutex_);
  Status damaged;
  std::vector<features::EntityDelta> rows;
  const auto hand_over = [&] {
    observer(rows);
    rows.clear();
  };
  CAIRN_RETURN_IF_ERROR(
      store_.scan(Family::kState, features::entity_key(kind, ""), [&](std::string_view key, std::string_view value) {
        features::EntityDelta row{std::string(key), {}, {}};
        if (kind == EntityKind::kPlace) row.place = place_ids_.find(key.substr(1));
        damaged = features::decode_row(value, &row.row);
        if (!damaged.ok()) return false;
        rows.push_back(std::move(row));
        if (rows.size() == 1024) hand_over();
        return true;
      }));
  CAIRN_RETURN_IF_ERROR(std::move(damaged));
  if (!rows.empty()) hand_over();
  observers_.emplace_back(kind, std::move(observer));
  return ok_status();
}

Status FeatureState::forget_old_event_ids() {
  const std::lock_guard one_at_a_time(apply_mutex_);
  const std::int64_t newest = counters().newest_event_ms;
  // Events may be late; four windows behind the newest event is far past any repeat that still means something.
  const std::int64_t keep_from = dedup_bucket(event_time_from_ms(newest), dedup_window_ms_) - 4;
  if (newest == 0 || keep_from <= oldest_dedup_bucket_) return ok_status();
  storage::WriteBatch batch;
  std::string previous;
  CAIRN_RETURN_IF_ERROR(store_.scan(Family::kDedup, "", [&](std::string_view key, std::string_view) {
    const std::string_view prefix = key.substr(0, 8);
    if (prefix >= dedup_prefix(keep_from)) return false;
    if (prefix != previous) batch.remove_prefix(Family::kDedup, previous = prefix);
    return true;
  }));
  if (!batch.empty()) CAIRN_RETURN_IF_ERROR(store_.write(batch, storage::Durability::kBuffered));
  oldest_dedup_bucket_ = keep_from;
  return ok_status();
}

// ---- reading ------------------------------------------------------------------------------------------------------

Result<RowCache::Found> FeatureState::row(EntityKind kind, std::string_view id) const {
  return cache_.get(features::entity_key(kind, id), [&](std::string_view key) -> Result<RowCache::RowPtr> {
    CAIRN_ASSIGN_OR_RETURN(const auto bytes, store_.get(Family::kState, key));
    if (!bytes) return RowCache::RowPtr();
    auto row = std::make_shared<features::Row>();
    CAIRN_RETURN_IF_ERROR(features::decode_row(*bytes, row.get()).with_context("row of '" + std::string(id) + "'"));
    return RowCache::RowPtr(std::move(row));
  });
}

std::string FeatureState::dimension_name(const features::View& view, std::uint64_t dimension) const {
  switch (view.spec.dimension) {
    case Dimension::kPlace:
      return place_ids_.name(dimension);
    case Dimension::kCategory:
      return category_ids_.name(dimension);
    case Dimension::kType:
      return types_.name(TypeIndex{static_cast<std::uint8_t>(dimension)});
    default:
      return features::plain_dimension_name(view, dimension).value_or("");
  }
}

std::vector<SourcePosition> FeatureState::positions(std::string_view source) const {
  const std::lock_guard lock(mutex_);
  std::vector<SourcePosition> found;
  for (const auto& [key, position] : positions_) {
    if (key.first == source) found.push_back(position);
  }
  return found;
}

std::vector<Watermark> FeatureState::watermarks() const {
  const std::lock_guard lock(mutex_);
  std::vector<Watermark> marks;
  marks.reserve(positions_.size());
  for (const auto& [key, position] : positions_)
    marks.push_back({key.first, {position.partition, position.offset, {}}});
  return marks;
}

Status FeatureState::wait_for(const Watermark& watermark, const CallContext& context) const {
  const auto deadline = context.deadline.value_or(std::chrono::steady_clock::time_point::max());
  std::unique_lock lock(mutex_);
  advanced_.wait_until(lock, context.cancelled, deadline, [&] { return has_reached(watermark); });
  if (has_reached(watermark)) return ok_status();
  CAIRN_RETURN_IF_ERROR(context.check().with_context("features have not reached offset " +
                                                     std::to_string(watermark.position.offset.value) + " of '" +
                                                     watermark.source + "'"));
  return deadline_exceeded("features have not reached the offset asked for");
}

bool FeatureState::reached(const Watermark& watermark) const {
  const std::lock_guard lock(mutex_);
  return has_reached(watermark);
}

bool FeatureState::has_reached(const Watermark& watermark) const {
  const auto found = positions_.find(std::pair(watermark.source, watermark.position.partition));
  return found != positions_.end() && found->second.offset >= watermark.position.offset;
}

Counters FeatureState::counters() const {
  const std::lock_guard lock(mutex_);
  return counters_;
}

}  // namespace cairn::state

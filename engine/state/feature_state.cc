#include "engine/state/feature_state.h"

#include <algorithm>
#include <cstdio>
#include <random>

#include "engine/state/bytes.h"
#include "engine/state/keys.h"
#include "features/read.h"
#include "features/row.h"

namespace cairn::state {

using storage::Family;

FeatureState::FeatureState(storage::StateStore& store, const Options& options, InteractionTypes types)
    : store_(store),
      types_(std::move(types)),
      dedup_(std::max(options.dedup_window, std::chrono::seconds(0))),
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
    const MutexLock lock(mutex_);
    positions_[{source, partition}] = *std::move(position);
    return true;
  }));
  CAIRN_RETURN_IF_ERROR(std::move(damaged));
  CAIRN_ASSIGN_OR_RETURN(const auto stored, store_.get(Family::kMeta, kCountersKey));
  if (stored) {
    CAIRN_ASSIGN_OR_RETURN(const Counters counters, Counters::decode(*stored));
    const MutexLock lock(mutex_);
    counters_ = counters;
  }
  return ok_status();
}

// ---- writing ------------------------------------------------------------------------------------------------------

Status FeatureState::apply(const MicroBatch& micro) {
  const MutexLock one_at_a_time(apply_mutex_);
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
  Status written = store_.write(std::move(batch), durability_);
  cache_.finish_update(deltas, written.ok());
  CAIRN_RETURN_IF_ERROR(std::move(written));
  place_ids.confirm();
  category_ids.confirm();
  publish(micro, deltas, counters);
  return ok_status();
}

Result<std::vector<std::size_t>> FeatureState::drop_repeats(std::span<const Interaction> interactions,
                                                            storage::WriteBatch* batch) {
  CAIRN_ASSIGN_OR_RETURN(features::SeenEventIds seen, stored_event_ids(interactions));
  features::DedupRule::Decision decision = dedup_.decide(interactions, std::move(seen));
  for (const auto& [key, time] : decision.new_ids) {
    std::string value;
    ByteWriter(&value).integer(static_cast<std::uint64_t>(to_ms(time)));
    batch->put(Family::kDedup, dedup_key(dedup_.bucket(time), key), value);
  }
  return std::move(decision.included);
}

Result<features::SeenEventIds> FeatureState::stored_event_ids(std::span<const Interaction> interactions) const {
  std::vector<std::string> keys;
  for (const Interaction& one : interactions) {
    if (one.event_id.empty()) continue;
    const std::string event_key = features::event_key(one.event_id);
    const auto [first, last] = dedup_.nearby(one.time);
    for (std::int64_t bucket = first; bucket <= last; ++bucket) keys.push_back(dedup_key(bucket, event_key));
  }
  features::SeenEventIds seen;
  if (keys.empty()) return seen;
  std::vector<std::optional<std::string>> stored;
  CAIRN_RETURN_IF_ERROR(store_.multi_get(Family::kDedup, keys, &stored));
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (!stored[i]) continue;
    ByteReader in(*stored[i]);
    const auto ms = static_cast<std::int64_t>(in.integer<std::uint64_t>());
    if (!in.complete()) return data_loss("a stored event id cannot be read; restore a checkpoint");
    seen.emplace(keys[i].substr(dedup_prefix(0).size()), event_time_from_ms(ms));
  }
  return seen;
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
    const MutexLock lock(mutex_);
    for (const SourcePosition& position : micro.positions) {
      positions_[{std::string(micro.source), position.partition}] = position;
    }
    counters_ = counters;
  }
  advanced_.notify_all();
}

Status FeatureState::observe(EntityKind kind, Observer observer) {
  const MutexLock no_apply(apply_mutex_);
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

void FeatureState::forget_old_event_ids() {
  const MutexLock one_at_a_time(apply_mutex_);
  const std::int64_t newest = counters().newest_event_ms;
  const std::int64_t keep_from = dedup_.first_kept_bucket(event_time_from_ms(newest));
  if (newest == 0 || keep_from <= oldest_dedup_bucket_) return;
  const Status forgotten = forget_event_ids_before(keep_from);
  if (forgotten.ok()) {
    oldest_dedup_bucket_ = keep_from;
  } else {
    log_.warning("state.dedup", forgotten.message());
  }
}

Status FeatureState::forget_event_ids_before(std::int64_t bucket) {
  storage::WriteBatch batch;
  std::string previous;
  CAIRN_RETURN_IF_ERROR(store_.scan(Family::kDedup, "", [&](std::string_view key, std::string_view) {
    const std::string_view prefix = key.substr(0, 8);
    if (prefix >= dedup_prefix(bucket)) return false;
    if (prefix != previous) batch.remove_prefix(Family::kDedup, previous = prefix);
    return true;
  }));
  return batch.empty() ? ok_status() : store_.write(batch, storage::Durability::kBuffered);
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
  const MutexLock lock(mutex_);
  std::vector<SourcePosition> found;
  for (const auto& [key, position] : positions_) {
    if (key.first == source) found.push_back(position);
  }
  return found;
}

std::vector<Watermark> FeatureState::watermarks() const {
  const MutexLock lock(mutex_);
  std::vector<Watermark> marks;
  marks.reserve(positions_.size());
  for (const auto& [key, position] : positions_)
    marks.push_back({key.first, {position.partition, position.offset, {}}});
  return marks;
}

void FeatureState::describe(EngineStatus* status) const {
  const Counters totals = counters();
  status->events_applied = totals.applied;
  status->events_rejected = totals.rejected;
  status->events_repeated = totals.repeated;
  status->newest_event = event_time_from_ms(totals.newest_event_ms);
  status->places = catalog_.size();
  const RowCache::Stats rows = cache_.stats();
  status->row_cache_bytes = rows.bytes;
  status->row_cache_hits = rows.hits;
  status->row_cache_misses = rows.misses;
}

Freshness FeatureState::freshness() const {
  return {watermarks(), event_time_from_ms(counters().newest_event_ms), Tier::kNone};
}

Status FeatureState::wait_for(const Watermark& watermark, const CallContext& context) const {
  const auto over = [&]() CAIRN_REQUIRES(mutex_) { return stopped_waiting_ || has_reached(watermark); };
  MutexLock lock(mutex_);
  const bool in_time = context.wait(advanced_, lock, over);
  if (has_reached(watermark)) return ok_status();
  if (in_time) return unavailable("the engine is closing");
  return context.check().with_context("features have not reached offset " +
                                      std::to_string(watermark.position.offset.value) + " of '" + watermark.source +
                                      "'");
}

void FeatureState::stop_waiting() {
  {
    const MutexLock lock(mutex_);
    stopped_waiting_ = true;
  }
  advanced_.notify_all();
}

bool FeatureState::reached(const Watermark& watermark) const {
  const MutexLock lock(mutex_);
  return has_reached(watermark);
}

bool FeatureState::has_reached(const Watermark& watermark) const {
  const auto found = positions_.find(std::pair(watermark.source, watermark.position.partition));
  return found != positions_.end() && found->second.offset >= watermark.position.offset;
}

Counters FeatureState::counters() const {
  const MutexLock lock(mutex_);
  return counters_;
}

}  // namespace cairn::state

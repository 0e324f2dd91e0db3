#include "engine/state/window_writer.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "engine/state/keys.h"
#include "engine/state/parallel.h"
#include "features/delta_row.h"
#include "features/row.h"

namespace cairn::state {

using storage::Family;

namespace {

/// A row is put as a whole while it takes at most so many times the bytes of its changes.
constexpr std::size_t kWholeFactorMax = 4;

}  // namespace

Status WindowWriter::write(const ReadVersion& version) {
  std::vector<Encoded> shards(Window::kShards);
  for_each_index(shards.size(),
                 [&](std::size_t shard) { encode(version, static_cast<std::uint32_t>(shard), &shards[shard]); });
  storage::WriteBatch batch;
  updates_.clear();
  hot_.clear();
  window_ = version.full;
  // Before the rows: what the window adds to one of these is all that is known of it.
  window_->erased.for_each([&](std::string_view key) { batch.remove(Family::kState, key); });
  add_rows(shards, &batch);
  const PendingIds place_ids(places_, kPlaceIdPrefix, &batch);
  const PendingIds category_ids(categories_, kCategoryIdPrefix, &batch);
  add_the_rest(*version.full, &batch);
  CAIRN_RETURN_IF_ERROR(store_.write(std::move(batch), durability_));
  place_ids.confirm();
  category_ids.confirm();
  return ok_status();
}

void WindowWriter::encode(const ReadVersion& version, std::uint32_t shard, Encoded* encoded) const {
  std::string bytes;
  version.full->rows.for_each(shard, [&](std::string_view key, const features::DeltaRow& changes) {
    const bool erased = version.full->erased.contains(key);
    if (changes.entries().empty()) return;  // erased, and nothing came since
    const features::Row delta = features::to_row(changes.entries());
    features::encode_row(delta, &bytes);
    const std::size_t delta_bytes = bytes.size();
    Record record{key, encoded->bytes.size(), 0, shard, false};
    RowCache::Update update{key, std::nullopt};
    if (erased) {
      record.whole = true;
      update.row = std::make_shared<features::Row>(delta);
    } else if (const auto cached = cache_.peek(key, version.epoch)) {
      auto row = *cached ? std::make_shared<features::Row>(**cached) : std::make_shared<features::Row>();
      features::merge_row(row.get(), delta);
      std::string whole;
      features::encode_row(*row, &whole);
      record.whole = whole.size() <= kWholeFactorMax * delta_bytes;
      if (record.whole) bytes = std::move(whole);
      update.row = std::move(row);
    } else if (cache_.note_event(key) && encoded->hot.size() < kHotRowsMax) {
      encoded->hot.push_back(key);
    }
    encoded->bytes += bytes;
    record.size = bytes.size();
    encoded->records.push_back(record);
    encoded->updates.push_back(std::move(update));
  });
}

void WindowWriter::add_rows(std::vector<Encoded>& shards, storage::WriteBatch* batch) {
  std::vector<Record> records;
  // The cache is told in this order too: of an erased row first that it is gone, then what came since.
  window_->erased.for_each([&](std::string_view key) { updates_.push_back({key, RowCache::RowPtr()}); });
  for (Encoded& shard : shards) {
    records.insert(records.end(), shard.records.begin(), shard.records.end());
    std::move(shard.updates.begin(), shard.updates.end(), std::back_inserter(updates_));
    const std::size_t hot = std::min(shard.hot.size(), kHotRowsMax - hot_.size());
    hot_.insert(hot_.end(), shard.hot.begin(), shard.hot.begin() + static_cast<std::ptrdiff_t>(hot));
  }
  // Ascending keys are inserted several times faster than any others.
  std::sort(records.begin(), records.end(), [](const Record& a, const Record& b) { return a.key < b.key; });
  for (const Record& record : records) {
    const std::string_view value = std::string_view(shards[record.shard].bytes).substr(record.begin, record.size);
    if (record.whole) {
      batch->put(Family::kState, record.key, value);
    } else {
      batch->merge(Family::kState, record.key, value);
    }
  }
}

void WindowWriter::add_the_rest(const PendingWindow& window, storage::WriteBatch* batch) const {
  // The number of events applied names the window: it grows with every one that adds event ids.
  put_event_ids(window.event_ids, window.counters.applied, batch);
  for (const auto& [key, position] : window.positions) {
    batch->put(Family::kMeta, position_key(key.first, key.second), encode_position(position));
  }
  batch->put(Family::kMeta, kCountersKey, window.counters.encode());
  for (const ErasedUsers::Record& mark : window.marks) batch->put(Family::kMeta, mark.key, mark.value);
}

void WindowWriter::advance(std::uint64_t epoch) {
  cache_.advance(epoch, updates_);
  updates_.clear();
  window_.reset();
}

void WindowWriter::bring_hot_rows(const ReadVersion& version, const std::function<bool()>& go_on) {
  const auto load = [&](std::string_view key) -> Result<RowCache::RowPtr> {
    CAIRN_ASSIGN_OR_RETURN(const auto bytes, store_.get_at(*version.stored, Family::kState, key));
    if (!bytes) return RowCache::RowPtr();
    auto row = std::make_shared<features::Row>();
    CAIRN_RETURN_IF_ERROR(features::decode_row(*bytes, row.get()));
    return RowCache::RowPtr(std::move(row));
  };
  for (const std::string& key : hot_) {
    if (!go_on()) break;
    cache_.bring(key, version.epoch, load);
  }
  hot_.clear();
}

}  // namespace cairn::state

#include "engine/state/window.h"

namespace cairn::state {

using features::DeltaRow;

void Window::add(std::string_view key, std::uint64_t hash, std::span<const features::Change> changes) {
  Shard& shard = shards_[shard_of(hash)];
  const auto known = shard.keys.find(key, hash);
  std::size_t grown = 0;
  if (!known) {
    // The row stands there before its key can be found.
    grown += shard.rows.make_room(shard.keys.size());
    shard.keys.add(key, hash);
  }
  Row& row = shard.rows[known ? *known : shard.keys.size() - 1];
  {
    const SpinLock lock(row.mutex);
    const std::size_t before = row.changes.memory_bytes();
    for (const features::Change& change : changes) row.changes.add(change);
    grown += row.changes.memory_bytes() - before;
  }
  // One writer: a plain addition, published.
  if (grown > 0) shard.bytes.store(shard.bytes.load(std::memory_order_relaxed) + grown, std::memory_order_relaxed);
}

void Window::clear(std::string_view key, std::uint64_t hash) {
  Shard& shard = shards_[shard_of(hash)];
  const auto known = shard.keys.find(key, hash);
  if (!known) return;
  Row& row = shard.rows[*known];
  const SpinLock lock(row.mutex);
  shard.bytes.store(shard.bytes.load(std::memory_order_relaxed) - row.changes.memory_bytes(),
                    std::memory_order_relaxed);
  row.changes = {};
}

bool Window::copy(std::string_view key, std::uint64_t hash, std::vector<DeltaRow::Flat>* changes) const {
  const Shard& shard = shards_[shard_of(hash)];
  const auto number = shard.keys.find(key, hash);
  if (!number) return false;
  const Row& row = shard.rows[*number];
  // Memory is taken outside of the lock; a row that has outgrown it meanwhile is asked again.
  for (std::size_t room = 32;; room *= 2) {
    changes->reserve(changes->size() + room);
    const SpinLock lock(row.mutex);
    const std::vector<DeltaRow::Flat>& entries = row.changes.entries();
    if (entries.size() > changes->capacity() - changes->size()) {
      room = entries.size();
      continue;
    }
    changes->insert(changes->end(), entries.begin(), entries.end());
    return !entries.empty();
  }
}

std::size_t Window::rows() const noexcept {
  std::size_t rows = 0;
  for (const Shard& shard : shards_) rows += shard.keys.size();
  return rows;
}

std::size_t Window::memory_bytes() const noexcept {
  std::size_t bytes = 0;
  for (const Shard& shard : shards_) bytes += shard.bytes.load(std::memory_order_relaxed) + shard.keys.memory_bytes();
  return bytes;
}

void Window::for_each(std::size_t shard, const std::function<void(std::string_view, const DeltaRow&)>& visit) const {
  const Shard& all = shards_[shard];
  for (std::uint32_t number = 0; number < all.keys.size(); ++number) {
    const Row& row = all.rows[number];
    const SpinLock lock(row.mutex);  // for the analysis: nobody else is here
    visit(all.keys.name(number), row.changes);
  }
}

}  // namespace cairn::state

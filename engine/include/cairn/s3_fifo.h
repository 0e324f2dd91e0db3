#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "cairn/hash_index.h"
#include "cairn/prefetch.h"

namespace cairn {

/// A bounded map that keeps what is used again: S3-FIFO (Yang et al., "FIFO queues are all you need for cache
/// eviction", SOSP 2023). What is new waits in a small queue, a tenth of the room; what was used meanwhile moves on to
/// the main queue, the rest leaves and is remembered by its hash for a while. What comes back while it is remembered
/// goes to the main queue at once. There, what was used goes round once more for each use, up to three.
///
/// A use only counts one up, so that many threads can look things up at once.
///
/// Threads: find() at the same time as find(); all else alone.
template <class Value>
class S3Fifo {
 public:
  /// `evicted` is told of what leaves for want of room.
  using Evicted = std::function<void(const std::string& key, Value& value)>;

  explicit S3Fifo(std::size_t bytes_max, Evicted evicted = {})
      : bytes_max_(bytes_max), small_max_(bytes_max / 10), evicted_(std::move(evicted)) {}

  /// What to ask for by, for a caller who wants the hash of a key for more than this.
  [[nodiscard]] static std::size_t hash(std::string_view key) noexcept { return std::hash<std::string_view>{}(key); }

  /// Returns: null when it is not here. Valid until the next change.
  [[nodiscard]] const Value* find(std::string_view key) const { return find(key, hash(key)); }
  [[nodiscard]] const Value* find(std::string_view key, std::size_t hash) const {
    const auto* const found = by_hash_.find(hash, has(key));
    if (found == nullptr) return nullptr;
    const Item& item = **found;
    // Two that count at once may count one: it is a hint.
    const std::uint8_t uses = item.uses.load(std::memory_order_relaxed);
    if (uses < kUsesMax) item.uses.store(uses + 1, std::memory_order_relaxed);
    return &item.value;
  }

  /// As find(), without counting as a use.
  [[nodiscard]] const Value* peek(std::string_view key) const { return peek(key, hash(key)); }
  [[nodiscard]] const Value* peek(std::string_view key, std::size_t hash) const {
    const auto* const found = by_hash_.find(hash, has(key));
    return found == nullptr ? nullptr : &(*found)->value;
  }

  /// Who looks for many waits less who asks for all slots first, and then for all items. Threads: as find().
  void prefetch_slot(std::size_t hash) const noexcept { by_hash_.prefetch(hash); }
  void prefetch_item(std::size_t hash) const {
    by_hash_.likely(hash, [](const auto& item) {
      cairn::prefetch(&item->key);
      cairn::prefetch(&item->value);
    });
  }

  /// Puts a value in the place of the one there is. `bytes`: all that it takes. What is new and takes more than a
  /// quarter of the room is not kept.
  /// Returns: whether it is kept.
  bool put(std::string_view key, Value value, std::size_t bytes) {
    const std::size_t hash = S3Fifo::hash(key);
    if (const auto* const found = by_hash_.find(hash, has(key))) {
      Item& item = **found;
      queue_of(item).bytes += bytes - item.bytes;
      item.value = std::move(value);
      item.bytes = bytes;
      make_room();
      return true;
    }
    if (bytes > bytes_max_ / 4) return false;
    const bool remembered = forget_ghost(hash);
    Queue& queue = remembered ? main_ : small_;
    queue.items.emplace_front(std::string(key), std::move(value), bytes, remembered);
    queue.bytes += bytes;
    by_hash_.insert(hash, queue.items.begin());
    make_room();
    return true;
  }

  /// Notes that a value takes so many bytes by now. Room for them is made by the next put().
  void resize(std::string_view key, std::size_t bytes) {
    const auto* const found = by_hash_.find(hash(key), has(key));
    if (found == nullptr) return;
    Item& item = **found;
    queue_of(item).bytes += bytes - item.bytes;
    item.bytes = bytes;
  }

  /// Returns: whether it was here.
  bool erase(std::string_view key) {
    const auto item = by_hash_.erase(hash(key), has(key));
    if (item) remove(*item);
    return item.has_value();
  }

  [[nodiscard]] std::size_t bytes() const noexcept { return small_.bytes + main_.bytes; }
  [[nodiscard]] std::size_t size() const noexcept { return by_hash_.size(); }
  [[nodiscard]] std::uint64_t evictions() const noexcept { return evictions_; }

 private:
  static constexpr std::uint8_t kUsesMax = 3;

  struct Item {
    Item(std::string k, Value v, std::size_t b, bool is_main)
        : key(std::move(k)), value(std::move(v)), bytes(b), in_main(is_main) {}
    const std::string key;
    Value value;
    std::size_t bytes;
    bool in_main;
    mutable std::atomic<std::uint8_t> uses{0};
  };
  /// The newest first.
  struct Queue {
    std::list<Item> items;
    std::size_t bytes = 0;
  };

  using Handle = typename std::list<Item>::iterator;

  static auto has(std::string_view key) {
    return [key](const Handle& item) { return item->key == key; };
  }

  [[nodiscard]] Queue& queue_of(const Item& item) { return item.in_main ? main_ : small_; }

  void remove(Handle item) {
    Queue& queue = queue_of(*item);
    queue.bytes -= item->bytes;
    queue.items.erase(item);
  }

  void make_room() {
    while (bytes() > bytes_max_) {
      if (small_.bytes > small_max_ || main_.items.empty()) {
        shorten_small();
      } else {
        shorten_main();
      }
    }
  }

  void shorten_small() {
    const auto oldest = std::prev(small_.items.end());
    if (oldest->uses.load(std::memory_order_relaxed) > 0) {
      small_.bytes -= oldest->bytes;
      main_.bytes += oldest->bytes;
      oldest->in_main = true;
      oldest->uses.store(0, std::memory_order_relaxed);
      main_.items.splice(main_.items.begin(), small_.items, oldest);
      return;
    }
    remember(hash(oldest->key));
    evict(oldest);
  }

  void shorten_main() {
    const auto oldest = std::prev(main_.items.end());
    const std::uint8_t uses = oldest->uses.load(std::memory_order_relaxed);
    if (uses == 0) return evict(oldest);
    oldest->uses.store(uses - 1, std::memory_order_relaxed);
    main_.items.splice(main_.items.begin(), main_.items, oldest);
  }

  void evict(Handle item) {
    by_hash_.erase(hash(item->key), [item](const Handle& one) { return one == item; });
    if (evicted_) evicted_(item->key, item->value);
    remove(item);
    ++evictions_;
  }

  /// As many are remembered as there are in the main queue.
  void remember(std::size_t hash) {
    if (ghosts_.insert(hash).second) ghost_order_.push_back(hash);
    while (ghost_order_.size() > std::max<std::size_t>(main_.items.size(), 16)) {
      ghosts_.erase(ghost_order_.front());
      ghost_order_.pop_front();
    }
  }
  bool forget_ghost(std::size_t hash) { return ghosts_.erase(hash) > 0; }

  const std::size_t bytes_max_;
  const std::size_t small_max_;
  const Evicted evicted_;
  Queue small_;
  Queue main_;
  HashIndex<Handle> by_hash_;
  std::unordered_set<std::size_t> ghosts_;
  std::deque<std::size_t> ghost_order_;  ///< some of which have come back
  std::uint64_t evictions_ = 0;
};

}  // namespace cairn

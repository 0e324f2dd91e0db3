#pragma once

#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "cairn/prefetch.h"

namespace cairn {

/// Handles of things that lie elsewhere, by the hashes of their keys: a table of slots side by side, at most three
/// quarters full, searched from where the hash says on (linear probing; on erasure those behind move up). A look-up
/// waits for one slot and for the thing itself, and both can be asked for ahead.
///
/// A hash is of 64 bits, and those below bit 20 may be the same for all that is here. Whether a thing has the key that
/// is looked for is said by the caller: `is(handle)`.
///
/// Threads: find() and the prefetches at the same time; all else alone.
template <class Handle>
class HashIndex {
 public:
  /// Returns: null when it is not here. Valid until the next change.
  template <class Is>
  [[nodiscard]] const Handle* find(std::size_t hash, const Is& is) const {
    const std::size_t at = place_of(hash, is);
    return at == kNowhere ? nullptr : &slots_[at].handle;
  }

  /// Requires: it is not here.
  void insert(std::size_t hash, Handle handle) {
    if ((size_ + 1) * 4 > slots_.size() * 3) grow();
    put({marked(hash), std::move(handle)});
    ++size_;
  }

  /// Returns: what was here; nothing when it was not.
  template <class Is>
  std::optional<Handle> erase(std::size_t hash, const Is& is) {
    std::size_t hole = place_of(hash, is);
    if (hole == kNowhere) return std::nullopt;
    std::optional<Handle> erased = std::move(slots_[hole].handle);
    // What follows moves up unless it would come to stand before where its search begins.
    for (std::size_t next = after(hole); slots_[next].mark != 0; next = after(next)) {
      const std::size_t home = home_of(slots_[next].mark);
      if (((next - home) & mask()) < ((next - hole) & mask())) continue;
      slots_[hole] = std::move(slots_[next]);
      hole = next;
    }
    slots_[hole] = {};
    --size_;
    return erased;
  }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// Asks for the slot where a search for this hash begins.
  void prefetch(std::size_t hash) const noexcept {
    if (!slots_.empty()) cairn::prefetch(&slots_[home_of(hash)]);
  }
  /// Calls `with` with the handle that find() will most likely ask about first. It waits for the slot.
  template <class With>
  void likely(std::size_t hash, const With& with) const {
    if (slots_.empty()) return;
    for (std::size_t at = home_of(hash); slots_[at].mark != 0; at = after(at)) {
      if (slots_[at].mark == marked(hash)) return with(slots_[at].handle);
    }
  }

 private:
  static constexpr std::size_t kNowhere = ~std::size_t{0};
  static constexpr std::size_t kSlotsFirst = 16;
  static constexpr std::size_t kUsed = std::size_t{1} << 63;

  struct Slot {
    std::size_t mark = 0;  ///< the hash, marked; 0: empty
    Handle handle{};
  };

  [[nodiscard]] static std::size_t marked(std::size_t hash) noexcept { return hash | kUsed; }
  [[nodiscard]] std::size_t mask() const noexcept { return slots_.size() - 1; }
  [[nodiscard]] std::size_t home_of(std::size_t hash) const noexcept { return (hash >> 20) & mask(); }
  [[nodiscard]] std::size_t after(std::size_t at) const noexcept { return (at + 1) & mask(); }

  template <class Is>
  [[nodiscard]] std::size_t place_of(std::size_t hash, const Is& is) const {
    if (slots_.empty()) return kNowhere;
    for (std::size_t at = home_of(hash); slots_[at].mark != 0; at = after(at)) {
      if (slots_[at].mark == marked(hash) && is(slots_[at].handle)) return at;
    }
    return kNowhere;
  }

  void put(Slot slot) {
    std::size_t at = home_of(slot.mark);
    while (slots_[at].mark != 0) at = after(at);
    slots_[at] = std::move(slot);
  }

  void grow() {
    std::vector<Slot> before(slots_.empty() ? kSlotsFirst : 2 * slots_.size());
    before.swap(slots_);
    for (Slot& slot : before) {
      if (slot.mark != 0) put(std::move(slot));
    }
  }

  std::vector<Slot> slots_;  ///< a power of two of them, or none
  std::size_t size_ = 0;
};

}  // namespace cairn

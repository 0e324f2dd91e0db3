#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace cairn::features {

/// 128 bits that stand for an event id: among a billion ids the chance that two are alike is below 10^-20.
struct EventFingerprint {
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  friend bool operator==(const EventFingerprint&, const EventFingerprint&) = default;
};

/// FNV-1a, 128 bits (RFC 9923).
[[nodiscard]] EventFingerprint fingerprint(std::string_view event_id) noexcept;

/// Which event ids came before: the rule by which repeats are left out, wherever they are.
///
/// Ids are remembered by the order in which they arrive, whatever times their events have. They fall into generations
/// of a fixed number of ids; an id is remembered until the generation after its own is full. So a repeat is recognised
/// when at most so many new ids came between, and perhaps when up to twice as many did; memory and disk are bounded by
/// two generations. A repeat is not remembered anew.
///
/// A store that keeps the ids elsewhere need not bring all of them back: restore() those that will be asked for, then
/// resume().
///
/// One thread at a time.
class EventIdMemory {
 public:
  /// Where the order of arrival stands.
  struct Newest {
    std::uint64_t generation = 0;
    std::uint64_t ids = 0;  ///< that have come in it

    friend bool operator==(const Newest&, const Newest&) = default;
  };

  /// Ids in a generation, so that two hold `dedup_ids` (see DecodeOptions); at least 1.
  [[nodiscard]] static constexpr std::uint64_t generation_size(std::uint64_t dedup_ids) noexcept {
    return dedup_ids < 2 ? 1 : dedup_ids / 2;
  }

  /// Requires: generation_ids > 0.
  explicit EventIdMemory(std::uint64_t generation_ids) : generation_ids_(generation_ids) {}

  /// Asks for the memory that add() will look at.
  void prefetch(const EventFingerprint& id) const noexcept;

  /// Remembers the id. Returns: the generation that it is in now; nullopt: it was here before, its event is a repeat.
  std::optional<std::uint64_t> add(const EventFingerprint& id);

  /// Remembers an id that add() had put into `generation`. Generations must come ascending.
  void restore(std::uint64_t generation, const EventFingerprint& id);

  /// Goes on from `newest`, which newest() had given. Ids of it that were not restored are counted, and are not known.
  /// Requires: what was restored is not newer.
  void resume(const Newest& newest);

  [[nodiscard]] Newest newest() const noexcept { return {newest_, newest_ids_}; }
  /// The oldest generation that is still remembered.
  [[nodiscard]] std::uint64_t oldest_generation() const noexcept { return newest_ == 0 ? 0 : newest_ - 1; }
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return sets_[0].memory_bytes() + sets_[1].memory_bytes(); }

 private:
  /// Open addressing, at most three quarters full.
  class Set {
   public:
    void prefetch(const EventFingerprint& id) const noexcept;
    [[nodiscard]] bool contains(const EventFingerprint& id) const noexcept;
    void insert(const EventFingerprint& id);
    void clear() noexcept;
    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
    [[nodiscard]] std::size_t memory_bytes() const noexcept { return slots_.capacity() * sizeof(EventFingerprint); }

   private:
    [[nodiscard]] std::size_t slot_of(const EventFingerprint& id) const noexcept;
    void grow();

    std::vector<EventFingerprint> slots_;  ///< all zero: empty
    std::uint64_t size_ = 0;
  };

  [[nodiscard]] Set& set_of(std::uint64_t generation) noexcept { return sets_[generation % 2]; }
  void begin_generation(std::uint64_t generation);
  void advance_to(std::uint64_t generation);

  std::uint64_t generation_ids_;
  std::array<Set, 2> sets_;  ///< of the newest generation and the one before
  std::uint64_t newest_ = 0;
  std::uint64_t newest_ids_ = 0;  ///< those that resume() counted are not in the set
};

}  // namespace cairn::features

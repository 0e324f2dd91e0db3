#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "cairn/interaction.h"

namespace cairn::features {

/// 128 bits that stand for an event id: among a billion ids the chance that two are alike is below 10^-20.
struct EventFingerprint {
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  friend bool operator==(const EventFingerprint&, const EventFingerprint&) = default;
};

/// FNV-1a, 128 bits (RFC 9923).
[[nodiscard]] EventFingerprint fingerprint(std::string_view event_id) noexcept;

/// What stands for the retraction of the event with this fingerprint, among the fingerprints of ids.
[[nodiscard]] constexpr EventFingerprint retraction_of(const EventFingerprint& event) noexcept {
  // Any bijection without the empty slot among its results, whose results are no ids of anybody: FNV of another text
  // that happens to be this is as unlikely as any other clash.
  const EventFingerprint print{event.high ^ 0x9E3779B97F4A7C15u, event.low ^ 0xC2B2AE3D27D4EB4Fu};
  return print.high == 0 && print.low == 0 ? EventFingerprint{0, 2} : print;
}

/// The same for a retraction that says something else than the first one under its id did.
[[nodiscard]] constexpr EventFingerprint retraction_of(const EventFingerprint& event, std::uint32_t contents) noexcept {
  const EventFingerprint first = retraction_of(event);
  const std::uint64_t spread = (std::uint64_t{contents} | std::uint64_t{contents} << 32) * 0x9FB21C651E98DF25u;
  const EventFingerprint print{first.high ^ spread, first.low ^ (spread << 7 | spread >> 57)};
  return print.high == 0 && print.low == 0 ? EventFingerprint{0, 3} : print;
}

/// 32 bits of what an event says: user, place, type, time in milliseconds, value and position. Never 0. An event and
/// its retraction have the same. They are stored, so how they are computed stays.
[[nodiscard]] std::uint32_t contents_print(const Interaction& event) noexcept;

/// What is kept beside a remembered id.
struct EventNote {
  std::uint32_t contents = 0;  ///< contents_print(); 0: not known
  std::uint32_t moment = 0;    ///< when it was applied, in the owner's count of moments; 0: not known

  friend bool operator==(const EventNote&, const EventNote&) = default;
};

/// An id as it is remembered.
struct RememberedId {
  EventFingerprint print;
  EventNote note;
};

/// Whether the two may be of one event, as far as their contents are known.
[[nodiscard]] constexpr bool may_be_alike(const EventNote& a, const EventNote& b) noexcept {
  return a.contents == b.contents || a.contents == 0 || b.contents == 0;
}

/// Whether the note may be of what this event says, or this retraction.
[[nodiscard]] bool may_be_of(const EventNote& note, const Interaction& event) noexcept;

/// What is to be done with an event, or with a retraction, that has an id.
enum class EventFate : std::uint8_t {
  kApply,     ///< an event that is new
  kRepeat,    ///< an event or a retraction that came before: leave it out
  kWithhold,  ///< an event whose retraction, which says the same, came before it: leave it out
  kUndo,      ///< a retraction of an event that was applied: take that one out
  kMismatch,  ///< a retraction that says something else than the event that was applied: refuse it
  kUnmatched  ///< a retraction of an event that is not remembered: it may be yet to come
};

/// Which event ids came before: the rule by which repeats are left out, wherever they are.
///
/// Ids are remembered by the order in which they arrive, whatever times their events have. They fall into generations
/// of a fixed number of ids; an id is remembered until the generation after its own is full. So a repeat is recognised
/// when at most so many new ids came between, and perhaps when up to twice as many did; memory and disk are bounded by
/// two generations. A repeat is not remembered anew.
///
/// A retraction takes a place among the ids, and so is remembered as long as they are. It is of the event that says the
/// same, and of no other that has the id. So the order in which an event and any retractions come does not matter, nor
/// how often, as long as they are remembered: the event counts not when one of them is of it, and counts otherwise. One
/// that comes after an event that says something else is refused and not remembered.
///
/// The first retraction of an id stands under one fingerprint, and each that says something else under one of its own.
/// Only where the first is remembered are events compared with others, so that events pay for one look.
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
  std::optional<std::uint64_t> add(const EventFingerprint& id, const EventNote& note = {});

  [[nodiscard]] bool contains(const EventFingerprint& id) const noexcept {
    return sets_[0].contains(id) || sets_[1].contains(id);
  }
  /// What is kept beside an id. Returns: nullopt: it is not remembered.
  [[nodiscard]] std::optional<EventNote> find(const EventFingerprint& id) const noexcept;

  /// Whether a retraction is remembered that says what an event with this note says, as far as both are known.
  [[nodiscard]] bool retracted(const EventFingerprint& event, const EventNote& note) const noexcept;

  /// Decides about an event, or about a retraction of it, and remembers it. `event`: the fingerprint of its id; `note`:
  /// what it says itself.
  struct Judgement {
    EventFate fate = EventFate::kRepeat;
    EventFingerprint remembered = {};  ///< what was added; meaningless for kRepeat and kMismatch
    std::uint64_t generation = 0;      ///< that it is in
    EventNote counted;                 ///< of kUndo: what is kept beside the event
  };
  Judgement judge(const EventFingerprint& event, bool retracts, const EventNote& note = {});

  /// Whether retractions may be remembered: without any, events are not looked up twice.
  [[nodiscard]] bool has_retractions() const noexcept { return retracted_in_ && *retracted_in_ >= oldest_generation(); }
  /// The newest generation with a retraction in it; nullopt: there was none. To be given to retracted_in() where ids
  /// are restored.
  [[nodiscard]] std::optional<std::uint64_t> retracted_in() const noexcept { return retracted_in_; }
  void retracted_in(std::optional<std::uint64_t> generation) noexcept { retracted_in_ = generation; }

  /// Remembers an id that add() had put into `generation`. Generations must come ascending.
  void restore(std::uint64_t generation, const EventFingerprint& id, const EventNote& note = {});

  /// Goes on from `newest`, which newest() had given. Ids of it that were not restored are counted, and are not known.
  /// Requires: what was restored is not newer.
  void resume(const Newest& newest);

  [[nodiscard]] Newest newest() const noexcept { return {newest_, newest_ids_}; }
  /// The oldest generation that is still remembered.
  [[nodiscard]] std::uint64_t oldest_generation() const noexcept { return newest_ == 0 ? 0 : newest_ - 1; }
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return sets_[0].memory_bytes() + sets_[1].memory_bytes(); }

 private:
  Judgement judge_event(const EventFingerprint& event, const EventNote& note);
  Judgement judge_retraction(const EventFingerprint& event, const EventNote& note);

  /// Open addressing, at most three quarters full.
  class Set {
   public:
    void prefetch(const EventFingerprint& id) const noexcept;
    [[nodiscard]] bool contains(const EventFingerprint& id) const noexcept { return find(id) != nullptr; }
    [[nodiscard]] const RememberedId* find(const EventFingerprint& id) const noexcept;
    void insert(const EventFingerprint& id, const EventNote& note);
    void clear() noexcept;
    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
    [[nodiscard]] std::size_t memory_bytes() const noexcept { return slots_.capacity() * sizeof(RememberedId); }

   private:
    [[nodiscard]] std::size_t slot_of(const EventFingerprint& id) const noexcept;
    void grow();

    std::vector<RememberedId> slots_;  ///< a print of all zero: empty
    std::uint64_t size_ = 0;
  };

  [[nodiscard]] Set& set_of(std::uint64_t generation) noexcept { return sets_[generation % 2]; }
  void begin_generation(std::uint64_t generation);
  void advance_to(std::uint64_t generation);

  std::uint64_t generation_ids_;
  std::array<Set, 2> sets_;  ///< of the newest generation and the one before
  std::uint64_t newest_ = 0;
  std::uint64_t newest_ids_ = 0;  ///< those that resume() counted are not in the set
  std::optional<std::uint64_t> retracted_in_;
};

}  // namespace cairn::features

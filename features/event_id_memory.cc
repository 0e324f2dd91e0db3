#include "features/event_id_memory.h"

#include <bit>
#include <cstring>
#include <utility>

#include "cairn/check.h"
#include "cairn/prefetch.h"

namespace cairn::features {
namespace {

constexpr std::size_t kSlotsFirst = 1024;
constexpr EventFingerprint kEmpty{};

/// Folds a product of 128 bits: every bit of either word reaches every bit of the result (as wyhash does).
std::uint64_t mix(std::uint64_t a, std::uint64_t b) noexcept {
  const unsigned __int128 product = static_cast<unsigned __int128>(a ^ 0x9E3779B97F4A7C15u) * (b ^ 0xC2B2AE3D27D4EB4Fu);
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

std::uint64_t mix_text(std::uint64_t hash, std::string_view text) noexcept {
  hash = mix(hash, text.size());
  for (; text.size() >= 8; text.remove_prefix(8)) {
    std::uint64_t word;
    std::memcpy(&word, text.data(), 8);
    hash = mix(hash, word);
  }
  std::uint64_t rest = 0;
  if (!text.empty()) std::memcpy(&rest, text.data(), text.size());
  return mix(hash, rest);
}

std::uint64_t mix_number(std::uint64_t hash, double number) noexcept {
  return mix(hash, std::bit_cast<std::uint64_t>(number + 0.0));  // of both zeros one
}

}  // namespace

EventFingerprint fingerprint(std::string_view event_id) noexcept {
  using Wide = unsigned __int128;
  constexpr Wide kPrime = (static_cast<Wide>(1) << 88) | 0x13B;
  Wide hash = (static_cast<Wide>(0x6c62272e07bb0142ULL) << 64) | 0x62b821756295c58dULL;
  for (const char byte : event_id) {
    hash ^= static_cast<std::uint8_t>(byte);
    hash *= kPrime;
  }
  const EventFingerprint print{static_cast<std::uint64_t>(hash >> 64), static_cast<std::uint64_t>(hash)};
  // A free slot is all zero.
  return print == kEmpty ? EventFingerprint{0, 1} : print;
}

std::uint32_t contents_print(const Interaction& event) noexcept {
  std::uint64_t hash = mix_text(event.type.value, event.user.str());
  hash = mix_text(hash, event.place.str());
  hash = mix(hash, static_cast<std::uint64_t>(to_ms(event.time)));
  hash = event.value ? mix_number(hash, *event.value) : mix(hash, 1);
  if (event.position) hash = mix_number(mix_number(hash, event.position->lat), event.position->lon);
  const auto print = static_cast<std::uint32_t>(hash ^ (hash >> 32));
  return print == 0 ? 1 : print;
}

bool may_be_of(const EventNote& note, const Interaction& event) noexcept {
  return may_be_alike(note, {contents_print(event), 0});
}

void EventIdMemory::prefetch(const EventFingerprint& id) const noexcept {
  for (const Set& set : sets_) set.prefetch(id);
}

std::optional<std::uint64_t> EventIdMemory::add(const EventFingerprint& id, const EventNote& note) {
  if (sets_[0].contains(id) || sets_[1].contains(id)) return std::nullopt;
  if (newest_ids_ >= generation_ids_) begin_generation(newest_ + 1);
  set_of(newest_).insert(id, note);
  ++newest_ids_;
  return newest_;
}

std::optional<EventNote> EventIdMemory::find(const EventFingerprint& id) const noexcept {
  for (const Set& set : sets_) {
    if (const RememberedId* const found = set.find(id)) return found->note;
  }
  return std::nullopt;
}

bool EventIdMemory::retracted(const EventFingerprint& event, const EventNote& note) const noexcept {
  const auto first = find(retraction_of(event));
  return (first && may_be_alike(*first, note)) || contains(retraction_of(event, note.contents));
}

EventIdMemory::Judgement EventIdMemory::judge(const EventFingerprint& event, bool retracts, const EventNote& note) {
  return retracts ? judge_retraction(event, note) : judge_event(event, note);
}

EventIdMemory::Judgement EventIdMemory::judge_event(const EventFingerprint& event, const EventNote& note) {
  Judgement judgement{.remembered = event};
  // Asked before the event is added: that may begin a generation, and forget the oldest.
  const bool withheld = has_retractions() && contains(retraction_of(event)) && retracted(event, note);
  const auto generation = add(event, note);
  if (!generation) return judgement;
  judgement.generation = *generation;
  judgement.fate = withheld ? EventFate::kWithhold : EventFate::kApply;
  return judgement;
}

EventIdMemory::Judgement EventIdMemory::judge_retraction(const EventFingerprint& event, const EventNote& note) {
  const EventFingerprint first = retraction_of(event);
  Judgement judgement{.remembered = contains(first) ? retraction_of(event, note.contents) : first};
  const auto came = find(event);
  if (came && !may_be_alike(*came, note)) {
    judgement.fate = EventFate::kMismatch;
    return judgement;
  }
  // An event whose contents are not known is taken out once, whatever its retractions say.
  if (retracted(event, came.value_or(note))) return judgement;
  judgement.counted = came.value_or(EventNote{});
  const auto generation = add(judgement.remembered, note);
  if (!generation) return judgement;
  judgement.generation = *generation;
  retracted_in_ = generation;
  judgement.fate = came ? EventFate::kUndo : EventFate::kUnmatched;
  return judgement;
}

void EventIdMemory::restore(std::uint64_t generation, const EventFingerprint& id, const EventNote& note) {
  CAIRN_CHECK(generation >= oldest_generation());
  advance_to(generation);
  set_of(generation).insert(id, note);
  newest_ids_ = set_of(newest_).size();
}

void EventIdMemory::resume(const Newest& newest) {
  CAIRN_CHECK(newest.generation >= newest_);
  advance_to(newest.generation);
  newest_ids_ = newest.ids;
}

void EventIdMemory::advance_to(std::uint64_t generation) {
  while (newest_ < generation) begin_generation(newest_ + 1 < generation ? generation - 1 : generation);
}

void EventIdMemory::begin_generation(std::uint64_t generation) {
  newest_ = generation;
  newest_ids_ = 0;
  set_of(generation).clear();  // of the generation before the last
}

void EventIdMemory::Set::prefetch(const EventFingerprint& id) const noexcept {
  if (slots_.empty()) return;
  const RememberedId* const slot = &slots_[id.low & (slots_.size() - 1)];
  cairn::prefetch(slot);
  cairn::prefetch(reinterpret_cast<const char*>(slot + 1) - 1);  // one slot in four lies on two lines
}

std::size_t EventIdMemory::Set::slot_of(const EventFingerprint& id) const noexcept {
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = id.low & mask;
  while (!(slots_[at].print == kEmpty) && !(slots_[at].print == id)) at = (at + 1) & mask;
  return at;
}

const RememberedId* EventIdMemory::Set::find(const EventFingerprint& id) const noexcept {
  if (slots_.empty()) return nullptr;
  const RememberedId& slot = slots_[slot_of(id)];
  return slot.print == id ? &slot : nullptr;
}

void EventIdMemory::Set::insert(const EventFingerprint& id, const EventNote& note) {
  if ((size_ + 1) * 4 > slots_.size() * 3) grow();
  RememberedId& slot = slots_[slot_of(id)];
  if (slot.print == kEmpty) ++size_;
  slot = {id, note};
}

void EventIdMemory::Set::grow() {
  const std::vector<RememberedId> old = std::exchange(slots_, {});
  slots_.resize(old.empty() ? kSlotsFirst : 2 * old.size());
  for (const RememberedId& id : old) {
    if (!(id.print == kEmpty)) slots_[slot_of(id.print)] = id;
  }
}

void EventIdMemory::Set::clear() noexcept {
  slots_ = {};
  size_ = 0;
}

}  // namespace cairn::features

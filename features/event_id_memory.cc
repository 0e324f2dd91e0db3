#include "features/event_id_memory.h"

#include <utility>

#include "cairn/check.h"

namespace cairn::features {
namespace {

constexpr std::size_t kSlotsFirst = 1024;
constexpr EventFingerprint kEmpty{};

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

void EventIdMemory::prefetch(const EventFingerprint& id) const noexcept {
  for (const Set& set : sets_) set.prefetch(id);
}

std::optional<std::uint64_t> EventIdMemory::add(const EventFingerprint& id) {
  if (sets_[0].contains(id) || sets_[1].contains(id)) return std::nullopt;
  if (newest_ids_ >= generation_ids_) begin_generation(newest_ + 1);
  set_of(newest_).insert(id);
  ++newest_ids_;
  return newest_;
}

EventIdMemory::Judgement EventIdMemory::judge(const EventFingerprint& event, bool retracts) {
  const EventFingerprint retraction = retraction_of(event);
  Judgement judgement;
  judgement.remembered = retracts ? retraction : event;
  // Asked before anything is added: that may begin a generation, and forget the oldest.
  const bool other_came = retracts ? contains(event) : has_retractions() && contains(retraction);
  const auto generation = add(judgement.remembered);
  if (!generation) return judgement;
  judgement.generation = *generation;
  if (retracts) {
    retracted_in_ = generation;
    judgement.fate = other_came ? EventFate::kUndo : EventFate::kUnmatched;
  } else {
    judgement.fate = other_came ? EventFate::kWithhold : EventFate::kApply;
  }
  return judgement;
}

void EventIdMemory::restore(std::uint64_t generation, const EventFingerprint& id) {
  CAIRN_CHECK(generation >= oldest_generation());
  advance_to(generation);
  set_of(generation).insert(id);
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
  if (!slots_.empty()) __builtin_prefetch(&slots_[id.low & (slots_.size() - 1)]);
}

std::size_t EventIdMemory::Set::slot_of(const EventFingerprint& id) const noexcept {
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = id.low & mask;
  while (!(slots_[at] == kEmpty) && !(slots_[at] == id)) at = (at + 1) & mask;
  return at;
}

bool EventIdMemory::Set::contains(const EventFingerprint& id) const noexcept {
  return !slots_.empty() && slots_[slot_of(id)] == id;
}

void EventIdMemory::Set::insert(const EventFingerprint& id) {
  if ((size_ + 1) * 4 > slots_.size() * 3) grow();
  EventFingerprint& slot = slots_[slot_of(id)];
  if (slot == kEmpty) ++size_;
  slot = id;
}

void EventIdMemory::Set::grow() {
  const std::vector<EventFingerprint> old = std::exchange(slots_, {});
  slots_.resize(old.empty() ? kSlotsFirst : 2 * old.size());
  for (const EventFingerprint& id : old) {
    if (!(id == kEmpty)) slots_[slot_of(id)] = id;
  }
}

void EventIdMemory::Set::clear() noexcept {
  slots_ = {};
  size_ = 0;
}

}  // namespace cairn::features

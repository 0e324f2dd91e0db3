#include "engine/state/event_ids.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <numeric>
#include <string>
#include <unordered_map>
#include <utility>

#include "cairn/kill_point.h"
#include "engine/state/bytes.h"
#include "engine/state/keys.h"
#include "engine/state/parallel.h"

namespace cairn::state {

using features::EventFingerprint;
using features::EventNote;
using features::RememberedId;
using storage::Family;

namespace {

constexpr std::size_t kPrefetchAhead = 16;

/// A record of ids with notes begins with a byte, so its length is odd. Releases without notes wrote prints alone.
constexpr std::uint8_t kWithNotes = 1;
constexpr std::size_t kPrintBytes = 16;
constexpr std::size_t kNotedBytes = 24;

struct PrintHash {
  std::size_t operator()(const EventFingerprint& print) const noexcept { return print.low; }
};

/// All zero where an interaction has no id. Returns: whether there are retractions, which all have one.
bool take_prints(std::span<const Interaction> interactions, std::uint32_t moment, std::vector<RememberedId>* prints) {
  prints->resize(interactions.size());
  std::atomic<bool> any{false};
  for_each_chunk(interactions.size(), [&](std::size_t, std::size_t begin, std::size_t end) {
    bool retracts = false;
    for (std::size_t i = begin; i < end; ++i) {
      const Interaction& one = interactions[i];
      (*prints)[i] = {};
      if (one.event_id.empty()) continue;
      (*prints)[i] = {features::fingerprint(one.event_id), {features::contents_print(one), moment}};
      retracts = retracts || one.retracts;
    }
    if (retracts) any.store(true, std::memory_order_relaxed);
  });
  return any.load(std::memory_order_relaxed);
}

}  // namespace

bool EventIds::look_at(std::span<const Interaction> interactions, std::uint32_t moment) {
  any_ids_ = std::any_of(interactions.begin(), interactions.end(),
                         [](const Interaction& one) { return !one.event_id.empty(); });
  any_retractions_ = any_ids_ && take_prints(interactions, moment, &prints_);
  return any_retractions_;
}

std::vector<std::uint32_t> EventIds::mismatched(std::span<const Interaction> interactions) const {
  std::vector<std::uint32_t> refused;
  if (!any_retractions_) return refused;
  // What the batch itself brings before one of its retractions counts too.
  std::unordered_map<EventFingerprint, EventNote, PrintHash> events;
  for (std::uint32_t i = 0; i < interactions.size(); ++i) {
    const auto& [print, note] = prints_[i];
    if (interactions[i].event_id.empty()) continue;
    if (!interactions[i].retracts) {
      events.try_emplace(print, note);
      continue;
    }
    auto came = memory_.find(print);
    if (const auto here = events.find(print); !came && here != events.end()) came = here->second;
    if (came && !features::may_be_alike(*came, note)) refused.push_back(i);
  }
  return refused;
}

void EventIds::judge(std::span<const Interaction> interactions, EventIdChanges* changes, Judged* judged) {
  judged->undone.clear();
  judged->repeated = judged->withheld = judged->unmatched = judged->mismatched = 0;
  std::vector<std::uint32_t>& included = judged->included;
  if (!any_ids_) {
    included.resize(interactions.size());
    std::iota(included.begin(), included.end(), 0u);
    return;
  }
  included.clear();
  std::uint64_t oldest = memory_.oldest_generation();
  const bool plain = !any_retractions_ && !memory_.has_retractions();
  for (std::uint32_t i = 0; i < interactions.size(); ++i) {
    if (i + kPrefetchAhead < prints_.size()) memory_.prefetch(prints_[i + kPrefetchAhead].print);
    if (interactions[i].event_id.empty()) {
      included.push_back(i);
    } else if (plain) {
      const auto generation = memory_.add(prints_[i].print, prints_[i].note);
      if (!generation) continue;
      changes->added[*generation].push_back(prints_[i]);
      included.push_back(i);
    } else {
      judge_one(i, interactions[i].retracts, changes, judged);
    }
  }
  judged->repeated = interactions.size() - included.size() - judged->undone.size() - judged->withheld -
                     judged->unmatched - judged->mismatched;
  for (; oldest < memory_.oldest_generation(); ++oldest) {
    changes->added.erase(oldest);  // so many came in one window that these are forgotten already
    changes->forgotten.push_back(oldest);
  }
}

void EventIds::judge_one(std::uint32_t index, bool retracts, EventIdChanges* changes, Judged* judged) {
  const auto judgement = memory_.judge(prints_[index].print, retracts, prints_[index].note);
  if (judgement.fate == features::EventFate::kRepeat) return;
  if (judgement.fate == features::EventFate::kMismatch) {
    ++judged->mismatched;
    return;
  }
  changes->added[judgement.generation].push_back({judgement.remembered, prints_[index].note});
  switch (judgement.fate) {
    case features::EventFate::kApply:
      return judged->included.push_back(index);
    case features::EventFate::kUndo:
      return judged->undone.push_back(index);
    case features::EventFate::kWithhold:
      ++judged->withheld;
      break;
    default:
      ++judged->unmatched;
      break;
  }
}

bool EventIds::retracted(std::string_view event_id, std::uint32_t contents) const noexcept {
  const EventFingerprint print = features::fingerprint(event_id);
  return memory_.retracted(print, memory_.find(print).value_or(EventNote{contents, 0}));
}

bool EventIds::retracted(std::string_view event_id) const noexcept {
  const EventFingerprint print = features::fingerprint(event_id);
  const auto came = memory_.find(print);
  return came ? memory_.retracted(print, *came) : memory_.contains(features::retraction_of(print));
}

Status EventIds::recover(const storage::StateStore& store) {
  Status damaged;
  CAIRN_RETURN_IF_ERROR(store.scan(Family::kDedup, "", [&](std::string_view key, std::string_view value) {
    std::uint64_t generation = 0;
    const bool noted = value.size() % 2 == 1;
    const std::size_t bytes = noted ? kNotedBytes : kPrintBytes;
    ByteReader in(value);
    if (!parse_event_ids_key(key, &generation) || (value.size() - (noted ? 1 : 0)) % bytes != 0 ||
        (noted && in.integer<std::uint8_t>() != kWithNotes) || generation < memory_.oldest_generation()) {
      damaged = data_loss("the stored event ids cannot be read; restore a checkpoint");
      return false;
    }
    for (std::size_t i = 0; i < value.size() / bytes; ++i) {
      RememberedId id;
      id.print.high = in.integer<std::uint64_t>();
      id.print.low = in.integer<std::uint64_t>();
      if (noted) id.note.contents = in.integer<std::uint32_t>();
      if (noted) id.note.moment = in.integer<std::uint32_t>();
      oldest_moment_ = std::min(oldest_moment_, id.note.moment);
      memory_.restore(generation, id.print, id.note);
    }
    return true;
  }));
  return damaged;
}

void put_event_ids(const EventIdChanges& changes, std::uint64_t window, storage::WriteBatch* batch) {
  for (const std::uint64_t generation : changes.forgotten) {
    batch->remove_prefix(Family::kDedup, event_ids_prefix(generation));
    CAIRN_KILL_POINT("event_ids.forgotten");
  }
  std::string value;
  for (const auto& [generation, prints] : changes.added) {
    value.clear();
    value.reserve(1 + prints.size() * kNotedBytes);
    value.push_back(static_cast<char>(kWithNotes));
    // As they lie in memory: there are millions.
    static_assert(std::endian::native == std::endian::little && sizeof(RememberedId) == kNotedBytes);
    value.append(reinterpret_cast<const char*>(prints.data()), prints.size() * kNotedBytes);
    batch->put(Family::kDedup, event_ids_key(generation, window), value);
  }
}

}  // namespace cairn::state

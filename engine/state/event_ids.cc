#include "engine/state/event_ids.h"

#include <algorithm>
#include <atomic>
#include <numeric>
#include <string>
#include <utility>

#include "cairn/kill_point.h"
#include "engine/state/bytes.h"
#include "engine/state/keys.h"
#include "engine/state/parallel.h"

namespace cairn::state {

using features::EventFingerprint;
using storage::Family;

namespace {

constexpr std::size_t kPrefetchAhead = 16;
constexpr std::size_t kPrintBytes = 16;

/// All zero where an interaction has no id. Returns: whether there are retractions, which all have one.
bool take_prints(std::span<const Interaction> interactions, std::vector<EventFingerprint>* prints) {
  prints->resize(interactions.size());
  std::atomic<bool> any{false};
  for_each_chunk(interactions.size(), [&](std::size_t, std::size_t begin, std::size_t end) {
    bool retracts = false;
    for (std::size_t i = begin; i < end; ++i) {
      const std::string& id = interactions[i].event_id;
      (*prints)[i] = id.empty() ? EventFingerprint{} : features::fingerprint(id);
      retracts = retracts || interactions[i].retracts;
    }
    if (retracts) any.store(true, std::memory_order_relaxed);
  });
  return any.load(std::memory_order_relaxed);
}

}  // namespace

bool EventIds::look_at(std::span<const Interaction> interactions) {
  any_ids_ = std::any_of(interactions.begin(), interactions.end(),
                         [](const Interaction& one) { return !one.event_id.empty(); });
  any_retractions_ = any_ids_ && take_prints(interactions, &prints_);
  return any_retractions_;
}

void EventIds::judge(std::span<const Interaction> interactions, EventIdChanges* changes, Judged* judged) {
  judged->undone.clear();
  judged->repeated = judged->withheld = judged->unmatched = 0;
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
    if (i + kPrefetchAhead < prints_.size()) memory_.prefetch(prints_[i + kPrefetchAhead]);
    if (interactions[i].event_id.empty()) {
      included.push_back(i);
    } else if (plain) {
      const auto generation = memory_.add(prints_[i]);
      if (!generation) continue;
      changes->added[*generation].push_back(prints_[i]);
      included.push_back(i);
    } else {
      judge_one(i, interactions[i].retracts, changes, judged);
    }
  }
  judged->repeated =
      interactions.size() - included.size() - judged->undone.size() - judged->withheld - judged->unmatched;
  for (; oldest < memory_.oldest_generation(); ++oldest) {
    changes->added.erase(oldest);  // so many came in one window that these are forgotten already
    changes->forgotten.push_back(oldest);
  }
}

void EventIds::judge_one(std::uint32_t index, bool retracts, EventIdChanges* changes, Judged* judged) {
  const auto judgement = memory_.judge(prints_[index], retracts);
  if (judgement.fate == features::EventFate::kRepeat) return;
  changes->added[judgement.generation].push_back(judgement.remembered);
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

Status EventIds::recover(const storage::StateStore& store) {
  Status damaged;
  CAIRN_RETURN_IF_ERROR(store.scan(Family::kDedup, "", [&](std::string_view key, std::string_view value) {
    std::uint64_t generation = 0;
    if (!parse_event_ids_key(key, &generation) || value.size() % kPrintBytes != 0 ||
        generation < memory_.oldest_generation()) {
      damaged = data_loss("the stored event ids cannot be read; restore a checkpoint");
      return false;
    }
    ByteReader in(value);
    for (std::size_t i = 0; i < value.size() / kPrintBytes; ++i) {
      const auto high = in.integer<std::uint64_t>();
      memory_.restore(generation, {high, in.integer<std::uint64_t>()});
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
    value.reserve(prints.size() * kPrintBytes);
    ByteWriter out(&value);
    for (const EventFingerprint& print : prints) {
      out.integer(print.high);
      out.integer(print.low);
    }
    batch->put(Family::kDedup, event_ids_key(generation, window), value);
  }
}

}  // namespace cairn::state

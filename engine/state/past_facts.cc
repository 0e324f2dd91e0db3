#include "engine/state/past_facts.h"

#include <algorithm>
#include <string>

#include "engine/state/bytes.h"
#include "engine/state/keys.h"

namespace cairn::state {

using storage::Family;

namespace {

constexpr std::uint8_t kKnown = 1;
constexpr std::uint8_t kCategory = 2;
constexpr std::uint8_t kCell = 4;
constexpr std::size_t kEntryBytes = 21;

std::string key_of(std::uint64_t place) {
  std::string key(kPlaceWasPrefix);
  for (int shift = 24; shift >= 0; shift -= 8) key.push_back(static_cast<char>(place >> shift));
  return key;
}

std::uint64_t place_of(std::string_view key) {
  std::uint64_t place = 0;
  for (const char byte : key.substr(kPlaceWasPrefix.size())) place = place << 8 | static_cast<std::uint8_t>(byte);
  return place;
}

}  // namespace

Status PastFacts::load(const storage::StateStore& store) {
  CAIRN_ASSIGN_OR_RETURN(const auto moment, store.get(Family::kMeta, kMomentKey));
  bool readable = true;
  if (moment) {
    ByteReader in(*moment);
    moment_ = in.integer<std::uint32_t>();
    readable = in.complete();
  }
  if (!readable) return data_loss("the stored moment cannot be read; restore a checkpoint");
  CAIRN_RETURN_IF_ERROR(store.scan(Family::kMeta, kPlaceWasPrefix, [&](std::string_view key, std::string_view value) {
    readable = key.size() == kPlaceWasPrefix.size() + 4 && !value.empty() && value.size() % kEntryBytes == 0;
    if (!readable) return false;
    History& history = places_[place_of(key)];
    ByteReader in(value);
    for (std::size_t i = 0; i < value.size() / kEntryBytes; ++i) {
      Before& before = history.emplace_back();
      before.until = in.integer<std::uint32_t>();
      const auto flags = in.integer<std::uint8_t>();
      const auto category = in.integer<std::uint64_t>();
      const auto cell = in.integer<std::uint64_t>();
      before.known = (flags & kKnown) != 0;
      if ((flags & kCategory) != 0) before.facts.category = category;
      if ((flags & kCell) != 0) before.facts.cell = cell;
    }
    return true;
  }));
  return readable ? ok_status() : data_loss("what a place was before cannot be read; restore a checkpoint");
}

PastFacts::Then PastFacts::at(std::uint64_t place, std::uint32_t moment, const Facts& now) const {
  Then then{.facts = now};
  const auto found = places_.find(place);
  if (found == places_.end()) return then;
  const History& history = found->second;
  const auto at = std::find_if(history.begin(), history.end(), [&](const Before& b) { return b.until >= moment; });
  if (at == history.end()) return then;
  then.changed = true;
  then.known = at->known;
  then.facts = at->facts;
  if (then.facts.cell) return then;
  const auto came = std::find_if(at, history.end(), [](const Before& b) { return b.facts.cell.has_value(); });
  if (came != history.end()) {
    then.coming = came->facts;
    then.stayed = false;
  } else if (now.cell) {
    then.coming = now;
  }
  return then;
}

PastFacts::History PastFacts::with(std::uint64_t place, const Facts& facts) const {
  const auto found = places_.find(place);
  History history = found == places_.end() ? History{} : found->second;
  history.push_back({moment_, true, facts});
  if (history.size() > kPerPlaceMax) {
    history.erase(history.begin());
    history.front() = {history.front().until, false, {}};
  }
  return history;
}

void PastFacts::put(std::uint64_t place, const History& history, storage::WriteBatch* batch) {
  std::string value;
  ByteWriter out(&value);
  for (const Before& before : history) {
    out.integer(before.until);
    const int flags =
        (before.known ? kKnown : 0) | (before.facts.category ? kCategory : 0) | (before.facts.cell ? kCell : 0);
    out.integer(static_cast<std::uint8_t>(flags));
    out.integer(before.facts.category.value_or(0));
    out.integer(before.facts.cell.value_or(0));
  }
  batch->put(Family::kMeta, key_of(place), value);
}

void PastFacts::put(const Ended& ended, storage::WriteBatch* batch) const {
  for (const auto& [place, facts] : ended) put(place, with(place, facts), batch);
  std::string value;
  ByteWriter(&value).integer(moment_ + 1);
  batch->put(Family::kMeta, kMomentKey, value);
}

void PastFacts::apply(const Ended& ended) {
  for (const auto& [place, facts] : ended) places_[place] = with(place, facts);
  ++moment_;
}

Status PastFacts::forget_before(std::uint32_t moment, storage::StateStore* store) {
  storage::WriteBatch batch;
  bool any = false;
  for (auto at = places_.begin(); at != places_.end();) {
    const std::size_t gone = std::erase_if(at->second, [&](const Before& before) { return before.until < moment; });
    any = any || gone > 0;
    if (at->second.empty()) {
      batch.remove(Family::kMeta, key_of(at->first));
      at = places_.erase(at);
      continue;
    }
    if (gone > 0) put(at->first, at->second, &batch);
    ++at;
  }
  return any ? store->write(std::move(batch), storage::Durability::kBuffered) : ok_status();
}

std::size_t PastFacts::memory_bytes() const noexcept {
  constexpr std::size_t kMapNode = 64;
  std::size_t bytes = 0;
  for (const auto& [place, history] : places_) bytes += kMapNode + history.capacity() * sizeof(Before);
  return bytes;
}

}  // namespace cairn::state

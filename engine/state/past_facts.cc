#include "engine/state/past_facts.h"

#include <algorithm>
#include <iterator>
#include <string_view>

#include "engine/state/bytes.h"
#include "engine/state/keys.h"

namespace cairn::state {

using storage::Family;

namespace {

constexpr std::uint8_t kKnown = 1;
constexpr std::uint8_t kCategory = 2;
constexpr std::uint8_t kCell = 4;
constexpr std::size_t kEntryBytes = 21;

constexpr std::size_t kNumberBytes = 4;

std::string key_of(std::string_view prefix, std::uint64_t place) {
  std::string key(prefix);
  append_big_endian(place, kNumberBytes, &key);
  return key;
}

/// Returns: nullopt for a key that key_of() did not make.
std::optional<std::uint64_t> place_of(std::string_view prefix, std::string_view key) {
  if (key.size() != prefix.size() + kNumberBytes) return std::nullopt;
  return read_big_endian(key.substr(prefix.size()));
}

std::string encode(const std::vector<std::uint32_t>& moments) {
  std::string value;
  ByteWriter out(&value);
  for (const std::uint32_t moment : moments) out.integer(moment);
  return value;
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
    const auto place = place_of(kPlaceWasPrefix, key);
    readable = place && !value.empty() && value.size() % kEntryBytes == 0;
    if (!readable) return false;
    History& history = places_[*place];
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
  if (!readable) return data_loss("what a place was before cannot be read; restore a checkpoint");
  CAIRN_RETURN_IF_ERROR(
      store.scan(Family::kMeta, kPlaceErasedPrefix, [&](std::string_view key, std::string_view value) {
        const auto place = place_of(kPlaceErasedPrefix, key);
        readable = place && !value.empty() && value.size() % sizeof(std::uint32_t) == 0;
        if (!readable) return false;
        ByteReader in(value);
        while (in.left() > 0) erasures_[*place].push_back(in.integer<std::uint32_t>());
        return true;
      }));
  return readable ? ok_status() : data_loss("when a place was erased cannot be read; restore a checkpoint");
}

PastFacts::Then PastFacts::at(std::uint64_t place, std::uint32_t moment, const Facts& now) const {
  Then then{.facts = now};
  const auto erasures = erasures_.find(place);
  std::optional<std::uint32_t> erased;  // the first time
  if (erasures != erasures_.end()) {
    const auto first = std::lower_bound(erasures->second.begin(), erasures->second.end(), moment);
    if (first != erasures->second.end()) erased = *first;
  }
  then.erased = erased.has_value();
  then.dropped = erased && !now.cell;
  const auto found = places_.find(place);
  if (found == places_.end()) return then;
  const History& history = found->second;
  const auto at = std::find_if(history.begin(), history.end(), [&](const Before& b) { return b.until >= moment; });
  if (at == history.end()) return then;
  then.changed = true;
  then.known = at->known;
  then.facts = at->facts;
  then.dropped = erased && !then.facts.cell && *erased <= at->until;
  if (then.facts.cell) return then;
  then.came_in = at->until + 1;
  const auto came = std::find_if(at, history.end(), [](const Before& b) { return b.facts.cell.has_value(); });
  if (came != history.end()) {
    then.coming = came->facts;
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

std::pair<std::string, std::string> PastFacts::erase(std::uint64_t place, std::uint32_t moment) {
  std::vector<std::uint32_t>& moments = erasures_[place];
  moments.push_back(moment);
  if (moments.size() > kErasuresMax) moments.erase(moments.begin());
  return {key_of(kPlaceErasedPrefix, place), encode(moments)};
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
  batch->put(Family::kMeta, key_of(kPlaceWasPrefix, place), value);
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
      batch.remove(Family::kMeta, key_of(kPlaceWasPrefix, at->first));
      at = places_.erase(at);
      continue;
    }
    if (gone > 0) put(at->first, at->second, &batch);
    ++at;
  }
  for (auto at = erasures_.begin(); at != erasures_.end();) {
    const std::size_t gone = std::erase_if(at->second, [&](std::uint32_t erased) { return erased < moment; });
    any = any || gone > 0;
    const std::string key = key_of(kPlaceErasedPrefix, at->first);
    if (gone > 0) batch.put(Family::kMeta, key, encode(at->second));
    if (at->second.empty()) batch.remove(Family::kMeta, key);
    at = at->second.empty() ? erasures_.erase(at) : std::next(at);
  }
  return any ? store->write(std::move(batch), storage::Durability::kBuffered) : ok_status();
}

std::size_t PastFacts::memory_bytes() const noexcept {
  constexpr std::size_t kMapNode = 64;
  std::size_t bytes = 0;
  for (const auto& [place, history] : places_) bytes += kMapNode + history.capacity() * sizeof(Before);
  for (const auto& [place, moments] : erasures_) bytes += kMapNode + moments.capacity() * sizeof(std::uint32_t);
  return bytes;
}

}  // namespace cairn::state

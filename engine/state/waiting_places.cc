#include "engine/state/waiting_places.h"

#include <string_view>

#include "engine/state/keys.h"
#include "features/row.h"

namespace cairn::state {

Status WaitingPlaces::recover(const storage::StateStore& store, const features::Schema& schema,
                              const std::function<void(std::string_view key, const Status&)>& row_is_damaged) {
  const features::View* const counted = schema.waiting_events();
  if (counted == nullptr) return ok_status();
  features::Row row;
  return store.scan(storage::Family::kState, kWaitingPrefix, [&](std::string_view key, std::string_view value) {
    const auto place = waiting_place_of_key(key);
    const Status decoded = place ? features::decode_row(value, &row) : data_loss("the key makes no sense");
    if (!decoded.ok()) {
      row_is_damaged(key, decoded);
      return true;
    }
    const features::ViewBlock* const block = row.find(counted->id);
    const bool any = block != nullptr && !block->entries.empty();
    add(*place, any ? static_cast<std::uint64_t>(block->entries[0].value.count) : 0);
    return true;
  });
}

void WaitingPlaces::add(std::uint64_t place, std::uint64_t events) {
  const auto [at, added] = events_.try_emplace(place, 0);
  at->second += events;
  if (added) places_count_.fetch_add(1, std::memory_order_relaxed);
  events_count_.fetch_add(events, std::memory_order_relaxed);
}

void WaitingPlaces::remove(std::uint64_t place, bool filled) {
  const auto at = events_.find(place);
  if (at == events_.end()) return;
  places_count_.fetch_sub(1, std::memory_order_relaxed);
  events_count_.fetch_sub(at->second, std::memory_order_relaxed);
  if (filled) filled_.fetch_add(at->second, std::memory_order_relaxed);
  events_.erase(at);
}

std::vector<std::uint64_t> WaitingPlaces::places() const {
  std::vector<std::uint64_t> places;
  places.reserve(events_.size());
  for (const auto& [place, events] : events_) places.push_back(place);
  return places;
}

WaitingPlaces::Stats WaitingPlaces::stats() const noexcept {
  return {places_count_.load(std::memory_order_relaxed), events_count_.load(std::memory_order_relaxed),
          filled_.load(std::memory_order_relaxed)};
}

std::size_t WaitingPlaces::memory_bytes() const noexcept {
  constexpr std::size_t kMapNode = 40;  // with its share of the buckets
  return stats().places * kMapNode;
}

}  // namespace cairn::state

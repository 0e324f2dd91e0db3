#include "engine/state/fading.h"

#include <algorithm>

#include "features/row.h"

namespace cairn::state {

storage::TrimFunction Fading::trim() const {
  return [newest = newest_ms_, &clock = clock_](std::string_view, std::string_view row, std::string* trimmed) {
    const std::int64_t newest_ms = newest->load(std::memory_order_relaxed);
    if (newest_ms == INT64_MIN) return storage::TrimDecision::kKeep;  // nothing is known of the stream's time yet
    switch (features::drop_faded(row, std::min(newest_ms, to_ms(clock.recent())), trimmed)) {
      case features::Faded::kNothing:
        return storage::TrimDecision::kKeep;
      case features::Faded::kSome:
        return storage::TrimDecision::kChange;
      case features::Faded::kEverything:
        break;
    }
    return storage::TrimDecision::kRemove;
  };
}

void Fading::advance(EventTime newest) {
  const std::int64_t ms = to_ms(newest);
  std::int64_t before = newest_ms_->load(std::memory_order_relaxed);
  while (before < ms && !newest_ms_->compare_exchange_weak(before, ms, std::memory_order_relaxed)) {
  }
}

}  // namespace cairn::state

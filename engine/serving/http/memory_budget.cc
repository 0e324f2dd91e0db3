#include "engine/serving/http/memory_budget.h"

namespace cairn::serving {

std::size_t MemoryBudget::limit_of(Use use) const noexcept {
  switch (use) {
    case Use::kRequest:
      return limit_ - limit_ / 4;
    case Use::kAnswer:
      return limit_ - limit_ / 16;
    case Use::kProbe:
      break;
  }
  return limit_;
}

bool MemoryBudget::take(std::size_t bytes, Use use) noexcept {
  const std::size_t limit = limit_of(use);
  std::size_t used = used_.load(std::memory_order_relaxed);
  do {
    if (used > limit || bytes > limit - used) return false;
  } while (!used_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
  std::size_t peak = peak_.load(std::memory_order_relaxed);
  while (peak < used + bytes && !peak_.compare_exchange_weak(peak, used + bytes, std::memory_order_relaxed)) {
  }
  return true;
}

}  // namespace cairn::serving

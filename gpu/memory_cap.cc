#include "gpu/memory_cap.h"

#include <string>

namespace cairn::gpu {

Status MemoryCap::reserve(std::size_t bytes) {
  std::size_t now = bytes_.load(std::memory_order_relaxed);
  do {
    // Subtracted rather than added, which could overflow.
    if (bytes > bytes_max_ || now > bytes_max_ - bytes) {
      return resource_exhausted("a matrix of " + std::to_string(bytes) + " bytes beside " + std::to_string(now) +
                                " bytes of others exceeds the limit of " + std::to_string(bytes_max_));
    }
  } while (!bytes_.compare_exchange_weak(now, now + bytes, std::memory_order_relaxed));
  return ok_status();
}

}  // namespace cairn::gpu

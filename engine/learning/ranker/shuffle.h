#pragma once

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "gpu/random.h"

namespace cairn::learning {

/// 0 … count - 1 in an order that is drawn (Fisher and Yates). The same for the same state of `random` on every
/// machine.
[[nodiscard]] inline std::vector<std::uint32_t> shuffled(std::size_t count, std::uint64_t* random) {
  std::vector<std::uint32_t> order(count);
  std::iota(order.begin(), order.end(), 0U);
  for (std::size_t i = count; i > 1; --i) std::swap(order[i - 1], order[gpu::next_bits(random) % i]);
  return order;
}

}  // namespace cairn::learning

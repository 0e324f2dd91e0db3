#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "gpu/top_k.h"

namespace cairn::gpu::testing {

/// The definition of top-k, by scoring and sorting every row: (row, score), best first.
[[nodiscard]] std::vector<std::pair<std::uint32_t, float>> top_k_oracle(const MatrixView& items,
                                                                        std::span<const float> query, std::size_t k,
                                                                        const RowFilter& filter);

}  // namespace cairn::gpu::testing
